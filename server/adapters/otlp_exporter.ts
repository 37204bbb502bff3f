/**
 * Sends spans whose ids were made elsewhere (the console's, and a trace's root) to the collector:
 * the runtime's own exporter makes up every id itself. Bounded; a collector that is away costs
 * spans, never memory or signalling.
 */
import type { Log } from "../core/ports.ts";
import { otlpBody, type OtlpSpan, type OtlpTarget } from "../core/telemetry/otlp.ts";

const MAX_WAITING = 1_024;
const MAX_BATCH = 256;
const BATCH_DELAY_MS = 1_000;
const SEND_TIMEOUT_MS = 5_000;
/** A collector that stays away is mentioned this often. */
const COMPLAINT_GAP_MS = 60_000;

export interface OtlpExporterOptions {
  readonly target: OtlpTarget;
  readonly log: Log;
  /** Unix ms. */
  readonly clock: () => number;
}

/** One queue, one request at a time. */
export class OtlpExporter {
  readonly #options: OtlpExporterOptions;
  readonly #waiting: OtlpSpan[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> = Promise.resolve();
  #lost = 0;
  #complainedAt = -Infinity;

  constructor(options: OtlpExporterOptions) {
    this.#options = options;
  }

  add(span: OtlpSpan): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#lost++;
      return;
    }
    this.#waiting.push(span);
    this.#timer ??= setTimeout(() => this.#flush(), BATCH_DELAY_MS);
  }

  /** Sends what waits. */
  async close(): Promise<void> {
    this.#flush();
    await this.#sending;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending = this.#sending.then(async () => {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.splice(0, MAX_BATCH);
        if (await this.#send(batch)) continue;
        this.#lost += batch.length;
        this.#complain();
      }
    });
  }

  async #send(batch: readonly OtlpSpan[]): Promise<boolean> {
    const { target } = this.#options;
    try {
      const response = await fetch(target.url, {
        method: "POST",
        headers: { ...target.headers, "content-type": "application/json" },
        body: otlpBody(batch),
        signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      // Away, too slow, or no such address: counted by the caller.
      return false;
    }
  }

  #complain(): void {
    const { log, clock } = this.#options;
    if (clock() - this.#complainedAt < COMPLAINT_GAP_MS) return;
    this.#complainedAt = clock();
    log.write("warn", "trace-export-failed", { lost: this.#lost });
  }
}
