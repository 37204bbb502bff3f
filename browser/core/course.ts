/** What the picture of a session's course shows: words, colours and windows of time. */
import { never, type Reason, REASONS } from "@farglass/protocol";
import type { SessionRecord } from "./session_record.ts";

export type CourseLane = SessionRecord["lanes"][number];
type Span = CourseLane["spans"][number];

/** A stretch of the course, in Unix ms. */
export interface CourseWindow {
  readonly from: number;
  readonly to: number;
}

/** The session from its request to its end, or to now. */
export function wholeCourse({ lanes, startedAt }: SessionRecord): CourseWindow {
  const ends = lanes.flatMap((lane) => lane.spans.map((span) => span.to));
  return { from: startedAt, to: Math.max(startedAt + 1, ...ends) };
}

/** Beyond this share the set-up can be seen in the whole course and needs no picture of its own. */
const SEEN_SHARE = 1 / 3;

/**
 * From the request to the first picture and the first connection of every layer, with a little
 * room; null when that is most of the course anyway.
 */
export function setUpOf(record: SessionRecord): CourseWindow | null {
  const { from, to } = wholeCourse(record);
  const reached = record.lanes.flatMap(({ lane, spans }) => {
    const first = lane === "first-frame"
      ? spans.find((s) => s.label === "first frame")?.to
      : spans.find((s) => s.label === "connected")?.from;
    return first === undefined ? [] : [first];
  });
  if (reached.length === 0) return null;
  const until = from + Math.max(10, (Math.max(...reached) - from) * 1.2);
  return until - from < (to - from) * SEEN_SHARE ? { from, to: until } : null;
}

/** The part of a span inside the window, or null. */
export function clip(span: Span, window: CourseWindow): CourseWindow | null {
  const from = Math.max(span.from, window.from);
  const to = Math.min(span.to, window.to);
  return to < from || span.from >= window.to ? null : { from, to };
}

/** How a stretch went: on the way, good, in trouble, bad. */
export type SpanTone = "busy" | "good" | "warn" | "bad";

const TONES: Readonly<Record<string, SpanTone>> = {
  "connected": "good",
  "hybrid": "good",
  "rtp": "good",
  "diff-dc": "good",
  "first frame": "good",
  "diff-ws": "warn",
  "degraded": "warn",
  "disconnected": "warn",
  "restarting": "warn",
  "fallback": "warn",
  "failed": "bad",
};

/** The tone of a span by its label; what is not known is on its way. */
export const spanTone = (label: string): SpanTone =>
  Object.hasOwn(TONES, label) ? TONES[label] : "busy";

const LABELS: Readonly<Record<string, string>> = {
  "requested": "asked",
  "approved": "allowed",
  "restarting": "connecting again",
  "degraded": "unsteady",
  "fallback": "through the server",
  "checking": "looking for a path",
  "connecting": "connecting",
  "disconnected": "path lost",
  "first frame": "first picture",
  "waiting": "waiting for it",
  "hybrid": "video and diff",
  "rtp": "video",
  "diff-dc": "diff",
  "diff-ws": "diff via server",
};

/** A span in plain words. */
export const spanWords = (label: string): string =>
  Object.hasOwn(LABELS, label) ? LABELS[label] : label;

/** A reason's plain sentence; a newer server may know more reasons. */
export const causeWords = (cause: string): string =>
  Object.hasOwn(REASONS, cause) ? REASONS[cause as Reason] : cause;

/** A lane's name in plain words. */
export function laneWords(lane: CourseLane["lane"]): string {
  switch (lane) {
    case "signalling":
      return "Signalling";
    case "connection":
      return "Connection";
    case "ice-console":
      return "ICE, this browser";
    case "ice-agent":
      return "ICE, agent";
    case "dtls-console":
      return "DTLS, this browser";
    case "dtls-agent":
      return "DTLS, agent";
    case "first-frame":
      return "First picture";
    case "transport":
      return "Picture by";
    default:
      return never(lane);
  }
}

/**
 * What stands at the lane's end: its last state in the window, or for a lane that leads to one
 * moment how long it took.
 */
export function laneFigure({ lane, spans }: CourseLane): string {
  const last = spans.at(-1);
  if (last === undefined) return "";
  const reached = lane === "first-frame" || lane === "connection" || lane === "signalling"
    ? null
    : spans.findIndex((s) => s.label === "connected");
  if (lane === "first-frame") return `${spanWords(last.label)}, ${courseTime(last.to - last.from)}`;
  if (reached === null || reached <= 0) return spanWords(last.label);
  return `${spanWords(last.label)}, after ${courseTime(spans[reached].from - spans[0].from)}`;
}

/** A time of the course: `0.4 ms`, `38 ms`, `1.25 s`, `75 s`. */
export function courseTime(ms: number): string {
  if (ms < 1_000) return `${ms < 10 && ms % 1 !== 0 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return ms < 10_000 ? `${(ms / 1_000).toFixed(2)} s` : `${Math.round(ms / 1_000)} s`;
}
