/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import chromiumOffer from "./testdata/chromium_offer.json" with { type: "json" };
import type { ErrorCode } from "./errors.ts";
import { MAX_CANDIDATE_BYTES, MAX_SDP_BYTES, MAX_SDP_CANDIDATES } from "./limits.ts";
import { checkCandidate, checkSdp, isLoopback } from "./sdp.ts";

const OFFER = chromiumOffer.sdp;
const CANDIDATE = "candidate:1 1 udp 2113937151 192.0.2.5 54321 typ host generation 0 ufrag abcd";
const FINGERPRINT_LINE = /a=fingerprint:[^\r]*\r\n/g;

/** Appends attribute lines to the last media section. */
const withLines = (...lines: string[]) => OFFER + lines.map((line) => `${line}\r\n`).join("");

Deno.test("checkSdp: a real Chromium offer", () => {
  const checked = checkSdp(OFFER);
  assert.ok(checked.ok);
  assert.deepEqual(checked.value.media, ["video", "application"]);
  assert.equal(checked.value.candidates, 0);
  for (const codec of ["VP8", "H264", "RTX"]) {
    assert.ok(checked.value.videoCodecs.includes(codec), codec);
  }
});

Deno.test("checkSdp says which way sound goes: its section before the session, and both ways without a word", () => {
  const audio = (session: string, section: string): string | null => {
    const sdp =
      `${HEAD}${FINGERPRINT}${session}${SECTION}a=sendonly\r\nm=audio 9 RTP/AVP 111\r\n${section}`;
    const checked = checkSdp(sdp);
    return checked.ok ? checked.value.audio : null;
  };
  assert.equal(audio("", "a=recvonly\r\n"), "recvonly");
  assert.equal(audio("a=inactive\r\n", "a=recvonly\r\n"), "recvonly");
  assert.equal(audio("a=inactive\r\n", ""), "inactive");
  assert.equal(audio("", ""), "sendrecv");
  const silent = checkSdp(OFFER);
  assert.equal(silent.ok && silent.value.audio, null);
});

const SECTION = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n";
const FINGERPRINT = `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}\r\n`;
const BARE_HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
const USER = "a=ice-ufrag:abcd\r\n";
const PASSWORD = `a=ice-pwd:${"b".repeat(22)}\r\n`;
const ICE = USER + PASSWORD;
const HEAD = BARE_HEAD + ICE;

const ACCEPTED: readonly { name: string; sdp: string; candidates?: number }[] = [
  { name: "a fingerprint for the whole session", sdp: HEAD + FINGERPRINT + SECTION.repeat(4) },
  { name: "a fingerprint in every section", sdp: HEAD + (SECTION + FINGERPRINT).repeat(4) },
  {
    name: "ICE credentials in every section",
    sdp: BARE_HEAD + FINGERPRINT + (SECTION + ICE).repeat(2),
  },
  {
    name: "different mids",
    sdp: `${HEAD}${FINGERPRINT}${SECTION}a=mid:0\r\n${SECTION}a=mid:1\r\n`,
  },
  { name: "bare LF line ends", sdp: (HEAD + SECTION + FINGERPRINT).replaceAll("\r", "") },
  {
    name: "another hash beside sha-256",
    sdp: `${HEAD}${SECTION}a=fingerprint:sha-1 AB:CD\r\n${FINGERPRINT}`,
  },
  {
    name: "as many candidates as allowed",
    sdp: withLines(...Array(MAX_SDP_CANDIDATES).fill(`a=${CANDIDATE}`)),
    candidates: MAX_SDP_CANDIDATES,
  },
];

for (const { name, sdp, candidates } of ACCEPTED) {
  Deno.test(`checkSdp: ${name} → accepted`, () => {
    const checked = checkSdp(sdp);
    assert.ok(checked.ok, JSON.stringify(checked));
    assert.equal(checked.value.candidates, candidates ?? 0);
  });
}

const REFUSED: readonly { name: string; sdp: string; code: ErrorCode }[] = [
  { name: "nothing", sdp: "", code: "sdp-invalid" },
  { name: "no media section", sdp: HEAD + FINGERPRINT, code: "sdp-invalid" },
  { name: "another first line", sdp: OFFER.replace("v=0", "v=1"), code: "sdp-invalid" },
  { name: "no fingerprint", sdp: OFFER.replace(FINGERPRINT_LINE, ""), code: "sdp-no-fingerprint" },
  {
    name: "a fingerprint in one of two sections",
    sdp: OFFER.replace(/a=fingerprint:[^\r]*\r\n/, ""),
    code: "sdp-no-fingerprint",
  },
  {
    name: "two fingerprints in one section, none in the other",
    sdp: HEAD + SECTION + FINGERPRINT + FINGERPRINT + SECTION,
    code: "sdp-no-fingerprint",
  },
  {
    name: "sha-1 only",
    sdp: OFFER.replace(FINGERPRINT_LINE, "a=fingerprint:sha-1 AB:CD\r\n"),
    code: "sdp-no-fingerprint",
  },
  {
    name: "a sha-256 that is cut off",
    sdp: OFFER.replace(/(a=fingerprint:sha-256 .{20})[^\r]*/, "$1"),
    code: "sdp-no-fingerprint",
  },
  {
    name: "no ICE credentials",
    sdp: BARE_HEAD + FINGERPRINT + SECTION,
    code: "sdp-no-ice-credentials",
  },
  {
    name: "an ICE user without a password",
    sdp: BARE_HEAD + FINGERPRINT + USER + SECTION,
    code: "sdp-no-ice-credentials",
  },
  {
    name: "ICE credentials in one of two sections",
    sdp: BARE_HEAD + FINGERPRINT + SECTION + ICE + SECTION,
    code: "sdp-no-ice-credentials",
  },
  {
    name: "the same mid twice",
    sdp: HEAD + FINGERPRINT + `${SECTION}a=mid:0\r\n`.repeat(2),
    code: "sdp-invalid",
  },
  {
    name: "two mids in one section",
    sdp: `${HEAD}${FINGERPRINT}${SECTION}a=mid:0\r\na=mid:1\r\n`,
    code: "sdp-invalid",
  },
  { name: "an empty mid", sdp: `${HEAD}${FINGERPRINT}${SECTION}a=mid:\r\n`, code: "sdp-invalid" },
  {
    name: "five sections",
    sdp: HEAD + FINGERPRINT + SECTION.repeat(5),
    code: "sdp-too-many-sections",
  },
  {
    name: "two audio sections",
    sdp: HEAD + FINGERPRINT + "m=audio 9 RTP/AVP 111\r\na=recvonly\r\n".repeat(2),
    code: "sdp-invalid",
  },
  {
    name: "a kind of media nobody uses",
    sdp: withLines("m=text 9 RTP/AVP 96"),
    code: "sdp-invalid",
  },
  {
    name: "a media line without formats",
    sdp: withLines("m=video 9 RTP/AVP"),
    code: "sdp-invalid",
  },
  { name: "a NUL", sdp: withLines("a=x:\0"), code: "sdp-invalid" },
  { name: "an escape sequence", sdp: withLines("a=x:\x1b[31m"), code: "sdp-invalid" },
  { name: "a tab", sdp: withLines("a=x:\t"), code: "sdp-invalid" },
  { name: "DEL", sdp: withLines("a=x:\x7f"), code: "sdp-invalid" },
  { name: "a character beyond ASCII", sdp: withLines("a=x:é"), code: "sdp-invalid" },
  { name: "a Unicode line separator", sdp: withLines("a=x:\u2028m=audio"), code: "sdp-invalid" },
  { name: "a bare CR", sdp: withLines("a=x\ra=y"), code: "sdp-invalid" },
  { name: "a CR at the very end", sdp: `${OFFER}\r`, code: "sdp-invalid" },
  { name: "an empty line", sdp: withLines("", "a=x"), code: "sdp-invalid" },
  { name: "an empty ICE password", sdp: withLines("a=ice-pwd:"), code: "sdp-invalid" },
  {
    name: "an ICE password that can be guessed",
    sdp: withLines(`a=ice-pwd:${"a".repeat(21)}`),
    code: "sdp-invalid",
  },
  { name: "an ICE user of three", sdp: withLines("a=ice-ufrag:abc"), code: "sdp-invalid" },
  {
    name: "an ICE user beyond ice-char",
    sdp: withLines("a=ice-ufrag:ab cd"),
    code: "sdp-invalid",
  },
  { name: "a line that is no attribute", sdp: withLines("hello"), code: "sdp-invalid" },
  { name: "an upper-case type", sdp: withLines("A=x"), code: "sdp-invalid" },
  { name: "1025 lines", sdp: HEAD + "a=x\r\n".repeat(1021), code: "sdp-invalid" },
  { name: "a byte too many", sdp: OFFER.padEnd(MAX_SDP_BYTES + 1, "a"), code: "sdp-too-large" },
  {
    name: "a candidate too many",
    sdp: withLines(...Array(MAX_SDP_CANDIDATES + 1).fill(`a=${CANDIDATE}`)),
    code: "sdp-too-many-candidates",
  },
  {
    name: "a candidate with a host name",
    sdp: withLines(`a=${CANDIDATE.replace("192.0.2.5", "example.com")}`),
    code: "candidate-invalid",
  },
  {
    name: "20 000 candidates",
    sdp: withLines(...Array(20_000).fill(`a=${CANDIDATE}`)),
    code: "sdp-too-large",
  },
  { name: "3000 sections", sdp: HEAD + FINGERPRINT + SECTION.repeat(3000), code: "sdp-too-large" },
  { name: "a megabyte of lines", sdp: HEAD + "a=\r\n".repeat(250_000), code: "sdp-too-large" },
];

for (const { name, sdp, code } of REFUSED) {
  Deno.test(`checkSdp: ${name} → ${code}`, () => {
    const checked = checkSdp(sdp);
    assert.equal(checked.ok ? "ok" : checked.error.code, code);
  });
}

Deno.test("checkSdp: an error names no address, user name or password", () => {
  const secrets = /192\.0\.2\.5|abcd|Tty02GLV3bldIrNz4sF0qp4f/;
  for (const { sdp } of REFUSED) {
    const checked = checkSdp(sdp);
    assert.ok(!checked.ok);
    assert.doesNotMatch(JSON.stringify(checked.error), secrets);
  }
});

Deno.test("checkSdp refuses what is too large by its length alone", () => {
  // Whatever looks at a character of this "text" throws.
  const unread = { length: 955_000 } as unknown as string;
  const checked = checkSdp(unread);
  assert.equal(checked.ok ? "ok" : checked.error.code, "sdp-too-large");
});

/** As hostile as 16 KiB can be: long lines, many lines, what makes careless expressions slow. */
const DENSE: readonly string[] = [
  HEAD + FINGERPRINT + SECTION.repeat(Math.floor(MAX_SDP_BYTES / SECTION.length) - 8),
  HEAD + "a=\r\n".repeat(4000),
  withLines(...Array(100).fill(`a=${CANDIDATE}`)),
  `${HEAD}m=video 9 ${"A".repeat(20)} ${"1 ".repeat(4000)}\r\n`,
  `${HEAD}${SECTION}a=fingerprint:sha-256 ${"AB:".repeat(5000)}\r\n`,
  `${HEAD}${SECTION}a=rtpmap:96 ${"a".repeat(15_000)}\r\n`,
  withLines(`a=candidate:${"1 ".repeat(5000)}`),
  withLines(`a=candidate:1 1 udp 1 ${":".repeat(60)} 5000 typ host${" x".repeat(25)}`),
  `v=0\r\n${"\n".repeat(16_000)}`,
];

for (const [index, sdp] of DENSE.entries()) {
  Deno.test(`checkSdp: dense hostile description ${index + 1} is refused`, () => {
    assert.ok(sdp.length <= MAX_SDP_BYTES);
    assert.ok(!checkSdp(sdp).ok);
  });
}

const CANDIDATES: readonly { line: string; code: ErrorCode | "ok" }[] = [
  { line: CANDIDATE, code: "ok" },
  { line: "candidate:1 1 UDP 1 192.0.2.5 1024 typ relay raddr 0.0.0.0 rport 0", code: "ok" },
  { line: "candidate:a+/b 2 tcp 1 2001:db8::5 9 typ host tcptype active", code: "ok" },
  {
    line: "candidate:1 1 udp 1 0b1e3a52-9d1a-4c9c-8d55-6b7f0f1f4a11.local 5000 typ host",
    code: "ok",
  },
  { line: "candidate:1 1 udp 1 127.0.0.1 5000 typ host", code: "ok" },
  { line: "candidate:1 1 udp 1 ::1 5000 typ prflx", code: "ok" },
  { line: "", code: "candidate-invalid" },
  { line: `a=${CANDIDATE}`, code: "candidate-invalid" },
  { line: `${CANDIDATE}\r\na=x`, code: "candidate-invalid" },
  { line: `${CANDIDATE}\n`, code: "candidate-invalid" },
  { line: `${CANDIDATE} `, code: "candidate-invalid" },
  { line: `${CANDIDATE} ${"x".repeat(65)}`, code: "candidate-invalid" },
  { line: CANDIDATE.padEnd(MAX_CANDIDATE_BYTES + 1, " x"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("udp", "sctp"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("typ host", "typ evil"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("54321", "65536"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("54321", "1023"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("54321", "22"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("54321", "9"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("udp", "tcp").replace("54321", "80"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("192.0.2.5", "localhost"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("192.0.2.5", "printer.local"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("192.0.2.5", "metadata.internal"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("192.0.2.5", "1.2.3"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("192.0.2.5", "0.0.0.0"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("192.0.2.5", "00.0.0.0"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("192.0.2.5", "169.254.169.254"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("192.0.2.5", "224.0.0.251"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("192.0.2.5", "fe80::1"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("192.0.2.5", "::ffff:127.0.0.1"), code: "candidate-invalid" },
  { line: CANDIDATE.replace("192.0.2.5", "0:0:0:0:0:ffff:7f00:1"), code: "candidate-invalid" },
];

for (const { line, code } of CANDIDATES) {
  Deno.test(`checkCandidate ${JSON.stringify(line.slice(0, 90))} → ${code}`, () => {
    const checked = checkCandidate(line);
    assert.equal(checked.ok ? "ok" : checked.error.code, code);
  });
}

Deno.test("checkCandidate gives the parts that a policy judges", () => {
  const checked = checkCandidate("candidate:1 1 TCP 1 2001:DB8::5 9 typ RELAY tcptype active");
  assert.deepEqual(checked, {
    ok: true,
    value: { protocol: "tcp", address: "2001:DB8::5", port: 9, type: "relay" },
  });
});

Deno.test("isLoopback knows every spelling and no host name", () => {
  for (const address of ["127.0.0.1", "127.9.9.9", "::1", "0:0:0:0:0:0:0:1"]) {
    assert.ok(isLoopback(address), address);
  }
  for (const address of ["192.0.2.5", "localhost", "127.0.0.1.example.com", "::2", ""]) {
    assert.ok(!isLoopback(address), address);
  }
});
