/** What the console itself saw of a session, for a support bundle: bounded, without addresses. */
import type { CandidatePair, Evidence, Reason, Stage, Transport } from "@farglass/protocol";
import type { Draft } from "./draft.ts";
import { hudView } from "./hud.ts";
import type { LatencyView } from "./latency.ts";
import type { SessionState } from "./state.ts";

/** What the HUD showed at one moment. */
export interface StatisticsSample {
  /** Unix ms of the console. */
  readonly at: number;
  readonly stage: Stage | null;
  readonly transport: Transport;
  readonly fps: number | null;
  readonly bitrateKbps: number | null;
  readonly rttMs: number | null;
  /** 0..1 */
  readonly loss: number | null;
  readonly jitterBufferMs: number | null;
  readonly decodeMs: number | null;
  readonly framesDecoded: number;
  readonly latency: LatencyView | null;
  readonly candidatePair: CandidatePair | null;
  /** Until the TURN credentials expire; negative once they have. */
  readonly turnLeftMs: number | null;
  readonly exactSinceMs: number | null;
  /** The agent's count of changed pictures, to tell a still desktop from a stalled picture. */
  readonly captured: number | null;
}

/** What the console decided about the picture's way, and the figures behind it. */
export interface ConsoleDecision {
  readonly at: number;
  /**
   * `lost`: a way was given up; `chosen`: another was asked for; `shown`: it has painted;
   * `drained`: the browser's buffer of the video was emptied.
   */
  readonly what: "lost" | "chosen" | "shown" | "drained";
  readonly from: Transport;
  /** Null when nothing was asked for yet. */
  readonly to: Transport | null;
  readonly reason: Reason;
  readonly evidence: Evidence;
}

/** The newest readings and decisions of one session, oldest first. */
export interface ConsoleReport {
  readonly samples: readonly StatisticsSample[];
  readonly decisions: readonly ConsoleDecision[];
}

export const NO_REPORT: ConsoleReport = { samples: [], decisions: [] };

/** Ten minutes. */
export const MAX_SAMPLES = 600;
export const SAMPLE_GAP_MS = 1_000;
export const MAX_DECISIONS = 100;

/** Keeps a reading of the HUD, at most one a second. */
export function keepSample(d: Draft): void {
  const { session } = d;
  if (session === null) return;
  const { report } = session;
  const last = report.samples.at(-1);
  if (last !== undefined && d.now < last.at + SAMPLE_GAP_MS) return;
  const samples = [...report.samples, sampleOf(session, d.now)].slice(-MAX_SAMPLES);
  d.patch({ report: { ...report, samples } });
}

function sampleOf(session: SessionState, now: number): StatisticsSample {
  const hud = hudView(session);
  const { shown } = session.transport;
  const beat = shown.transport === "diff-ws" ? session.relayBeat : session.carrier?.beat;
  return {
    at: Math.round(now),
    stage: session.stage,
    transport: shown.transport,
    fps: hud.fps,
    bitrateKbps: hud.bitrateKbps,
    rttMs: hud.rttMs,
    loss: hud.loss,
    jitterBufferMs: hud.jitterBufferMs,
    decodeMs: hud.decodeMs,
    framesDecoded: hud.framesDecoded,
    latency: hud.latency,
    candidatePair: hud.candidatePair,
    turnLeftMs: hud.turnExpiresAtMs === null ? null : Math.round(hud.turnExpiresAtMs - now),
    exactSinceMs: hud.exactSinceMs === null ? null : Math.round(hud.exactSinceMs),
    captured: beat === undefined || beat.lastPongAt === null ? null : beat.captured,
  };
}

type KeptDecision = Omit<ConsoleDecision, "at" | "from"> & Partial<Pick<ConsoleDecision, "from">>;

/** Keeps a decision with its figures; `from` is what is shown unless told otherwise. */
export function keepDecision(d: Draft, decision: KeptDecision): void {
  const { session } = d;
  if (session === null) return;
  const { report } = session;
  const from = session.transport.shown.transport;
  const decisions = [...report.decisions, { at: Math.round(d.now), from, ...decision }];
  d.patch({ report: { ...report, decisions: decisions.slice(-MAX_DECISIONS) } });
}
