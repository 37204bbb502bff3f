/** What a console must know to show anything: its screen, its grants and the cursor. */
import type { ControlMessage, Reason } from "@farglass/protocol";
import type { PipelineViewer } from "./audience.ts";
import type { Peer } from "./core/ports.ts";
import type { ScreenTold } from "./core/viewer.ts";
import { type CursorFeed, positionMessage } from "./cursor_feed.ts";
import type { Pipeline } from "./pipeline.ts";

export interface Greeted {
  readonly pipeline: Pipeline;
  readonly viewer: PipelineViewer;
  /** What carries its video, if anything does. */
  readonly peer: Peer | null;
}

/** What the viewer is shown now, and why when it is not what its operator chose. */
export function screenTold({ pipeline, viewer, peer }: Greeted, reason?: Reason): ScreenTold {
  const { id, width, height, sinceMs } = pipeline.shown(viewer);
  const rtpTime = sinceMs === null ? null : peer?.videoTime(sinceMs) ?? null;
  return { width, height, display: id ?? undefined, rtpTime: rtpTime ?? undefined, reason };
}

export function greeting(
  greeted: Greeted,
  { input, cursorFeed }: { readonly input: boolean; readonly cursorFeed: CursorFeed },
): ControlMessage[] {
  const { pipeline, viewer } = greeted;
  const messages: ControlMessage[] = [
    { op: "screen", ...screenTold(greeted) },
    { op: "grants", input },
  ];
  // Nothing can be read, or none of the displays that may be seen is connected.
  if (pipeline.captureFailed || pipeline.shown(viewer).id === null) {
    messages.push({ op: "fault", code: "capture-failed" });
  }
  const cursor = pipeline.cursor(viewer);
  if (cursor === null) return messages;
  return [...messages, cursorFeed.message(cursor.shape), positionMessage(cursor.place)];
}
