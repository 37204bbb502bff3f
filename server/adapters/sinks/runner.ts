/** Runs the pure delivery of one sink: one batch at a time, one timer, never in anybody's way. */
import {
  type Delivery,
  deliveryDeadline,
  type DeliveryEffect,
  type DeliveryEvent,
  type DeliveryLimits,
  deliveryStep,
  newDelivery,
} from "../../core/telemetry/delivery.ts";
import {
  type Backlog,
  lineBytes,
  type SinkStatus,
  type SinkWriter,
} from "../../core/telemetry/ports.ts";
import type { Log } from "../../core/ports.ts";

export interface SinkRunnerOptions {
  /** As it stands in logs and in `events-dropped`, such as `webhook-1`. */
  readonly name: string;
  readonly writer: SinkWriter;
  readonly backlog: Backlog;
  readonly limits: DeliveryLimits;
  /** Unix ms. */
  readonly clock: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly log: Log;
  /** Events were dropped: so many since the last time, so many in all. */
  readonly onDropped: (count: number, total: number) => void;
}

/** An attempt that takes longer has failed. */
const WRITE_TIMEOUT_MS = 15_000;

/** One sink at work. */
export class SinkRunner {
  readonly name: string;
  readonly #options: SinkRunnerOptions;
  #state: Delivery;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempt: AbortController | null = null;
  #running: Promise<void> | null = null;
  #settled: (() => void) | null = null;
  #closed = false;

  constructor(options: SinkRunnerOptions) {
    this.#options = options;
    this.name = options.name;
    const { lines, bytes } = options.backlog.restored;
    this.#state = newDelivery(lines, bytes, options.clock());
  }

  /** Begins with what an earlier process has left. */
  start(): void {
    this.#step({ kind: "tick" });
  }

  /**
   * Takes one line, or counts it as dropped; returns at once. `report` marks the report of this
   * sink's own losses.
   */
  offer(line: string, report = false): void {
    if (!this.#closed) this.#step({ kind: "offer", bytes: lineBytes(line), report }, line);
  }

  get status(): SinkStatus {
    const { waiting, droppedTotal: dropped } = this.#state;
    return { name: this.name, waiting, dropped };
  }

  /** Resolves when what was taken so far is on disk, for a sink with a spool. */
  flush(): Promise<void> {
    return this.#options.backlog.flush();
  }

  /**
   * Delivers what waits for at most `graceMs`, then stops. What is left stays in a spool, and is
   * lost from memory.
   */
  async close(graceMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#options.backlog.flush().catch((error) => this.#complain(error));
    const timer = setTimeout(() => this.#giveUp(), graceMs);
    await this.#drain();
    clearTimeout(timer);
    clearTimeout(this.#timer);
    const { writer, backlog } = this.#options;
    for (const part of [writer, backlog]) {
      await part.close().catch((error) => this.#complain(error));
    }
  }

  /** Resolves when nothing waits any more or a last attempt has failed. */
  async #drain(): Promise<void> {
    this.#step({ kind: "tick" });
    while (this.#state.waiting > 0 && this.#state.failures === 0) {
      if (this.#running !== null) await this.#running;
      else await new Promise<void>((resolve) => this.#settled = resolve);
    }
    if (this.#running !== null) await this.#running;
  }

  #giveUp(): void {
    this.#attempt?.abort();
    this.#settled?.();
  }

  #step(event: DeliveryEvent, line?: string): void {
    const { clock, limits } = this.#options;
    // At the end no batch waits for more.
    const maxBatch = this.#closed
      ? Math.max(1, Math.min(limits.maxBatch, this.#state.waiting))
      : limits.maxBatch;
    const at = { now: clock(), limits: { ...limits, maxBatch } };
    const [state, effects] = deliveryStep(this.#state, event, at);
    this.#state = state;
    for (const effect of effects) this.#perform(effect, line);
    this.#arm();
    if (state.waiting === 0 || state.failures > 0) this.#settled?.();
  }

  #perform(effect: DeliveryEffect, line: string | undefined): void {
    switch (effect.kind) {
      case "keep":
        if (line !== undefined) this.#options.backlog.append(line);
        return;
      case "send":
        this.#running = this.#send(effect.count);
        return;
      case "report":
        return this.#options.onDropped(effect.count, effect.total);
    }
  }

  async #send(count: number): Promise<void> {
    const { backlog, writer, log, random } = this.#options;
    const attempt = new AbortController();
    this.#attempt = attempt;
    const timer = setTimeout(() => attempt.abort(), WRITE_TIMEOUT_MS);
    const failedBefore = this.#state.failures > 0;
    let event: DeliveryEvent;
    try {
      const lines = await backlog.peek(count);
      if (lines.length !== count) throw new Error("The backlog lost lines");
      await Promise.race([writer.write(lines, attempt.signal), aborted(attempt.signal)]);
      await backlog.drop(count);
      event = { kind: "delivered", bytes: lines.reduce((sum, l) => sum + lineBytes(l), 0) };
      if (failedBefore) log.write("info", "sink-recovered", { sink: this.name });
    } catch (error) {
      if (!failedBefore) this.#complain(error);
      event = { kind: "failed", random: random() };
    } finally {
      clearTimeout(timer);
      this.#attempt = null;
      this.#running = null;
    }
    this.#step(event);
  }

  #complain(error: unknown): void {
    const { name, code } = error as { name?: string; code?: string };
    this.#options.log.write("warn", "sink-failed", { sink: this.name, error: code ?? name });
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const at = deliveryDeadline(this.#state);
    if (at === null || (this.#closed && this.#state.failures > 0)) return;
    const waitMs = Math.max(0, at - this.#options.clock());
    this.#timer = setTimeout(() => this.#step({ kind: "tick" }), waitMs);
  }
}

/** Rejects when the signal fires, for a writer that cannot be interrupted. */
const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error("The write took too long")));
  });
