/** The live facts: rates from counters, for the transport that is shown. */
import type { Draft } from "./draft.ts";
import { usesVideo } from "./policy.ts";
import { addFrames, latencyView } from "./latency.ts";
import type { HudView } from "./session_view.ts";
import type { Rates, SessionState } from "./state.ts";
import type { PeerStats, VideoCounters } from "./stats.ts";

/** A second and a half smooths the reading without hiding a change. */
const SMOOTHING = 0.4;

/** Towards the newest reading; what has stopped goes to zero instead of fading for ever. */
const smooth = (old: number | null, next: number): number => {
  const value = old === null ? next : old + SMOOTHING * (next - old);
  return next === 0 && value < 1 ? 0 : value;
};
const round = (value: number, digits: number): number =>
  Math.round(value * 10 ** digits) / 10 ** digits;

/** Joins what agent and surfaces tell of frames; the view is made anew only then. */
export function takeFrames(d: Draft, news: Parameters<typeof addFrames>[1]): void {
  const { session } = d;
  if (session === null) return;
  const around = { clock: session.clock, now: d.now };
  const latency = addFrames(session.latency, news, around);
  d.patch({ latency, hud: { ...session.hud, latency: latencyView(latency, around) } });
}

/** Takes statistics of the video that is shown. */
export function hudVideo(d: Draft, stats: PeerStats): void {
  const { session } = d;
  if (session === null || stats.video === null) return;
  const { hud } = session;
  const next = videoRates(stats.video, session, d.now);
  const last = session.rates;
  if (last === null || last.stream !== next.stream || next.at <= last.at) {
    d.patch({ rates: next, hud: { ...hud, framesDecoded: next.framesDecoded } });
    return;
  }
  const seconds = (next.at - last.at) / 1000;
  const frames = next.framesDecoded - last.framesDecoded;
  // Hybrid: the livelier of the two is what the operator sees.
  const pictures = Math.max(frames, next.framesPatched - last.framesPatched);
  const received = next.packetsReceived - last.packetsReceived;
  const lost = Math.max(0, next.packetsLost - last.packetsLost);
  const emitted = next.jitterEmitted - last.jitterEmitted;
  d.patch({
    rates: next,
    hud: {
      ...hud,
      fps: round(smooth(hud.fps, Math.max(0, pictures) / seconds), 1),
      bitrateKbps: round(
        smooth(hud.bitrateKbps, Math.max(0, next.bytes - last.bytes) * 8 / 1000 / seconds),
        0,
      ),
      loss: received + lost > 0 ? round(lost / (received + lost), 4) : hud.loss ?? 0,
      decodeMs: frames > 0
        ? round((next.decodeTimeS - last.decodeTimeS) * 1000 / frames, 1)
        : hud.decodeMs,
      jitterBufferMs: emitted > 0
        ? round((next.jitterDelayS - last.jitterDelayS) * 1000 / emitted, 1)
        : hud.jitterBufferMs,
      framesDecoded: next.framesDecoded,
    },
  });
}

const videoRates = (video: VideoCounters, session: SessionState, now: number): Rates => ({
  at: now,
  framesDecoded: video.framesDecoded,
  framesPatched: session.transport.shown.transport === "hybrid" ? session.diffFrames : 0,
  bytes: video.bytesReceived +
    (session.transport.shown.transport === "hybrid" ? session.diffBytes : 0),
  packetsReceived: video.packetsReceived,
  packetsLost: video.packetsLost,
  decodeTimeS: video.totalDecodeTimeS ?? 0,
  jitterDelayS: video.jitterBufferDelayS ?? 0,
  jitterEmitted: video.jitterBufferEmittedCount ?? 0,
  stream: `${session.transport.shown.transport} ${session.carrier?.id ?? 0}`,
});

/** Takes the counters of the diff painter; both count since the console's start. */
export function hudDiff(d: Draft, frames: number, bytes: number): void {
  const { session } = d;
  if (session === null) return;
  const { hud, rates: last } = session;
  const stream = session.transport.shown.transport;
  const next: Rates = {
    at: d.now,
    framesDecoded: frames,
    framesPatched: 0,
    bytes,
    packetsReceived: 0,
    packetsLost: 0,
    decodeTimeS: 0,
    jitterDelayS: 0,
    jitterEmitted: 0,
    stream,
  };
  const none = { loss: null, decodeMs: null, jitterBufferMs: null };
  if (last === null || last.stream !== stream || next.at <= last.at) {
    d.patch({ rates: next, hud: { ...hud, ...none, framesDecoded: frames } });
    return;
  }
  const seconds = (next.at - last.at) / 1000;
  d.patch({
    rates: next,
    hud: {
      ...hud,
      ...none,
      fps: round(smooth(hud.fps, Math.max(0, frames - last.framesDecoded) / seconds), 1),
      bitrateKbps: round(
        smooth(hud.bitrateKbps, Math.max(0, bytes - last.bytes) * 8 / 1000 / seconds),
        0,
      ),
      framesDecoded: frames,
    },
  });
}

/** Completes the facts that don't depend on counters. */
export function hudView(session: SessionState): HudView {
  const { shown } = session.transport;
  const overPeer = usesVideo(shown.transport) || shown.transport === "diff-dc";
  const carrier = overPeer && session.carrier?.id === shown.peerId ? session.carrier : null;
  const rttMs = overPeer
    ? carrier?.stats?.rttMs ?? carrier?.beat.rttMs ?? null
    : shown.transport === "diff-ws"
    ? session.relayBeat.rttMs
    : null;
  const webrtc = session.caps?.webrtc;
  const beat = shown.transport === "diff-ws" ? session.relayBeat : carrier?.beat;
  return {
    ...session.hud,
    rttMs: rttMs === null ? null : round(rttMs, 1),
    network: usesVideo(shown.transport) ? carrier?.beat.network ?? null : null,
    format: usesVideo(shown.transport) ? carrier?.beat.format ?? null : null,
    patches: beat?.patches ?? null,
    choice: beat?.choice ?? null,
    playout: usesVideo(shown.transport) ? session.playout.reason : null,
    videoCodec: usesVideo(shown.transport) ? carrier?.stats?.videoCodec ?? null : null,
    candidatePair: carrier?.stats?.candidatePair ?? null,
    relayHint: webrtc?.relayHint ?? null,
    turnExpiresAtMs: webrtc?.token === undefined ? null : webrtc.token.expiresAt * 1000,
  };
}
