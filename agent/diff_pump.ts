/** Moves one viewer's diff stream from its engine to its carrier, as fast as that takes it. Shell. */
import type { DiffEngine } from "./core/diff_engine.ts";
import type { FrameLog } from "./core/frame_log.ts";
import type { HybridRegions } from "./core/hybrid_regions.ts";
import type { Frame } from "./core/ports.ts";
import type { ViewerTrace } from "./session_trace.ts";

export interface DiffPumpPorts {
  readonly engine: DiffEngine;
  readonly hybrid: HybridRegions;
  readonly log: FrameLog;
  now(): number;
  /** Runs `task` after pending IO had its turn; returns the way to cancel it. */
  soon(task: () => void): () => void;
  /** What the viewer shall see; null while there is none, or nothing goes by patches. */
  picture(): Frame | null;
  /** The video's regions have been thought over. */
  planned(): void;
  hasRoom(): boolean;
  /** False when the carrier broke. */
  send(message: Uint8Array): boolean;
  readonly trace: ViewerTrace | null;
}

/** The pump gives way after so long, so that input and video keep their pace. */
const SLICE_MS = 8;
/** A carrier without room wakes the pump itself; this is only the net below it. */
const MIN_TIMER_MS = 4;
const BLOCKED_TIMER_MS = 250;

export class DiffPump {
  readonly #ports: DiffPumpPorts;
  #cancel: (() => void) | null = null;
  #timer: { readonly id: ReturnType<typeof setTimeout>; readonly dueMs: number } | null = null;

  constructor(ports: DiffPumpPorts) {
    this.#ports = ports;
  }

  /** Call it whenever there may be something to send, or room to send it. */
  run(): void {
    if (this.#cancel !== null) return;
    const { engine, hybrid, log, trace } = this.#ports;
    const frame = this.#ports.picture();
    if (frame === null) return;
    const start = this.#ports.now();
    engine.tick(start);
    hybrid.plan(frame, start);
    this.#ports.planned();
    let room = this.#ports.hasRoom();
    while (room) {
      const message = engine.pull(frame, this.#ports.now());
      if (message === null) break;
      trace?.encoded();
      const packedAtMs = this.#ports.now();
      // A carrier that breaks here is followed by another choice, which starts anew.
      if (!this.#ports.send(message)) break;
      log.diff(message, packedAtMs);
      trace?.sent();
      room = this.#ports.hasRoom();
      if (room && this.#ports.now() - start > SLICE_MS) {
        this.#cancel = this.#ports.soon(() => {
          this.#cancel = null;
          this.run();
        });
        return;
      }
    }
    this.#arm(room);
  }

  /** A timer that comes sooner than it must is left as it is: each picture would set a new one. */
  #arm(room: boolean): void {
    const { engine, hybrid } = this.#ports;
    const due = earlier(engine.nextDeadlineMs(), hybrid.nextDeadlineMs());
    if (due === null && room) return;
    const now = this.#ports.now();
    const least = room ? MIN_TIMER_MS : BLOCKED_TIMER_MS;
    const waitMs = Math.max(least, due === null ? BLOCKED_TIMER_MS : due - now);
    if (this.#timer !== null && this.#timer.dueMs <= now + waitMs) return;
    if (this.#timer !== null) clearTimeout(this.#timer.id);
    const onDue = () => {
      this.#timer = null;
      this.run();
    };
    this.#timer = { id: setTimeout(onDue, waitMs), dueMs: now + waitMs };
  }

  close(): void {
    this.#cancel?.();
    if (this.#timer !== null) clearTimeout(this.#timer.id);
  }
}

const earlier = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? a ?? b : Math.min(a, b);
