/** Carries out what core/playout.ts decides about the video that is shown. */
import { PLAYOUT_REASONS } from "@farglass/protocol";
import type { Draft } from "./draft.ts";
import { stepPlayout } from "./playout.ts";
import { keepDecision } from "./report.ts";
import type { VideoCounters } from "./stats.ts";
import { sendControl, videoFailed } from "./transport.ts";

/** The newest statistics of the carrier's video; call it after the HUD has taken them. */
export function followPlayout(d: Draft, video: VideoCounters): void {
  const { session } = d;
  if (session?.carrier == null) return;
  const jitterS = video.jitterS ?? null;
  const [playout, action] = stepPlayout(session.playout, {
    pictures: video.jitterBufferEmittedCount ?? video.framesDecoded,
    jitterMs: jitterS === null ? null : jitterS * 1000,
    bufferMs: session.hud.jitterBufferMs,
  }, d.now);
  d.patch({ playout });
  if (action === null) return;
  if (action.kind === "give-up") {
    videoFailed(d, "jitter-buffer-growth", action.evidence);
    return;
  }
  const minMs = action.kind === "set" ? action.minMs : 0;
  d.emit({ type: "peer-playout", peerId: session.carrier.id, minMs });
  sendControl(d, { op: "playout", minMs });
  if (action.kind === "drain") {
    const { evidence } = action;
    sendControl(d, { op: "keyframe" });
    keepDecision(d, { what: "drained", to: null, reason: "jitter-buffer-growth", evidence });
  }
  d.note("note", PLAYOUT_REASONS[playout.reason]);
  if (d.ids === null) return;
  d.send({ type: "MEDIA_REPORT", ...d.ids, payload: { decisions: { [playout.reason]: 1 } } });
}
