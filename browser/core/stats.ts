/**
 * Reads what the console needs out of an RTCStatsReport (W3C webrtc-stats): plain records in,
 * numbers out. A browser that leaves a field out yields null.
 */
import type { CandidatePair } from "@farglass/protocol";

/** A stats object as the browser gives it; nothing in it is trusted. */
export type StatsRecord = Readonly<Record<string, unknown>>;

/** Counters of the inbound video stream since its start. */
export interface VideoCounters {
  readonly framesReceived: number | null;
  readonly framesDecoded: number;
  readonly framesDropped: number | null;
  readonly keyFramesDecoded: number | null;
  readonly bytesReceived: number;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly totalDecodeTimeS: number | null;
  readonly jitterBufferDelayS: number | null;
  readonly jitterBufferEmittedCount: number | null;
  /** RTP's interarrival jitter. */
  readonly jitterS?: number | null;
}

/** Counters of the inbound sound since its start. */
export interface SoundCounters {
  readonly bytesReceived: number;
  readonly jitterMs: number | null;
  /** RTP time of the newest sound that was handed over to be played, and when (Unix ms). */
  readonly heard: { readonly rtpTime: number; readonly at: number } | null;
}

/** What one reading of the statistics says. */
export interface PeerStats {
  readonly video: VideoCounters | null;
  /** Name of the video's format in upper case, such as `VP8`. */
  readonly videoCodec: string | null;
  readonly sound: SoundCounters | null;
  readonly rttMs: number | null;
  readonly candidatePair: CandidatePair | null;
}

const CANDIDATE_TYPES = ["host", "srflx", "prflx", "relay"] as const;
const RELAY_PROTOCOLS = ["udp", "tcp", "tls"] as const;

const numberOf = (record: StatsRecord | undefined, key: string): number | null => {
  const value = record?.[key];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
};
const memberOf = <T extends string>(value: unknown, set: readonly T[]): T | undefined =>
  set.find((member) => member === value);

/** Reads the records of one `getStats()`; `heard` is the sound's newest source. */
export function parseStats(
  records: readonly StatsRecord[],
  heard: SoundCounters["heard"] = null,
): PeerStats {
  const byId = new Map(records.map((record) => [record.id, record]));
  const pair = selectedPair(records, byId);
  const rttS = numberOf(pair, "currentRoundTripTime");
  return {
    video: videoCounters(records),
    videoCodec: codecName(byId.get(inboundVideo(records)?.codecId)),
    sound: soundCounters(records, heard),
    rttMs: rttS === null ? null : rttS * 1000,
    candidatePair: pair === undefined
      ? null
      : describePair(byId.get(pair.localCandidateId), byId.get(pair.remoteCandidateId)),
  };
}

const inboundVideo = (records: readonly StatsRecord[]): StatsRecord | undefined =>
  records.find((r) => r.type === "inbound-rtp" && (r.kind === "video" || r.mediaType === "video"));

const codecName = (codec: StatsRecord | undefined): string | null =>
  /^video\/([\w.-]{1,16})$/.exec(String(codec?.mimeType))?.[1].toUpperCase() ?? null;

function videoCounters(records: readonly StatsRecord[]): VideoCounters | null {
  const video = inboundVideo(records);
  if (video === undefined) return null;
  return {
    framesReceived: numberOf(video, "framesReceived"),
    framesDecoded: numberOf(video, "framesDecoded") ?? 0,
    framesDropped: numberOf(video, "framesDropped"),
    keyFramesDecoded: numberOf(video, "keyFramesDecoded"),
    bytesReceived: numberOf(video, "bytesReceived") ?? 0,
    packetsReceived: numberOf(video, "packetsReceived") ?? 0,
    packetsLost: numberOf(video, "packetsLost") ?? 0,
    totalDecodeTimeS: numberOf(video, "totalDecodeTime"),
    jitterBufferDelayS: numberOf(video, "jitterBufferDelay"),
    jitterBufferEmittedCount: numberOf(video, "jitterBufferEmittedCount"),
    jitterS: numberOf(video, "jitter"),
  };
}

function soundCounters(
  records: readonly StatsRecord[],
  heard: SoundCounters["heard"],
): SoundCounters | null {
  const sound = records.find((r) =>
    r.type === "inbound-rtp" && (r.kind === "audio" || r.mediaType === "audio")
  );
  if (sound === undefined) return null;
  const jitterS = numberOf(sound, "jitter");
  return {
    bytesReceived: numberOf(sound, "bytesReceived") ?? 0,
    jitterMs: jitterS === null ? null : jitterS * 1000,
    heard,
  };
}

/** Chromium names the pair in its transport record; Firefox marks it `selected`. */
function selectedPair(
  records: readonly StatsRecord[],
  byId: ReadonlyMap<unknown, StatsRecord>,
): StatsRecord | undefined {
  const transport = records.find((r) =>
    r.type === "transport" && typeof r.selectedCandidatePairId === "string"
  );
  const named = transport === undefined ? undefined : byId.get(transport.selectedCandidatePairId);
  if (named !== undefined) return named;
  const pairs = records.filter((r) => r.type === "candidate-pair");
  return pairs.find((r) => r.selected === true) ??
    pairs.find((r) => r.nominated === true && r.state === "succeeded");
}

function describePair(
  local: StatsRecord | undefined,
  remote: StatsRecord | undefined,
): CandidatePair | null {
  const localType = memberOf(local?.candidateType, CANDIDATE_TYPES);
  const remoteType = memberOf(remote?.candidateType, CANDIDATE_TYPES);
  if (localType === undefined || remoteType === undefined) return null;
  const protocol = local?.protocol === "tcp" ? "tcp" : "udp";
  const relayProtocol = localType === "relay"
    ? memberOf(local?.relayProtocol, RELAY_PROTOCOLS)
    : undefined;
  return relayProtocol === undefined
    ? { local: localType, remote: remoteType, protocol }
    : { local: localType, remote: remoteType, protocol, relayProtocol };
}

/** One end of the selected path; only a support bundle that was asked to has these. */
export interface CandidateAddress {
  readonly side: "local" | "remote";
  readonly type: string;
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  /** The STUN or TURN server it was had from; such a URL holds no credentials (RFC 7065). */
  readonly server: string | null;
}

/** Both ends of the selected path, as far as the browser tells them. */
export function selectedAddresses(records: readonly StatsRecord[]): readonly CandidateAddress[] {
  const byId = new Map(records.map((record) => [record.id, record]));
  const pair = selectedPair(records, byId);
  return (["local", "remote"] as const).flatMap((side) => {
    const candidate = byId.get(pair?.[`${side}CandidateId`]);
    const address = textOf(candidate?.address ?? candidate?.ip);
    if (candidate === undefined || address === null) return [];
    return [{
      side,
      type: textOf(candidate.candidateType) ?? "",
      protocol: textOf(candidate.protocol) ?? "",
      address,
      port: numberOf(candidate, "port") ?? 0,
      server: textOf(candidate.url),
    }];
  });
}

const textOf = (value: unknown): string | null =>
  typeof value === "string" && value !== "" ? value.slice(0, 256) : null;

/** Whether two descriptions of the selected pair are the same. */
export const samePair = (a: CandidatePair | null, b: CandidatePair | null): boolean =>
  a === b || (a !== null && b !== null && a.local === b.local && a.remote === b.remote &&
    a.protocol === b.protocol && a.relayProtocol === b.relayProtocol);
