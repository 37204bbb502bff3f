/**
 * Checks a session description (RFC 8866) or candidate (RFC 8839 section 5.1) before it may touch
 * a peer library: security.md section 1 measured what hostile ones do to it. The controller and
 * the agent run the same checks.
 */
import { type CodedError, codedError } from "./errors.ts";
import {
  MAX_CANDIDATE_BYTES,
  MAX_SDP_BYTES,
  MAX_SDP_CANDIDATES,
  MAX_SDP_MEDIA_SECTIONS,
} from "./limits.ts";
import { isForbiddenAddress, isLoopbackAddress, parseIp } from "./ip_address.ts";
import { err, ok, type Result } from "./result.ts";

/** What the controller needs to know about a description. */
export interface SdpSummary {
  readonly media: readonly ("audio" | "video" | "application")[];
  /** Upper-case codec names of the video sections (`a=rtpmap`, RFC 8866 section 6.6). */
  readonly videoCodecs: readonly string[];
  /** Which way sound goes, seen from whoever wrote the description; null without an audio section. */
  readonly audio: SdpDirection | null;
  readonly candidates: number;
}

/** RFC 8866 section 6.7; a section that says nothing is `sendrecv`. */
const DIRECTIONS = ["sendrecv", "sendonly", "recvonly", "inactive"] as const;
export type SdpDirection = (typeof DIRECTIONS)[number];

const MAX_LINES = 1024;
/** RFC 8839 section 5.4: ice-char of 4 to 256, and of 22 to 256. */
const ICE_UFRAG = /^a=ice-ufrag:[\w+/-]{4,256}$/;
const ICE_PASSWORD = /^a=ice-pwd:[\w+/-]{22,256}$/;
const FINGERPRINT = /^sha-256 (?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/i;

/** RFC 8843 section 9 asks for different ones; RFC 5888 section 4 makes them tokens. */
const MID = /^a=mid:([\w!#$%&'*+.^`{|}~-]{1,64})$/;

/** What one section, or the session before the first, says of its transport. */
interface Part {
  readonly media: SdpSummary["media"][number] | null;
  fingerprint: boolean;
  user: boolean;
  password: boolean;
  mid: string | null;
  direction: SdpDirection | null;
}

const newPart = (media: Part["media"]): Part => ({
  media,
  fingerprint: false,
  user: false,
  password: false,
  mid: null,
  direction: null,
});

/** Checks a whole description. */
export function checkSdp(sdp: string): Result<SdpSummary, CodedError> {
  // ASCII only, so characters are bytes.
  if (sdp.length > MAX_SDP_BYTES) return err(codedError("sdp-too-large"));
  if (!/^[\x20-\x7e\r\n]*$/.test(sdp)) return err(codedError("sdp-invalid", "control character"));
  if (/\r(?!\n)/.test(sdp)) return err(codedError("sdp-invalid", "bare CR"));
  const lines = sdp.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > MAX_LINES) return err(codedError("sdp-invalid", "too many lines"));
  if (lines[0] !== "v=0") return err(codedError("sdp-invalid", "first line is not v=0"));
  const session = newPart(null);
  const sections: Part[] = [];
  const videoCodecs = new Set<string>();
  let candidates = 0;
  for (const line of lines) {
    if (!/^[a-z]=/.test(line)) return err(codedError("sdp-invalid", "line without a type"));
    const part = sections.at(-1) ?? session;
    if (line.startsWith("m=")) {
      if (sections.length >= MAX_SDP_MEDIA_SECTIONS) {
        return err(codedError("sdp-too-many-sections"));
      }
      const kind = /^m=(audio|video|application) \d{1,5} [A-Z/]{3,20} [\w .-]{1,512}$/.exec(line)
        ?.[1];
      if (kind === undefined) return err(codedError("sdp-invalid", "media line"));
      sections.push(newPart(kind as SdpSummary["media"][number]));
    } else if (line.startsWith("a=candidate:")) {
      candidates++;
      if (candidates > MAX_SDP_CANDIDATES) return err(codedError("sdp-too-many-candidates"));
      const checked = checkCandidate(line.slice(2));
      if (!checked.ok) return checked;
    } else if (line.startsWith("a=rtpmap:") && part.media === "video") {
      const codec = /^a=rtpmap:\d{1,3} ([\w.-]{1,32})\//.exec(line)?.[1];
      if (codec !== undefined) videoCodecs.add(codec.toUpperCase());
    } else {
      const problem = readTransport(part, line);
      if (problem !== null) return err(problem);
    }
  }
  const problem = checkParts(session, sections);
  if (problem !== null) return err(problem);
  const media = sections.flatMap(({ media }) => media === null ? [] : [media]);
  const audio = sections.find(({ media }) => media === "audio");
  return ok({
    media,
    videoCodecs: [...videoCodecs],
    audio: audio === undefined ? null : audio.direction ?? session.direction ?? "sendrecv",
    candidates,
  });
}

/** Takes down a line about fingerprint, ICE credentials, name or direction; others are not looked at. */
function readTransport(part: Part, line: string): CodedError | null {
  if (line.startsWith("a=fingerprint:")) {
    // Other hashes may stand beside it (RFC 8122 section 5), but sha-256 must be there.
    if (FINGERPRINT.test(line.slice("a=fingerprint:".length))) part.fingerprint = true;
    else if (/^a=fingerprint:sha-256/i.test(line)) {
      return codedError("sdp-no-fingerprint", "malformed");
    }
  } else if (line.startsWith("a=ice-ufrag:")) {
    if (!ICE_UFRAG.test(line)) return codedError("sdp-invalid", "ice-ufrag");
    part.user = true;
  } else if (line.startsWith("a=ice-pwd:")) {
    if (!ICE_PASSWORD.test(line)) return codedError("sdp-invalid", "ice-pwd");
    part.password = true;
  } else if (line.startsWith("a=mid:")) {
    const mid = MID.exec(line)?.[1];
    if (mid === undefined || part.mid !== null || part.media === null) {
      return codedError("sdp-invalid", "mid");
    }
    part.mid = mid;
  } else {
    const direction = DIRECTIONS.find((one) => line === `a=${one}`);
    if (direction !== undefined) part.direction = direction;
  }
  return null;
}

/** What a part does not say for itself the session must say for it. */
function checkParts(session: Part, sections: readonly Part[]): CodedError | null {
  if (sections.length === 0) return codedError("sdp-invalid", "no media section");
  if (!session.fingerprint && sections.some((part) => !part.fingerprint)) {
    return codedError("sdp-no-fingerprint");
  }
  // RFC 8839 section 5.4: both, at either level.
  const bare = (key: "user" | "password") => !session[key] && sections.some((part) => !part[key]);
  if (bare("user") || bare("password")) return codedError("sdp-no-ice-credentials");
  const mids = sections.flatMap(({ mid }) => mid === null ? [] : [mid]);
  if (new Set(mids).size < mids.length) return codedError("sdp-invalid", "mid twice");
  const sounds = sections.filter(({ media }) => media === "audio").length;
  return sounds > 1 ? codedError("sdp-invalid", "audio twice") : null;
}

/** A candidate's parts that a policy may judge. */
export interface CandidateSummary {
  readonly protocol: "udp" | "tcp";
  readonly address: string;
  readonly port: number;
  readonly type: "host" | "srflx" | "prflx" | "relay";
}

const CANDIDATE =
  /^candidate:[\w+/]{1,32} \d{1,3} (udp|tcp) \d{1,10} ([0-9A-Za-z:.-]{1,64}) (\d{1,5}) typ (host|srflx|prflx|relay)(?: [\x21-\x7e]{1,64}){0,24}$/i;
const MDNS = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.local$/i;
/**
 * Checks one `candidate:…` line. Addresses are IP literals or mDNS names (UUID.local): a plain
 * host name would make the agent ask a resolver. Ports below 1024 are refused, except TCP active
 * ones (port 9, RFC 6544 section 4.5).
 */
export function checkCandidate(candidate: string): Result<CandidateSummary, CodedError> {
  const bad = (what: string) => err(codedError("candidate-invalid", what));
  if (candidate.length > MAX_CANDIDATE_BYTES) return bad("longer than 512 bytes");
  const match = CANDIDATE.exec(candidate);
  if (match === null) return bad("syntax");
  const [, protocol, address, portText, type] = match;
  const port = Number(portText);
  const ip = parseIp(address);
  if (ip === null && !MDNS.test(address)) return bad("address");
  const tcpActive = protocol.toLowerCase() === "tcp" && port === 9;
  if (port > 65535 || (port < 1024 && !tcpActive)) return bad("port");
  if (ip !== null && isForbiddenAddress(ip)) return bad("address range");
  return ok({
    protocol: protocol.toLowerCase() as "udp" | "tcp",
    address,
    port,
    type: type.toLowerCase() as CandidateSummary["type"],
  });
}

/** Whether an address is loopback; allowed only where the settings say so (tests, the demo). */
export function isLoopback(address: string): boolean {
  const ip = parseIp(address);
  return ip !== null && isLoopbackAddress(ip);
}
