/** When the newest frames were noticed, read and encoded, for the console's latency. Pure. */
import { type AgentFrame, diffHead, MAX_TIMED_FRAMES } from "@farglass/protocol";
import type { Frame } from "./ports.ts";

/** Captures whose frames may still be on their way to an encoder. */
const MAX_CAPTURES = 32;

/** One viewer's frames; the newest few since they were last taken. */
export class FrameLog {
  /** When the change was noticed, by capture time; oldest first. */
  readonly #changes = new Map<number, number>();
  /** The first capture: what was read before is as old as the picture, not as its way. */
  #since = Infinity;
  /** The newest capture that was encoded as video; the same again is a refinement. */
  #videoAt = -Infinity;
  #frames: AgentFrame[] = [];
  /** The diff frame whose first message has been sent. */
  #open: { readonly key: number; readonly capturedAt: number } | null = null;

  /** A picture was read. */
  captured({ capturedAtMs, changedAtMs = capturedAtMs }: Frame): void {
    this.#since = Math.min(this.#since, capturedAtMs);
    this.#changes.set(capturedAtMs, changedAtMs);
    if (this.#changes.size <= MAX_CAPTURES) return;
    const [oldest] = this.#changes.keys();
    this.#changes.delete(oldest);
  }

  /** A video frame was encoded at `nowMs`. */
  video(capturedAtMs: number, key: number, nowMs: number): void {
    if (capturedAtMs <= this.#videoAt) return;
    this.#videoAt = capturedAtMs;
    this.#add({ path: "rtp", key }, capturedAtMs, nowMs);
  }

  /** A diff message was packed at `nowMs`; a frame counts from its first to its last. */
  diff(message: Uint8Array, nowMs: number): void {
    const { frame, part, last, capturedAtMs, patches } = diffHead(message);
    if (part === 0) this.#open = patches === 0 ? null : { key: frame, capturedAt: capturedAtMs };
    const open = this.#open;
    if (!last || open === null || open.key !== frame) return;
    this.#open = null;
    this.#add({ path: "diff", key: frame }, open.capturedAt, nowMs);
  }

  /** The newest since the last call, oldest first. */
  take(): readonly AgentFrame[] {
    const frames = this.#frames;
    this.#frames = [];
    return frames;
  }

  #add(of: Pick<AgentFrame, "path" | "key">, capturedAt: number, encodedAt: number): void {
    if (capturedAt < this.#since) return;
    const changedAt = this.#changes.get(capturedAt) ?? capturedAt;
    const times = { changedAt: fine(changedAt), capturedAt: fine(capturedAt) };
    this.#frames.push({ ...of, ...times, encodedAt: fine(encodedAt) });
    if (this.#frames.length > MAX_TIMED_FRAMES) this.#frames.shift();
  }
}

/** Hundredths of a millisecond are finer than any clock here, and short in JSON. */
const fine = (ms: number): number => Math.round(ms * 100) / 100;
