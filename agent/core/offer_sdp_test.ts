/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { checkSdp, type VideoCodec } from "@farglass/protocol";
import { CHROMIUM_H264, chromiumOffer } from "../../tests/support/offers.ts";
import { answerPassive, prepareOffer } from "./offer_sdp.ts";

const CHOICES: [
  name: string,
  h264: typeof CHROMIUM_H264,
  payloadType: number | null,
  rtx: number | null,
][] = [
  ["constrained baseline before baseline", CHROMIUM_H264, 108, 109],
  ["baseline when there is nothing nearer", CHROMIUM_H264.slice(0, 2), 102, 103],
  ["never packetization-mode 0", [CHROMIUM_H264[1], CHROMIUM_H264[3]], null, null],
  ["never main or high", CHROMIUM_H264.slice(4), null, null],
  ["no H.264", [], null, null],
  ["without RTX", [[108, 0, CHROMIUM_H264[2][2]]], 108, null],
  [
    "upper case and spaces",
    [[108, 109, "packetization-mode=1; profile-level-id=42E02A"]],
    108,
    109,
  ],
  ["a malformed profile", [[108, 109, "packetization-mode=1;profile-level-id=42e0zz"]], null, null],
  ["no parameters at all", [[108, 109, ""]], null, null],
];
for (const [name, h264, payloadType, rtx] of CHOICES) {
  Deno.test(`prepareOffer: ${name}`, () => {
    let offer = chromiumOffer({ h264 });
    if (rtx === null) offer = offer.replaceAll("apt=108", "apt=1");
    const { video } = prepareOffer(offer, { videoCodecs: ["h264"] });
    assert.equal(video?.formats[0].payloadType ?? null, payloadType);
    assert.equal(video?.formats[0].rtxPayloadType ?? null, rtx);
  });
}

Deno.test("prepareOffer keeps one format with its RTX, and stays a valid description", () => {
  const { sdp, video } = prepareOffer(chromiumOffer(), { videoCodecs: ["h264"] });
  assert.ok(checkSdp(sdp).ok);
  assert.match(sdp, /^m=video 9 UDP\/TLS\/RTP\/SAVPF 108 109\r$/m);
  assert.deepEqual(sdp.match(/^a=rtpmap:\d+/gm), ["a=rtpmap:108", "a=rtpmap:109"]);
  assert.doesNotMatch(sdp, /VP8|a=fmtp:102/);
  assert.match(sdp, /a=fingerprint:sha-256/);
  assert.equal(video?.mid, "0");
});

Deno.test("prepareOffer leaves an offer without a usable format as it is, for the video to be refused", () => {
  const offer = chromiumOffer({ h264: [] });
  assert.equal(prepareOffer(offer, { videoCodecs: ["h264"] }).sdp, offer);
});

const CODECS: [name: string, h264: boolean, codecs: VideoCodec[], chosen: string | null][] = [
  ["H.264 with VP8 behind it", true, ["h264", "vp8"], "h264 108 109, vp8 96 97"],
  ["VP8 with its RTX for a browser without H.264", false, ["h264", "vp8"], "vp8 96 97"],
  ["the agent's order counts", true, ["vp8", "h264"], "vp8 96 97, h264 108 109"],
  ["what is not offered is left out", true, ["av1", "vp8"], "vp8 96 97"],
  ["nothing in common", false, ["h264"], null],
  ["no encoder", true, [], null],
];
for (const [name, h264, codecs, chosen] of CODECS) {
  Deno.test(`prepareOffer: ${name}`, () => {
    const offer = chromiumOffer(h264 ? {} : { h264: [] });
    const { sdp, video } = prepareOffer(offer, { videoCodecs: codecs });
    assert.ok(checkSdp(sdp).ok);
    const seen = video?.formats.map((one) =>
      `${one.codec} ${one.payloadType} ${one.rtxPayloadType}`
    ).join(", ");
    assert.equal(seen ?? null, chosen);
    if (video === null) return;
    // The section lists the same in the same order, and describes nothing else.
    const listed = video.formats.flatMap(({ payloadType, rtxPayloadType }) => [
      payloadType,
      ...rtxPayloadType === null ? [] : [rtxPayloadType],
    ]);
    assert.match(sdp, new RegExp(`^m=video 9 UDP/TLS/RTP/SAVPF ${listed.join(" ")}\\r$`, "m"));
    const described = [...sdp.matchAll(/^a=rtpmap:(\d+) /gm)].map(([, type]) => Number(type));
    assert.deepEqual(described.sort(), listed.sort());
  });
}

const NEWER: [
  name: string,
  codec: VideoCodec,
  rtpmap: string,
  fmtp: string | null,
  answered: string | null,
][] = [
  ["AV1", "av1", "AV1", "level-idx=8;profile=0;tier=0", "level-idx=8;profile=0;tier=0"],
  ["AV1 without parameters", "av1", "AV1", null, "level-idx=5;profile=0;tier=0"],
  ["AV1 of the high profile", "av1", "AV1", "level-idx=5;profile=1;tier=0", null],
  ["AV1 with a level that is none", "av1", "av1", "level-idx=x", "level-idx=5;profile=0;tier=0"],
  [
    ...["H.265", "h265", "H265"] as const,
    "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST",
    "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST",
  ],
  [
    ...["H.265 without parameters", "h265", "H265", null] as const,
    "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST",
  ],
  ["H.265 of ten bits", "h265", "H265", "profile-id=2", null],
  ["H.265 in several streams", "h265", "H265", "tx-mode=MRST", null],
];
for (const [name, codec, rtpmap, fmtp, answered] of NEWER) {
  Deno.test(`prepareOffer: ${name}`, () => {
    const offer = chromiumOffer().replace(
      "a=rtpmap:96 VP8/90000\r\n",
      `a=rtpmap:96 ${rtpmap}/90000\r\n${fmtp === null ? "" : `a=fmtp:96 ${fmtp}\r\n`}`,
    );
    const { sdp, video } = prepareOffer(offer, { videoCodecs: [codec, "h264"] });
    assert.ok(checkSdp(sdp).ok);
    const usual = video?.formats.at(-1);
    assert.deepEqual([usual?.codec, usual?.payloadType], ["h264", 108]);
    if (answered === null) return assert.equal(video?.formats.length, 1);
    const best = video?.formats[0];
    assert.deepEqual(
      [best?.codec, best?.payloadType, best?.rtxPayloadType, best?.format],
      [codec, 96, 97, answered],
    );
  });
}

Deno.test("prepareOffer takes the candidates out, with the section they belong to", () => {
  const candidates = ["candidate:1 1 udp 2113937151 192.0.2.7 48998 typ host"];
  const offer = chromiumOffer({ candidates }) + "a=end-of-candidates\r\n";
  const prepared = prepareOffer(offer, { videoCodecs: ["h264"] });
  assert.deepEqual(prepared.candidates, [{ candidate: candidates[0], mid: "0" }]);
  assert.equal(prepared.endOfCandidates, true);
  assert.doesNotMatch(prepared.sdp, /candidate:|end-of-candidates/);
  assert.equal(prepareOffer(chromiumOffer(), { videoCodecs: ["h264"] }).endOfCandidates, false);
});

Deno.test("answerPassive makes the answerer the DTLS server in every section", () => {
  const answer =
    "a=setup:active\r\nm=x\r\na=setup:actpass\r\na=setup:passive\r\na=x:setup:active\r\n";
  assert.equal(
    answerPassive(answer),
    "a=setup:passive\r\nm=x\r\na=setup:passive\r\na=setup:passive\r\na=x:setup:active\r\n",
  );
});

const AUDIO = [
  "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110",
  "a=mid:2",
  "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "a=recvonly",
  "a=rtcp-mux",
  "a=rtpmap:63 red/48000/2",
  "a=fmtp:63 111/111",
  "a=rtpmap:111 opus/48000/2",
  "a=rtcp-fb:111 transport-cc",
  "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1",
  "a=rtpmap:8 PCMA/8000",
  "",
].join("\r\n");

Deno.test("prepareOffer keeps Opus alone of a section that listens, where sound may be sent", () => {
  const { sdp, audio } = prepareOffer(chromiumOffer() + AUDIO, { videoCodecs: [], sound: true });
  assert.deepEqual(audio, { mid: "2", payloadType: 111 });
  assert.match(sdp, /^m=audio 9 UDP\/TLS\/RTP\/SAVPF 111\r$/m);
  assert.doesNotMatch(sdp, /PCMA|red\/|rtcp-fb:111/);
});

Deno.test("prepareOffer has no sound where it may not be sent, or nobody listens, or not to Opus", () => {
  const offers: readonly (readonly [string, boolean])[] = [
    [chromiumOffer() + AUDIO, false],
    [chromiumOffer(), true],
    [chromiumOffer() + AUDIO.replace("recvonly", "sendrecv"), true],
    [chromiumOffer() + AUDIO.replace("opus/48000/2", "opus/48000"), true],
  ];
  for (const [offer, sound] of offers) {
    const prepared = prepareOffer(offer, { videoCodecs: ["h264"], sound });
    assert.equal(prepared.audio, null);
    assert.notEqual(prepared.video, null);
  }
});
