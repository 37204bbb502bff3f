/** Events in a Redis Stream that is kept near a length; ioredis, fenced. */
import { Redis } from "ioredis";
import type { SinkWriter } from "../../core/telemetry/ports.ts";

export interface RedisStreamOptions {
  /** `redis://` or `rediss://` */
  readonly url: string;
  readonly stream: string;
  /** The stream keeps about this many events. */
  readonly maxLength: number;
}

/** A line of this sink: id and action apart, so that the stream can be read by them. */
export const redisLine = (id: string, action: string, text: string): string =>
  JSON.stringify([id, action, text]);

export class RedisStreamWriter implements SinkWriter {
  readonly #options: RedisStreamOptions;
  #client: Redis | null = null;

  constructor(options: RedisStreamOptions) {
    this.#options = options;
  }

  async write(lines: readonly string[], signal: AbortSignal): Promise<void> {
    const client = await this.#connect();
    const cancel = () => this.#discard(client);
    signal.addEventListener("abort", cancel);
    try {
      const { stream, maxLength } = this.#options;
      const pipeline = client.pipeline();
      for (const line of lines) {
        const [id, action, event] = JSON.parse(line) as [string, string, string];
        const fields = ["id", id, "action", action, "event", event];
        pipeline.xadd(stream, "MAXLEN", "~", maxLength, "*", ...fields);
      }
      const answers = await pipeline.exec();
      const failed = answers?.find(([error]) => error !== null)?.[0];
      if (answers === null || failed) throw failed ?? new Error("The pipeline was not run");
    } catch (error) {
      this.#discard(client);
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  close(): Promise<void> {
    if (this.#client !== null) this.#discard(this.#client);
    return Promise.resolve();
  }

  /** One connection at a time, made when it is needed: the runner does the waiting. */
  async #connect(): Promise<Redis> {
    if (this.#client !== null && this.#client.status === "ready") return this.#client;
    if (this.#client !== null) this.#discard(this.#client);
    const client = new Redis(this.#options.url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
      connectTimeout: 5_000,
      connectionName: "farglass-events",
    });
    client.on("error", () => {
      // The command that fails tells the runner.
    });
    this.#client = client;
    await client.connect();
    return client;
  }

  #discard(client: Redis): void {
    // Of a connection that has closed itself, ioredis would wait for the end once more.
    if (client.status !== "close" && client.status !== "end") client.disconnect();
    if (this.#client === client) this.#client = null;
  }
}
