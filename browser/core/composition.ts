/**
 * Hybrid mode: where the canvas is transparent, so that the video below it shows. Pure. Video
 * frames and patches share one clock, the video track's RTP time, and nothing on the screen ever
 * goes back on it:
 *
 * - a region opens when a video frame is presented that is no older than the region and than the
 *   newest patch painted; from the first such frame on patches into it are held back, since video
 *   comes later than patches and has to catch up once;
 * - a region closes when the canvas holds all of it as it was at the video frame's time or later.
 */
import { never, type Rect, type VideoRegions } from "@farglass/protocol";
import { subtract } from "./rects.ts";

/** What the canvas shows and what it is told to show. RTP times are modulo 2^32. */
export interface Composition {
  readonly width: number;
  readonly height: number;
  /** The canvas has this size; before that it shows what it showed before. */
  readonly sized: boolean;
  readonly version: number;
  /** The version that was told to the agent as shown. */
  readonly shown: number;
  /** Regions that the video shall show. */
  readonly wanted: readonly Rect[];
  readonly since: number;
  /** Where the canvas is transparent. */
  readonly open: readonly Rect[];
  /** Where patches wait for the video to catch up. */
  readonly held: readonly Rect[];
  /** The video frame on the screen. */
  readonly presented: number | null;
  /** The newest patches that were painted where a region is to open. */
  readonly painted: number | null;
  /** Since when a region waits to close. */
  readonly closingSinceMs: number | null;
}

export type CompositionEvent =
  /** A video frame was presented. */
  | {
    readonly kind: "video";
    readonly rtpTime: number;
    readonly width: number;
    readonly height: number;
  }
  /** All messages of a diff frame have been taken into the picture. */
  | {
    readonly kind: "patches";
    readonly regions: VideoRegions;
    readonly width: number;
    readonly height: number;
    /** Whether every pixel of these rectangles has ever come. */
    readonly received: (rects: readonly Rect[]) => boolean;
  };

export type CompositionEffect =
  /** The canvas takes this size and is transparent everywhere. */
  | { readonly kind: "resize"; readonly width: number; readonly height: number }
  | { readonly kind: "clear"; readonly rects: readonly Rect[] }
  | { readonly kind: "paint"; readonly rects: readonly Rect[] }
  /** Tell the agent; the first one also means that the screen is shown. */
  | { readonly kind: "shown"; readonly version: number };

type Step = readonly [Composition, readonly CompositionEffect[]];

/** After so long a region closes even if the canvas is a little older than the video. */
const CLOSE_ANYWAY_MS = 500;

export const newComposition: Composition = {
  width: 0,
  height: 0,
  sized: false,
  version: 0,
  shown: 0,
  wanted: [],
  since: 0,
  open: [],
  held: [],
  presented: null,
  painted: null,
  closingSinceMs: null,
};

/** Whether RTP time `a` comes after `b` (RFC 3550 section 5.1: modulo 2^32). */
const isLater = (a: number, b: number): boolean => ((a - b) | 0) > 0;

/** One event at `nowMs`. */
export function stepComposition(
  state: Composition,
  event: CompositionEvent,
  nowMs: number,
): Step {
  switch (event.kind) {
    case "video":
      return onVideo(state, event);
    case "patches":
      return onPatches(state, event, nowMs);
    default:
      return never(event);
  }
}

/** The part of changed rectangles that the canvas shows now. */
export const paintable = (state: Composition, rects: readonly Rect[]): readonly Rect[] =>
  state.sized ? subtract(rects, [...state.open, ...state.held]) : [];

/** Nothing is transparent and nothing shall be: the canvas alone is the picture. */
export const isOpaque = (state: Composition): boolean =>
  state.sized && state.open.length === 0 && state.wanted.length === 0;

/** The video shows a part of the screen or is about to: it must not stall. */
export const expectsVideo = (state: Composition): boolean =>
  state.open.length > 0 || state.wanted.length > 0;

const screenOf = ({ width, height }: Composition): Rect => ({ x: 0, y: 0, width, height });

function onVideo(
  before: Composition,
  event: Extract<CompositionEvent, { kind: "video" }>,
): Step {
  const { rtpTime } = event;
  const state = { ...before, presented: rtpTime };
  if (state.version === 0 || isLater(state.since, rtpTime)) return [state, []];
  if (!state.sized) {
    if (event.width !== state.width || event.height !== state.height) return [state, []];
    const { width, height } = state;
    return settle({ ...state, sized: true, open: [screenOf(state)] }, [
      { kind: "resize", width, height },
    ]);
  }
  const entering = subtract(state.wanted, state.open);
  if (entering.length === 0) return settle(state, []);
  if (state.painted !== null && isLater(state.painted, rtpTime)) {
    return [{ ...state, held: entering }, []];
  }
  return settle({ ...state, open: [...state.open, ...entering], held: [] }, [
    { kind: "clear", rects: entering },
  ]);
}

function onPatches(
  before: Composition,
  event: Extract<CompositionEvent, { kind: "patches" }>,
  nowMs: number,
): Step {
  const { regions, width, height } = event;
  let state: Composition = {
    ...before,
    version: regions.version,
    wanted: regions.rects,
    since: regions.sinceRtpTime,
  };
  if (width !== before.width || height !== before.height) {
    state = { ...state, width, height, sized: false, open: [], held: [], painted: null };
  }
  const effects: CompositionEffect[] = [];
  if (!state.sized) {
    // No video came (a hidden page, a broken track): the patches alone make the picture.
    const whole = [screenOf(state)];
    const ready = regions.rects.length === 0 && regions.current && event.received(whole);
    if (!ready) return [state, []];
    effects.push({ kind: "resize", width, height });
    state = { ...state, sized: true, open: whole };
  }
  const held = subtract(state.held, subtract(state.held, state.wanted));
  const freed = subtract(state.held, held);
  if (freed.length > 0) effects.push({ kind: "paint", rects: freed });
  state = { ...state, held, painted: held.length > 0 ? state.painted : regions.rtpTime };
  const closing = subtract(state.open, state.wanted);
  if (closing.length === 0) return settle({ ...state, closingSinceMs: null }, effects);
  const closingSinceMs = state.closingSinceMs ?? nowMs;
  const old = state.presented !== null && isLater(state.presented, regions.rtpTime) &&
    nowMs < closingSinceMs + CLOSE_ANYWAY_MS;
  if (!regions.current || old || !event.received(closing)) {
    return [{ ...state, closingSinceMs }, effects];
  }
  effects.push({ kind: "paint", rects: closing });
  return settle(
    { ...state, open: subtract(state.open, closing), closingSinceMs: null },
    effects,
  );
}

/** Tells the agent once the canvas is what its last regions say. */
function settle(state: Composition, effects: readonly CompositionEffect[]): Step {
  const done = state.shown !== state.version && state.sized &&
    subtract(state.wanted, state.open).length === 0 &&
    subtract(state.open, state.wanted).length === 0;
  if (!done) return [state, effects];
  return [{ ...state, shown: state.version }, [
    ...effects,
    { kind: "shown", version: state.version },
  ]];
}
