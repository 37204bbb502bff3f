/**
 * One direction of a bad network: a bottleneck with a drop-tail queue, then delay, jitter and
 * loss. Seeded and clockless, so that it serves simulations as well as the UDP relay
 * (udp_relay.ts). Packets keep their order, as they mostly do on the internet.
 */
import { seededRandom } from "./random.ts";

export interface LinkConditions {
  /** Null: no bottleneck. */
  readonly kbps: number | null;
  /** One way. */
  readonly delayMs: number;
  /** Added to the delay, evenly spread from 0 to this. */
  readonly jitterMs: number;
  /** 0..1, of packets that reach the bottleneck. */
  readonly loss: number;
  /** What the queue in front of the bottleneck holds, in ms at its rate. */
  readonly queueMs: number;
  /** Everything is lost. */
  readonly outage: boolean;
}

export const PERFECT: LinkConditions = {
  kbps: null,
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  queueMs: 500,
  outage: false,
};

interface Queued<P> {
  readonly packet: P;
  readonly bytes: number;
  readonly atMs: number;
}

export interface LinkCounters {
  readonly passed: number;
  readonly passedBytes: number;
  readonly lost: number;
  /** Dropped because the queue was full. */
  readonly overflowed: number;
}

export class LinkModel<P> {
  readonly #random: () => number;
  #conditions: LinkConditions;
  #queue: Queued<P>[] = [];
  #queuedBytes = 0;
  /** When the bottleneck is free for the head of the queue, which has so many bits left. */
  #headFromMs = 0;
  #headBits = 0;
  readonly #flying: { readonly packet: P; readonly dueMs: number }[] = [];
  #lastDueMs = 0;
  readonly #counters = { passed: 0, passedBytes: 0, lost: 0, overflowed: 0 };

  constructor(seed: number, conditions: Partial<LinkConditions> = {}) {
    this.#random = seededRandom(seed);
    this.#conditions = { ...PERFECT, ...conditions };
  }

  get conditions(): LinkConditions {
    return this.#conditions;
  }
  get counters(): LinkCounters {
    return { ...this.#counters };
  }
  /** How long a packet that comes now waits for the bottleneck. */
  queueingMs(nowMs: number): number {
    this.#serve(nowMs);
    const { kbps } = this.#conditions;
    if (kbps === null || this.#queue.length === 0) return 0;
    const behind = this.#queuedBytes - this.#queue[0].bytes;
    return (this.#headBits + behind * 8) / kbps - Math.max(0, nowMs - this.#headFromMs);
  }

  /** Changes the network; what waits in the queue goes on at the new rate. */
  set(change: Partial<LinkConditions>, nowMs: number): void {
    this.#serve(nowMs);
    const { kbps } = this.#conditions;
    if (kbps !== null && this.#queue.length > 0) {
      this.#headBits -= Math.max(0, nowMs - this.#headFromMs) * kbps;
      this.#headFromMs = Math.max(this.#headFromMs, nowMs);
    }
    this.#conditions = { ...this.#conditions, ...change };
    this.#serve(nowMs);
  }

  push(packet: P, bytes: number, nowMs: number): void {
    this.#serve(nowMs);
    const { outage, loss, kbps, queueMs } = this.#conditions;
    if (outage || this.#random() < loss) {
      this.#counters.lost++;
      return;
    }
    if (kbps !== null && this.#queuedBytes + bytes > Math.max(3_000, kbps * queueMs / 8)) {
      this.#counters.overflowed++;
      return;
    }
    this.#queue.push({ packet, bytes, atMs: nowMs });
    this.#queuedBytes += bytes;
    if (this.#queue.length === 1) {
      this.#headFromMs = Math.max(this.#headFromMs, nowMs);
      this.#headBits = bytes * 8;
    }
    this.#serve(nowMs);
  }

  /** Packets that have arrived by now. */
  pull(nowMs: number): P[] {
    this.#serve(nowMs);
    const out: P[] = [];
    while (this.#flying.length > 0 && this.#flying[0].dueMs <= nowMs) {
      out.push(this.#flying.shift()!.packet);
    }
    return out;
  }

  /** When `pull` may have something, or null. */
  nextMs(): number | null {
    const flying = this.#flying[0]?.dueMs ?? null;
    const { kbps, delayMs } = this.#conditions;
    if (this.#queue.length === 0) return flying;
    const head = this.#headFromMs + (kbps === null ? 0 : this.#headBits / kbps) + delayMs;
    return flying === null ? head : Math.min(flying, head);
  }

  #serve(nowMs: number): void {
    const { kbps, delayMs, jitterMs } = this.#conditions;
    while (this.#queue.length > 0) {
      const doneMs = this.#headFromMs + (kbps === null ? 0 : this.#headBits / kbps);
      if (doneMs > nowMs) return;
      const { packet, bytes } = this.#queue.shift()!;
      this.#queuedBytes -= bytes;
      const dueMs = Math.max(this.#lastDueMs, doneMs + delayMs + jitterMs * this.#random());
      this.#lastDueMs = dueMs;
      this.#flying.push({ packet, dueMs });
      this.#counters.passed++;
      this.#counters.passedBytes += bytes;
      this.#headFromMs = doneMs;
      const head = this.#queue[0];
      if (head === undefined) return;
      this.#headFromMs = Math.max(doneMs, head.atMs);
      this.#headBits = head.bytes * 8;
    }
  }
}
