/**
 * Sends spans whose ids were made elsewhere (the console's, and a trace's root) to the collector:
 * the runtime's own exporter makes up every id itself. Bounded; a collector that is away costs
 * spans, never memory or signalling.
 */
import { readFile } from "node:fs/promises";
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
  /** Of `openOtlpClient`; closed with the exporter. */
  readonly client?: Deno.HttpClient | null;
}

/** The connections of a target with certificates of its own; null where there are none to read. */
export async function openOtlpClient(target: OtlpTarget): Promise<Deno.HttpClient | null> {
  const { caFile, client } = target;
  if (caFile === undefined && client === undefined) return null;
  const read = (file: string) => readFile(file, "utf8");
  const caCerts = caFile === undefined ? [] : [await read(caFile)];
  if (client === undefined) return Deno.createHttpClient({ caCerts });
  const [cert, key] = await Promise.all([read(client.certFile), read(client.keyFile)]);
  return Deno.createHttpClient({ caCerts, cert, key });
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
    this.#options.client?.close();
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
    const { target, client = null } = this.#options;
    try {
      const response = await fetch(target.url, {
        method: "POST",
        headers: { ...target.headers, "content-type": "application/json" },
        body: otlpBody(batch),
        signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
        ...(client === null ? {} : { client }),
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
