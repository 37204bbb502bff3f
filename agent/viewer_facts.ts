/** What a viewer's heartbeat tells its console, and what of it is counted. */
import type { ControlOf, Transport } from "@farglass/protocol";
import type { PipelineViewer } from "./audience.ts";
import type { DecisionTally } from "./core/decision_tally.ts";
import type { DiffEngine } from "./core/diff_engine.ts";
import type { FrameLog } from "./core/frame_log.ts";
import type { HybridRegions } from "./core/hybrid_regions.ts";
import type { Peer } from "./core/ports.ts";
import { isDiff, usesVideo } from "./core/viewer.ts";
import type { Pipeline } from "./pipeline.ts";
import type { ViewerSound } from "./viewer_sound.ts";

/** The parts of a viewer that measure and decide. */
export interface ViewerFacts {
  readonly pipeline: Pipeline;
  readonly viewer: PipelineViewer;
  /** What carries its video, if anything does. */
  readonly peer: Peer | null;
  readonly engine: DiffEngine;
  readonly hybrid: HybridRegions;
}

/** What only an answer needs. */
export interface BeatFacts {
  readonly now: number;
  readonly transport: Transport;
  readonly rtpFrames: number;
  readonly log: FrameLog;
  readonly sound: ViewerSound;
}

/** Answers a heartbeat with the counters of this moment. */
export function pongOf(
  { id, at }: ControlOf<"ping">,
  { pipeline, viewer, peer, engine, hybrid }: ViewerFacts,
  { now, transport, rtpFrames, log, sound }: BeatFacts,
): ControlOf<"pong"> {
  const video = usesVideo(transport);
  return {
    op: "pong",
    id,
    at,
    agentAt: now,
    captured: pipeline.capturedFor(viewer),
    rtpFrames,
    diffFrames: engine.stats.framesSent,
    frames: [...log.take()],
    network: video ? peer?.network ?? undefined : undefined,
    format: video ? pipeline.videoFormat(viewer) ?? undefined : undefined,
    patches: isDiff(transport) ? engine.flow : undefined,
    choice: transport === "hybrid" ? hybrid.choice : undefined,
    sound: sound.clock,
  };
}

/** Adds what was decided since the viewer began to what is counted. */
export function addDecisions(
  tally: DecisionTally,
  { pipeline, viewer, peer, engine, hybrid }: ViewerFacts,
): void {
  if (peer !== null) tally.add(peer, peer.network?.decisions ?? {});
  tally.add(engine, engine.flow.decisions);
  tally.add(hybrid, hybrid.choice.decisions);
  tally.add(viewer, pipeline.videoFormat(viewer)?.decisions ?? {});
}
