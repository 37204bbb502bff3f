/** The session's history in plain words. */
import type { CodedError, Stage, Transport } from "@farglass/protocol";
import type { TimelineEntry } from "./session_view.ts";

/** Older entries are forgotten; the server keeps the whole history. */
export const MAX_TIMELINE_ENTRIES = 60;

const STAGE_TEXT: Readonly<Record<Stage, string>> = {
  requested: "Asked for the desktop",
  approved: "The session was allowed",
  offered: "A connection was offered",
  answered: "The agent answered the offer",
  connecting: "Looking for a network path",
  connected: "Connected",
  degraded: "The connection is unsteady",
  restarting: "Connecting again",
  fallback: "The picture comes through the server",
  closed: "The session is closed",
  failed: "The connection failed",
};

const TRANSPORT_TEXT: Readonly<Record<Transport, string>> = {
  "hybrid": "a hybrid of video and patches",
  "rtp": "video",
  "diff-dc": "diff over the peer connection",
  "diff-ws": "diff through the server",
  "none": "no picture",
};

/** One sentence for a stage. */
export const stageText = (stage: Stage): string => STAGE_TEXT[stage];

/** One sentence for a switch of transport. */
export const switchText = (from: Transport, to: Transport): string =>
  from === "none"
    ? `The picture comes as ${TRANSPORT_TEXT[to]}`
    : `Changed from ${TRANSPORT_TEXT[from]} to ${TRANSPORT_TEXT[to]}`;

/** Statistics as `name value`, for the small print. */
export const evidenceText = (evidence: Readonly<Record<string, number>>): string =>
  Object.entries(evidence).map(([name, value]) => `${name} ${Math.round(value * 100) / 100}`)
    .join(", ");

/** Whether, and when, trying the same again makes sense. */
export function retryText(error: Pick<CodedError, "retryable" | "retryAfterMs">): string {
  if (!error.retryable) return "Another try would end the same way";
  return error.retryAfterMs === undefined
    ? "Another try makes sense"
    : `Another try makes sense in ${Math.max(1, Math.ceil(error.retryAfterMs / 1000))} s`;
}

/** Adds an entry and drops the oldest beyond the limit; a repeat of the last entry is left out. */
export function addEntry(
  timeline: readonly TimelineEntry[],
  entry: Omit<TimelineEntry, "id">,
): readonly TimelineEntry[] {
  const last = timeline.at(-1);
  if (
    last !== undefined && last.kind === entry.kind && last.text === entry.text &&
    last.reason === entry.reason && last.detail === entry.detail
  ) return timeline;
  return [...timeline, { id: (last?.id ?? 0) + 1, ...entry }].slice(-MAX_TIMELINE_ENTRIES);
}
