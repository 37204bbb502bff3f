/**
 * Narrows the console's offer (RFC 8866) to what the agent answers before the peer library reads
 * it: the video formats that it can send, each with its RTX, Opus where sound may be sent, and no
 * candidates, which go through the ICE policy one by one.
 */
import { never, type VideoCodec } from "@farglass/protocol";
import { type AudioChoice, chooseAudio, keepAudio } from "./offer_audio.ts";

/** The video section, and what it may carry: the best format first, each codec once. */
export interface VideoChoice {
  readonly mid: string;
  readonly formats: readonly VideoFormat[];
}

/** One format of the offer. */
export interface VideoFormat {
  readonly codec: VideoCodec;
  readonly payloadType: number;
  readonly rtxPayloadType: number | null;
  /** The format's parameters for the answer (`a=fmtp`), where it has any. */
  readonly format: string | null;
}

export interface PreparedOffer {
  readonly sdp: string;
  /** Null when there is no video section, or none with a format that the agent can send. */
  readonly video: VideoChoice | null;
  /** Null when there is no audio section that listens to Opus, or sound may not be sent. */
  readonly audio: AudioChoice | null;
  readonly candidates: readonly { readonly candidate: string; readonly mid: string }[];
  readonly endOfCandidates: boolean;
}

interface Section {
  readonly lines: string[];
  readonly mid: string;
}

/** What the agent can send. */
export interface Sendable {
  /** The best first; each one that the offer has is answered, in this order. */
  readonly videoCodecs: readonly VideoCodec[];
  readonly sound?: boolean;
}

/** Reads a description that `checkSdp` has accepted. */
export function prepareOffer(
  offer: string,
  { videoCodecs, sound = false }: Sendable,
): PreparedOffer {
  const { session, sections } = splitSections(offer);
  const audible = sections.find((section) => section.lines[0].startsWith("m=audio "));
  const audio = audible === undefined || !sound ? null : chooseAudio(audible);
  const video = sections.find((section) => section.lines[0].startsWith("m=video "));
  const choice = video === undefined ? null : chooseVideo(video, videoCodecs);
  const candidates: { candidate: string; mid: string }[] = [];
  let endOfCandidates = false;
  const lines = [...session];
  for (const section of sections) {
    const kept = section === video && choice !== null
      ? keepVideo(section, choice)
      : section === audible && audio !== null
      ? keepAudio(section, audio)
      : section.lines;
    for (const line of kept) {
      if (line.startsWith("a=candidate:")) {
        candidates.push({ candidate: line.slice(2), mid: section.mid });
      } else if (line === "a=end-of-candidates") endOfCandidates = true;
      else lines.push(line);
    }
  }
  return { sdp: lines.join("\r\n") + "\r\n", video: choice, audio, candidates, endOfCandidates };
}

function splitSections(sdp: string): { session: string[]; sections: Section[] } {
  const lines = sdp.split(/\r?\n/).filter((line) => line !== "");
  const starts = lines.flatMap((line, i) => line.startsWith("m=") ? [i] : []);
  const sections = starts.map((start, i) => {
    const own = lines.slice(start, starts[i + 1]);
    const mid = own.find((line) => line.startsWith("a=mid:"))?.slice("a=mid:".length) ?? String(i);
    return { lines: own, mid };
  });
  return { session: lines.slice(0, starts[0]), sections };
}

/** Values of `a=<name>:<payload type> <value>` lines, by payload type. */
function byPayloadType(section: Section, name: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const line of section.lines) {
    const match = new RegExp(`^a=${name}:(\\d{1,3}) (.*)$`).exec(line);
    if (match !== null) found.set(Number(match[1]), match[2]);
  }
  return found;
}

const parameter = (fmtp: string | undefined, name: string): string | undefined =>
  fmtp?.split(";").map((part) => part.trim().split("="))
    .find(([key]) => key.toLowerCase() === name)?.[1];

interface Formats {
  /** Names (`a=rtpmap`) and parameters (`a=fmtp`) by payload type. */
  readonly names: ReadonlyMap<number, string>;
  readonly parameters: ReadonlyMap<number, string>;
}
type Found = Pick<VideoFormat, "payloadType" | "format">;

function chooseVideo(section: Section, codecs: readonly VideoCodec[]): VideoChoice | null {
  const formats = {
    names: byPayloadType(section, "rtpmap"),
    parameters: byPayloadType(section, "fmtp"),
  };
  const found = codecs.flatMap((codec) => {
    const format = findFormat(codec, formats);
    if (format === null) return [];
    return [{ codec, rtxPayloadType: rtxOf(format.payloadType, formats), ...format }];
  });
  return found.length === 0 ? null : { mid: section.mid, formats: found };
}

function findFormat(codec: VideoCodec, formats: Formats): Found | null {
  switch (codec) {
    case "h264":
      return findH264(formats);
    case "vp8":
      return findVp8(formats);
    case "h265":
      return findH265(formats);
    case "av1":
      return findAv1(formats);
    default:
      return never(codec);
  }
}

/** RFC 4588 section 8.6: the repair format that names `payloadType`. */
function rtxOf(payloadType: number, { names, parameters }: Formats): number | null {
  let found: number | null = null;
  for (const [candidate, name] of names) {
    if (!/^rtx\/90000$/i.test(name)) continue;
    if (parameter(parameters.get(candidate), "apt") === String(payloadType)) found = candidate;
  }
  return found;
}

/** RFC 7741 section 6.1: its parameters are only limits on size and rate, which browsers leave out. */
function findVp8({ names }: Formats): Found | null {
  for (const [payloadType, name] of names) {
    if (/^VP8\/90000$/i.test(name)) return { payloadType, format: null };
  }
  return null;
}

/** RTP Payload Format For AV1 (AOMedia) section 7.2: the main profile, which is meant by none, too. */
function findAv1({ names, parameters }: Formats): Found | null {
  for (const [payloadType, name] of names) {
    if (!/^AV1\/90000$/i.test(name)) continue;
    const format = parameters.get(payloadType);
    if ((parameter(format, "profile") ?? "0") !== "0") continue;
    const level = digits(parameter(format, "level-idx")) ?? "5";
    return { payloadType, format: `level-idx=${level};profile=0;tier=0` };
  }
  return null;
}

/** RFC 7798 section 7.1: the main profile in a single stream, which are meant by none, too. */
function findH265({ names, parameters }: Formats): Found | null {
  for (const [payloadType, name] of names) {
    if (!/^H265\/90000$/i.test(name)) continue;
    const format = parameters.get(payloadType);
    if ((parameter(format, "profile-id") ?? "1") !== "1") continue;
    if ((parameter(format, "tx-mode") ?? "SRST").toUpperCase() !== "SRST") continue;
    const level = digits(parameter(format, "level-id")) ?? "93";
    return {
      payloadType,
      format: `level-id=${level};profile-id=1;tier-flag=0;tx-mode=SRST`,
    };
  }
  return null;
}

const digits = (text: string | undefined): string | null =>
  text !== undefined && /^\d{1,3}$/.test(text) ? text : null;

/**
 * RFC 6184 section 8.1. Constrained baseline as the encoder makes it, before plain baseline, which
 * can decode it too. Other profiles are refused: some browsers show black when the stream's
 * profile is another.
 */
function findH264({ names, parameters }: Formats): Found | null {
  let best: { payloadType: number; profile: string; rank: number } | null = null;
  for (const [payloadType, name] of names) {
    if (!/^H264\/90000$/i.test(name)) continue;
    const format = parameters.get(payloadType);
    if (parameter(format, "packetization-mode") !== "1") continue;
    const profile = parameter(format, "profile-level-id")?.toLowerCase() ?? "";
    const rank = profileRank(profile);
    if (rank > (best?.rank ?? 0)) best = { payloadType, profile, rank };
  }
  if (best === null) return null;
  const { payloadType, profile } = best;
  const format = `profile-level-id=${profile};packetization-mode=1;level-asymmetry-allowed=1`;
  return { payloadType, format };
}

/** 2 for constrained baseline (profile_idc 66 with constraint_set1_flag), 1 for baseline, else 0. */
function profileRank(profileLevelId: string): number {
  if (!/^42[0-9a-f]{4}$/.test(profileLevelId)) return 0;
  return (parseInt(profileLevelId.slice(2, 4), 16) & 0x40) !== 0 ? 2 : 1;
}

function keepVideo(section: Section, choice: VideoChoice): string[] {
  const kept = choice.formats.flatMap(({ payloadType, rtxPayloadType }) =>
    rtxPayloadType === null ? [payloadType] : [payloadType, rtxPayloadType]
  );
  return section.lines.flatMap((line, i) => {
    if (i === 0) return [[...line.split(" ").slice(0, 3), ...kept].join(" ")];
    const match = /^a=(?:rtpmap|fmtp|rtcp-fb):(\d{1,3}|\*) /.exec(line);
    return match === null || match[1] === "*" || kept.includes(Number(match[1])) ? [line] : [];
  });
}

/**
 * Makes the answerer the DTLS server (RFC 8842 section 5.3): the peer library's DTLS client waits
 * 100 ms before its first message.
 */
export const answerPassive = (answer: string): string =>
  answer.replaceAll(/^a=setup:(?:active|actpass)(\r?)$/gm, "a=setup:passive$1");
