/**
 * Which viewers share a video encoder: those whose networks carry about the same. Bitrates fall
 * into classes with a factor of 1.6 between them, and a viewer changes its class only when it
 * must (downwards) or has deserved it for a while (upwards). Pure.
 */
import type { VideoRate } from "./ports.ts";

/** A viewer that shares gets at least 1/1.6 of what its network carries. */
export const CLASS_FACTOR = 1.6;
/** An encoder costs about 15 % of a core at 1080p and 30 pictures a second. */
export const MAX_SHARED_ENCODERS = 4;
/** A target may fall so far below its class before its viewer leaves: the others sink with it. */
const STAY_ABOVE = 0.9;
/** A target has to reach so much of a better class, for so long, before its viewer goes there. */
const RISE_ABOVE = 1.1;
const RISE_AFTER_MS = 3_000;
/** Encoders of 7.5, 15, 30 and 60 pictures a second are different ones. */
const FPS_UNIT = 7.5;

/** A viewer's place; class 0 is the best. */
export interface VideoClass {
  readonly rateClass: number;
  readonly fpsClass: number;
  /** Since when a better class would be possible. */
  readonly risingSinceMs: number | null;
}

const rateClassOf = (kbps: number, mostKbps: number): number =>
  Math.max(0, Math.ceil(Math.log(mostKbps / kbps) / Math.log(CLASS_FACTOR) - 1e-9));
const fpsClassOf = (fps: number): number => Math.max(0, Math.ceil(Math.log2(fps / FPS_UNIT)));

/** The class of a new viewer. */
export const firstClass = (target: VideoRate, mostKbps: number): VideoClass => ({
  rateClass: rateClassOf(target.bitrateKbps, mostKbps),
  fpsClass: fpsClassOf(target.maxFps),
  risingSinceMs: null,
});

/** The class after a new target, or after time has passed. `now` in ms. */
export function nextClass(
  state: VideoClass,
  target: VideoRate,
  { mostKbps, now }: { readonly mostKbps: number; readonly now: number },
): VideoClass {
  const fpsClass = fpsClassOf(target.maxFps);
  const base = { ...state, fpsClass, risingSinceMs: null };
  const level = mostKbps / CLASS_FACTOR ** state.rateClass;
  if (target.bitrateKbps < level * STAY_ABOVE) {
    return { ...base, rateClass: rateClassOf(target.bitrateKbps, mostKbps) };
  }
  const better = Math.min(
    state.rateClass,
    // The best class has nothing above it that could be lost again.
    target.bitrateKbps >= mostKbps ? 0 : rateClassOf(target.bitrateKbps / RISE_ABOVE, mostKbps),
  );
  if (better === state.rateClass) return base;
  const since = state.risingSinceMs ?? now;
  return now - since >= RISE_AFTER_MS
    ? { ...base, rateClass: better }
    : { ...base, risingSinceMs: since };
}

/** When `nextClass` has to be asked again though no target changed, or null. */
export const classDeadline = (state: VideoClass): number | null =>
  state.risingSinceMs === null ? null : state.risingSinceMs + RISE_AFTER_MS;

/**
 * Groups of viewers, by key. More than `maxGroups` groups are joined, the closest first, so that
 * the number of encoders is bounded; a joined group has the lowest rate of its members.
 */
export function groupViewers<V>(
  viewers: ReadonlyMap<V, VideoClass & { readonly codec: string }>,
  maxGroups = MAX_SHARED_ENCODERS,
): Map<V, string> {
  interface Group {
    rateClass: number;
    fpsClass: number;
    codec: string;
    members: V[];
  }
  const groups = new Map<string, Group>();
  for (const [viewer, { rateClass, fpsClass, codec }] of viewers) {
    const key = `${codec} ${rateClass} ${fpsClass}`;
    const group = groups.get(key) ?? { rateClass, fpsClass, codec, members: [] };
    group.members.push(viewer);
    groups.set(key, group);
  }
  const list = [...groups.values()];
  while (list.length > maxGroups) {
    let best: { into: Group; from: Group; distance: number } | null = null;
    for (const into of list) {
      for (const from of list) {
        if (into === from || into.codec !== from.codec) continue;
        // Joined downwards: nobody is sent more than its network carries.
        if (from.rateClass > into.rateClass) continue;
        const distance = into.rateClass - from.rateClass + Math.abs(into.fpsClass - from.fpsClass);
        if (best === null || distance < best.distance) best = { into, from, distance };
      }
    }
    if (best === null) break;
    best.into.members.push(...best.from.members);
    best.into.fpsClass = Math.min(best.into.fpsClass, best.from.fpsClass);
    list.splice(list.indexOf(best.from), 1);
  }
  const keys = new Map<V, string>();
  for (const { rateClass, fpsClass, codec, members } of list) {
    for (const member of members) keys.set(member, `${codec} ${rateClass} ${fpsClass}`);
  }
  return keys;
}
