/**
 * Messages between nodes by Redis pub/sub. Pub/sub itself delivers at most once; what must not be
 * lost is mail, which is kept and numbered (see redis_keys.ts): after every break of the listening
 * connection `onGap` makes the links look for what they missed, and numbers drop what came twice.
 */
import { Buffer } from "node:buffer";
import { type Bus, StoreUnavailable } from "../core/ports.ts";
import type { OnCorrupt } from "./corruption.ts";
import type { RedisClient } from "./redis_client.ts";
import { channelOf, topicOf } from "./redis_keys.ts";

interface Topic {
  readonly subscribers: Set<Subscriber>;
  /** Settles when Redis has confirmed the subscription; renewed after a break. */
  ready: Promise<void>;
}

interface Subscriber {
  readonly json: (message: unknown) => void;
  readonly bytes: ((bytes: Uint8Array) => void) | undefined;
}

const UTF8 = new TextDecoder();
/** First byte of a binary message: no JSON text begins with it. */
const BINARY = 0;
/** Topics named in one SUBSCRIBE after a break. */
const RESUBSCRIBE_CHUNK = 500;
/** A subscription that failed on a connection that stands is asked for again after this. */
const RESUBSCRIBE_MS = 200;
/** Bytes on their way to Redis; beyond it diff frames are refused and the agent sends them anew. */
const MAX_BYTES_IN_FLIGHT = 4 * 1024 * 1024;

/** The bus port on Redis. */
export class RedisBus implements Bus {
  readonly #client: RedisClient;
  readonly #onCorrupt: OnCorrupt;
  readonly #topics = new Map<string, Topic>();
  readonly #stopUp: () => void;
  #bytesInFlight = 0;
  #closed = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #onGap: () => void = () => {};

  constructor(client: RedisClient, onCorrupt: OnCorrupt) {
    this.#client = client;
    this.#onCorrupt = onCorrupt;
    client.listener.on("messageBuffer", (channel: Uint8Array, message: Uint8Array) => {
      this.#deliver(topicOf(UTF8.decode(channel)), message);
    });
    this.#stopUp = client.onUp(() => this.#again());
  }

  /** Called after every break, once all topics are subscribed again. */
  onGap(handler: () => void): void {
    this.#onGap = handler;
  }

  async publish(topic: string, message: unknown): Promise<void> {
    await this.#client.call("PUBLISH", channelOf(topic), JSON.stringify(message));
  }

  async publishBytes(topic: string, bytes: Uint8Array): Promise<void> {
    if (this.#bytesInFlight + bytes.length > MAX_BYTES_IN_FLIGHT) {
      throw new StoreUnavailable("busy");
    }
    const framed = Buffer.alloc(bytes.length + 1);
    framed[0] = BINARY;
    framed.set(bytes, 1);
    this.#bytesInFlight += bytes.length;
    try {
      await this.#client.call("PUBLISH", channelOf(topic), framed);
    } finally {
      this.#bytesInFlight -= bytes.length;
    }
  }

  subscribe(
    topic: string,
    handler: (message: unknown) => void,
    onBytes?: (bytes: Uint8Array) => void,
  ): () => void {
    const known = this.#topics.get(topic);
    const entry = known ?? { subscribers: new Set(), ready: this.#subscribe([topic]) };
    if (known === undefined) this.#topics.set(topic, entry);
    const subscriber = { json: handler, bytes: onBytes };
    entry.subscribers.add(subscriber);
    return () => {
      entry.subscribers.delete(subscriber);
      if (entry.subscribers.size > 0 || this.#topics.get(topic) !== entry) return;
      this.#topics.delete(topic);
      if (!this.#client.up) return;
      this.#client.listener.unsubscribe(channelOf(topic)).catch(() => {
        // The connection broke: the subscription is gone with it.
      });
    };
  }

  async settled(topic: string): Promise<void> {
    await this.#topics.get(topic)?.ready;
  }

  close(): void {
    this.#stopUp();
    clearTimeout(this.#retry);
    this.#closed = true;
    this.#topics.clear();
  }

  #subscribe(topics: readonly string[]): Promise<void> {
    const ready = this.#client.whenUp().then(async () => {
      const wanted = topics.filter((topic) => this.#topics.has(topic));
      if (wanted.length > 0) await this.#client.listen(wanted.map(channelOf));
    });
    ready.catch((cause) => {
      // The connection broke before the answer, and the next one begins with `#again`; or Redis
      // took too long, and then nothing else would.
      clearTimeout(this.#retry);
      if (this.#closed || !(cause instanceof StoreUnavailable)) return;
      this.#retry = setTimeout(() => {
        if (this.#client.up) this.#again();
      }, RESUBSCRIBE_MS);
    });
    return ready;
  }

  /** A connection begins without subscriptions. */
  #again(): void {
    const topics = [...this.#topics.keys()];
    const chunks: Promise<void>[] = [];
    for (let at = 0; at < topics.length; at += RESUBSCRIBE_CHUNK) {
      const chunk = topics.slice(at, at + RESUBSCRIBE_CHUNK);
      const ready = this.#subscribe(chunk);
      chunks.push(ready);
      for (const topic of chunk) {
        const entry = this.#topics.get(topic);
        if (entry !== undefined) entry.ready = ready;
      }
    }
    // A failure means another `#again`.
    Promise.all(chunks).then(() => this.#onGap(), () => {});
  }

  #deliver(topic: string, message: Uint8Array): void {
    const entry = this.#topics.get(topic);
    if (entry === undefined) return;
    if (message[0] === BINARY) {
      const bytes = new Uint8Array(message.subarray(1));
      for (const subscriber of [...entry.subscribers]) subscriber.bytes?.(bytes);
      return;
    }
    let json: unknown;
    try {
      json = JSON.parse(UTF8.decode(message));
    } catch {
      this.#onCorrupt({ value: "notice", detail: "not JSON" });
      return;
    }
    for (const subscriber of [...entry.subscribers]) {
      try {
        subscriber.json(json);
      } catch (error) {
        // Anybody may publish there: what a subscriber trips over must not end the process.
        this.#onCorrupt({ value: "notice", detail: String(error) });
      }
    }
  }
}
