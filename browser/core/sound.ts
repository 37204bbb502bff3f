/**
 * The desktop's sound: whether the operator wants it and can have it, and how it comes. It goes by
 * a track of its own on whatever peer carries the picture, and begins switched off.
 */
import {
  type ControlOf,
  type DesktopCaps,
  SOUND_REASONS,
  soundOfferable,
} from "@farglass/protocol";
import { clockOffset } from "./clock_offset.ts";
import type { Draft } from "./draft.ts";
import type { SoundView } from "./session_view.ts";
import type { SessionState } from "./state.ts";
import type { PeerStats, SoundCounters } from "./stats.ts";

const SAMPLES_PER_MS = 48;
/** What would be older was measured across a jump of a clock. */
const MAX_DELAY_MS = 10_000;
const SMOOTHING = 0.4;

/** What is known of the sound's way. */
export interface SoundState {
  /** An RTP time and when it was to be heard, by the agent's clock. */
  readonly clock: NonNullable<ControlOf<"pong">["sound"]> | null;
  readonly counters: (SoundCounters & { readonly at: number; readonly peerId: number }) | null;
  readonly kbps: number;
  readonly delayMs: number | null;
}

export const NO_SOUND: SoundState = { clock: null, counters: null, kbps: 0, delayMs: null };

/** Whether a peer's offer should listen to sound. */
export const wantsSoundSection = (caps: DesktopCaps | null): boolean =>
  caps !== null && soundOfferable(caps.audio);

/** Why there is no sound, in plain words; null where it can be had. */
export function soundRefusal(session: SessionState): string | null {
  const { caps } = session;
  if (caps === null) return "Not while there is no live picture";
  const { available, reason } = caps.audio;
  if (!available) return SOUND_REASONS[reason ?? "not-allowed"];
  if (session.carrier === null || session.carrier.dead || session.carrier.readyAt === null) {
    return "Sound needs a WebRTC connection";
  }
  return null;
}

/** The peer whose sound is to be heard; null for none. */
export const heardPeer = (soundOn: boolean, session: SessionState | null): number | null =>
  soundOn && session !== null && soundRefusal(session) === null
    ? session.carrier?.id ?? null
    : null;

/** What the agent said with its heartbeat. */
export function soundPong(d: Draft, pong: ControlOf<"pong">): void {
  const { session } = d;
  if (session === null || pong.sound === undefined) return;
  d.patch({ sound: { ...session.sound, clock: pong.sound } });
}

/** What the browser measures of the carrier's sound. */
export function soundStats(d: Draft, peerId: number, { sound }: PeerStats): void {
  const { session } = d;
  if (session === null || sound === null || heardPeer(d.state.soundOn, session) !== peerId) return;
  const last = session.sound.counters;
  const same = last !== null && last.peerId === peerId && d.now > last.at;
  const nowKbps = same ? (sound.bytesReceived - last.bytesReceived) * 8 / (d.now - last.at) : 0;
  const kbps = same ? session.sound.kbps + SMOOTHING * (nowKbps - session.sound.kbps) : 0;
  const delayMs = delayOf(session, sound, d.now);
  const next = { ...session.sound, counters: { ...sound, at: d.now, peerId }, kbps, delayMs };
  d.patch({ sound: next, hud: { ...session.hud, sound: viewOf(session, next) } });
}

/** From when it was to be heard on the desktop until it was handed over to be heard here. */
function delayOf(session: SessionState, { heard }: SoundCounters, now: number): number | null {
  const { clock } = session.sound;
  const offset = clockOffset(session.clock, now);
  if (heard === null || clock === null || offset === null) return null;
  const laterMs = ((heard.rtpTime - clock.rtpTime) | 0) / SAMPLES_PER_MS;
  const delayMs = heard.at - (clock.at + laterMs + offset.offsetMs);
  if (Math.abs(delayMs) > MAX_DELAY_MS) return null;
  const { delayMs: before } = session.sound;
  return before === null ? delayMs : before + SMOOTHING * (delayMs - before);
}

function viewOf(session: SessionState, { kbps, delayMs, counters }: SoundState): SoundView {
  const picture = session.hud.latency?.totalMs ?? null;
  return {
    kbps: Math.round(kbps),
    jitterMs: counters?.jitterMs ?? null,
    delayMs: delayMs === null ? null : Math.round(delayMs),
    behindMs: delayMs === null || picture === null ? null : Math.round(delayMs - picture),
  };
}
