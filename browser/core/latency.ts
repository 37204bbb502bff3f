/**
 * From the change on the shared screen to the picture here, and where the time goes. The agent
 * tells with its pongs when it noticed, read and encoded some frames; the surfaces tell when they
 * came, were decoded and shown. Both are joined by the frame's key and the clocks' offset. Pure.
 */
import type { AgentFrame } from "@farglass/protocol";
import { clockOffset, type ClockState } from "./clock_offset.ts";

/** One frame as a surface saw it; times are Unix ms of the console. */
export interface ShownFrame {
  readonly path: AgentFrame["path"];
  /** RTP time or diff frame number, as in AgentFrame. */
  readonly key: number;
  /** The last of its bytes were here. */
  readonly receivedAt: number;
  readonly decodeMs: number;
  /** It was decoded and handed over to be painted. */
  readonly readyAt: number;
  /** It was given to the display. */
  readonly shownAt: number;
}

/** The parts, in the order of the way; their sum is the whole. */
export const LATENCY_PARTS = [
  "capture",
  "encode",
  "network",
  "buffer",
  "decode",
  "paint",
] as const;
export type LatencyPart = (typeof LATENCY_PARTS)[number];

/** Milliseconds of each part. */
export type LatencySplit = Readonly<Record<LatencyPart, number>>;

export interface LatencyView extends LatencySplit {
  readonly totalMs: number;
  /** What the clocks' offset may be wrong by; it shifts `network` and the total alike. */
  readonly errorMs: number;
  /** How many frames it is the middle of. */
  readonly frames: number;
}

interface Sample {
  readonly at: number;
  readonly split: LatencySplit;
}

export interface LatencyState {
  readonly shown: readonly ShownFrame[];
  readonly told: readonly AgentFrame[];
  readonly samples: readonly Sample[];
}

export const NO_LATENCY: LatencyState = { shown: [], told: [], samples: [] };

/** Two seconds at 60 frames a second: a pong comes every half second. */
const MAX_SHOWN = 128;
const MAX_TOLD = 32;
const MAX_SAMPLES = 64;
/** What is newer counts; where that is less than a few frames, as when a person types, the last few. */
const WINDOW_MS = 4_000;
const FEW_FRAMES = 8;
/** Older readings say nothing of now. */
const MAX_AGE_MS = 60_000;
/** A frame that was longer on its way was not, or a clock jumped. */
const MAX_LATENCY_MS = 30_000;

/** Takes news of either side and joins what belongs together. */
export function addFrames(
  state: LatencyState,
  news: { readonly shown?: readonly ShownFrame[]; readonly told?: readonly AgentFrame[] },
  around: { readonly clock: ClockState; readonly now: number },
): LatencyState {
  const shown = [...state.shown, ...news.shown ?? []].slice(-MAX_SHOWN);
  const told = [...state.told, ...news.told ?? []].slice(-MAX_TOLD);
  const clock = clockOffset(around.clock, around.now);
  if (clock === null) return { ...state, shown, told };
  const seen = new Map(shown.map((frame) => [`${frame.path} ${frame.key}`, frame]));
  const samples = state.samples.filter((s) => s.at > around.now - MAX_AGE_MS);
  const waiting = told.filter((frame) => {
    const here = seen.get(`${frame.path} ${frame.key}`);
    if (here === undefined) return true;
    const split = splitOf(frame, here, clock.offsetMs);
    if (split !== null) samples.push({ at: here.shownAt, split });
    return false;
  });
  return { shown, told: waiting, samples: samples.slice(-MAX_SAMPLES) };
}

function splitOf(told: AgentFrame, shown: ShownFrame, offsetMs: number): LatencySplit | null {
  const split = {
    capture: told.capturedAt - told.changedAt,
    encode: told.encodedAt - told.capturedAt,
    network: shown.receivedAt - (told.encodedAt + offsetMs),
    buffer: shown.readyAt - shown.receivedAt - shown.decodeMs,
    decode: shown.decodeMs,
    paint: shown.shownAt - shown.readyAt,
  };
  const totalMs = total(split);
  return totalMs > 0 && totalMs < MAX_LATENCY_MS ? split : null;
}

const total = (split: LatencySplit): number =>
  LATENCY_PARTS.reduce((sum, part) => sum + split[part], 0);

/**
 * The mean of the middle half of the newest frames, so that one straggler counts nothing and the
 * parts still add up; null when nothing was measured lately.
 */
export function latencyView(
  { samples }: LatencyState,
  around: { readonly clock: ClockState; readonly now: number },
): LatencyView | null {
  const clock = clockOffset(around.clock, around.now);
  const known = samples.filter((s) => s.at > around.now - MAX_AGE_MS);
  const newest = known.filter((s) => s.at > around.now - WINDOW_MS);
  const fresh = (newest.length < FEW_FRAMES ? known.slice(-FEW_FRAMES) : newest)
    .map((s) => s.split).sort((a, b) => total(a) - total(b));
  if (clock === null || fresh.length === 0) return null;
  const cut = Math.floor(fresh.length / 4);
  const middle = fresh.slice(cut, fresh.length - cut);
  const mean = (part: LatencyPart) =>
    middle.reduce((sum, split) => sum + split[part], 0) / middle.length;
  const split = Object.fromEntries(LATENCY_PARTS.map((part) => [part, tenth(mean(part))]));
  const parts = split as Record<LatencyPart, number>;
  return {
    ...parts,
    totalMs: tenth(total(parts)),
    errorMs: tenth(clock.errorMs),
    frames: fresh.length,
  };
}

const tenth = (ms: number): number => Math.round(ms * 10) / 10;
