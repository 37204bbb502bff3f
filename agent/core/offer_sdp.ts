/**
 * Narrows the console's offer (RFC 8866) to what the agent answers before the peer library reads
 * it: one H.264 payload type with its RTX, Opus where sound may be sent, and no candidates, which
 * go through the ICE policy one by one.
 */
import { type AudioChoice, chooseAudio, keepAudio } from "./offer_audio.ts";

/** The H.264 format chosen from the offer (RFC 6184 section 8.1). */
export interface VideoChoice {
  readonly mid: string;
  readonly payloadType: number;
  readonly rtxPayloadType: number | null;
  readonly profileLevelId: string;
}

export interface PreparedOffer {
  readonly sdp: string;
  /** Null when there is no video section, or none with an H.264 that the agent can send. */
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

/** Reads a description that `checkSdp` has accepted; `sound` says whether sound may be sent. */
export function prepareOffer(offer: string, { sound = false } = {}): PreparedOffer {
  const { session, sections } = splitSections(offer);
  const audible = sections.find((section) => section.lines[0].startsWith("m=audio "));
  const audio = audible === undefined || !sound ? null : chooseAudio(audible);
  const video = sections.find((section) => section.lines[0].startsWith("m=video "));
  const choice = video === undefined ? null : chooseVideo(video);
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

/**
 * Constrained baseline as the encoder makes it, before plain baseline, which can decode it too.
 * Other profiles are refused: some browsers show black when the stream's profile is another.
 */
function chooseVideo(section: Section): VideoChoice | null {
  const codecs = byPayloadType(section, "rtpmap");
  const formats = byPayloadType(section, "fmtp");
  let best: { payloadType: number; profileLevelId: string; rank: number } | null = null;
  for (const [payloadType, codec] of codecs) {
    if (!/^H264\/90000$/i.test(codec)) continue;
    const format = formats.get(payloadType);
    if (parameter(format, "packetization-mode") !== "1") continue;
    const profileLevelId = parameter(format, "profile-level-id")?.toLowerCase() ?? "";
    const rank = profileRank(profileLevelId);
    if (rank > (best?.rank ?? 0)) best = { payloadType, profileLevelId, rank };
  }
  if (best === null) return null;
  const { payloadType, profileLevelId } = best;
  let rtxPayloadType: number | null = null;
  for (const [candidate, codec] of codecs) {
    if (!/^rtx\/90000$/i.test(codec)) continue;
    if (parameter(formats.get(candidate), "apt") === String(payloadType)) {
      rtxPayloadType = candidate;
    }
  }
  return { mid: section.mid, payloadType, rtxPayloadType, profileLevelId };
}

/** 2 for constrained baseline (profile_idc 66 with constraint_set1_flag), 1 for baseline, else 0. */
function profileRank(profileLevelId: string): number {
  if (!/^42[0-9a-f]{4}$/.test(profileLevelId)) return 0;
  return (parseInt(profileLevelId.slice(2, 4), 16) & 0x40) !== 0 ? 2 : 1;
}

function keepVideo(section: Section, choice: VideoChoice): string[] {
  const kept = [choice.payloadType];
  if (choice.rtxPayloadType !== null) kept.push(choice.rtxPayloadType);
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
