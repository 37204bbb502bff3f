/** The embedded store: one process, nothing kept after it ends. */
import {
  type AtOnce,
  type Bus,
  type DesktopStore,
  type DesktopWrite,
  type HistoryLimits,
  newlyEnded,
  type OnceStore,
  type OperatorPlaces,
  type Saved,
  type Stored,
} from "../core/ports.ts";
import type { DesktopSummary } from "@farglass/protocol";
import { noOnce, onceAdd, type OnceState, onceTake } from "../core/once.ts";
import type { DesktopState, EndedRecord } from "../core/state.ts";
import { summaryOf } from "../core/views.ts";
import { publishOutgoing } from "./outgoing.ts";

const sessionIdsOf = (desktop: DesktopState): readonly string[] => [
  ...Object.keys(desktop.sessions),
  ...desktop.ended.map((s) => s.sessionId),
];

function sameSessions(before: DesktopState, after: DesktopState): boolean {
  if (before.ended !== after.ended) return false;
  for (const id in before.sessions) if (after.sessions[id] === undefined) return false;
  for (const id in after.sessions) if (before.sessions[id] === undefined) return false;
  return true;
}

/** A week, and a hundred sessions of each desktop. */
export const DEFAULT_HISTORY: HistoryLimits = { keepMs: 7 * 24 * 3_600_000, perDesktop: 100 };

/** Desktops in a map, with an index of their sessions. What leaves is published at once. */
export class MemoryDesktopStore implements DesktopStore {
  readonly #desktops = new Map<string, Stored>();
  readonly #sessions = new Map<string, string>();
  readonly #bus: Bus;
  /** Ended sessions by desktop, oldest first. */
  readonly #history = new Map<string, readonly EndedRecord[]>();
  readonly #limits: HistoryLimits;
  readonly #clock: () => number;

  /** `clock` gives Unix ms. */
  constructor(bus: Bus, limits = DEFAULT_HISTORY, clock: () => number = Date.now) {
    this.#bus = bus;
    this.#limits = limits;
    this.#clock = clock;
  }

  load(desktopId: string): Promise<Stored | null> {
    return Promise.resolve(this.#desktops.get(desktopId) ?? null);
  }

  recall(desktopId: string): Promise<Stored | null> {
    return this.load(desktopId);
  }

  readonly atOnce: AtOnce | undefined = {
    recall: (desktopId) => this.#desktops.get(desktopId) ?? null,
    save: (desktopId, { desktop, out = [] }) => {
      this.#put(desktopId, this.#desktops.get(desktopId), desktop);
      for (const o of out) {
        publishOutgoing(this.#bus, o).catch(() => {
          // A bus in memory has delivered within the call, see MemoryBus; there is nothing to wait for.
        });
      }
    },
  };

  async save(desktopId: string, revision: number, write: DesktopWrite): Promise<Saved> {
    const { desktop, out = [] } = write;
    const stored = this.#desktops.get(desktopId);
    if ((stored?.revision ?? 0) !== revision) return "conflict";
    this.#put(desktopId, stored, desktop);
    // One process: a link is never taken up elsewhere, so its mail needs no number.
    for (const o of out) await publishOutgoing(this.#bus, o);
    return "saved";
  }

  #put(desktopId: string, stored: Stored | undefined, desktop: DesktopState | null): void {
    const revision = (stored?.revision ?? 0) + 1;
    if (stored !== undefined && stored.desktop === desktop) {
      this.#desktops.set(desktopId, { revision, desktop });
      return;
    }
    this.#index(desktopId, stored?.desktop ?? null, desktop);
    this.#remember(desktopId, newlyEnded(stored?.desktop ?? null, desktop));
    if (desktop === null) this.#desktops.delete(desktopId);
    else this.#desktops.set(desktopId, { revision, desktop });
  }

  list(): Promise<readonly DesktopState[]> {
    return Promise.resolve([...this.#desktops.values()].map((s) => s.desktop));
  }

  async summaries(): Promise<readonly DesktopSummary[]> {
    return (await this.list()).map(summaryOf);
  }

  size(): Promise<number> {
    return Promise.resolve(this.#desktops.size);
  }

  desktopOf(sessionId: string): Promise<string | null> {
    return Promise.resolve(this.#sessions.get(sessionId) ?? null);
  }

  recordOf(sessionId: string): Promise<EndedRecord | null> {
    this.#forgetOld();
    for (const records of this.#history.values()) {
      const found = records.find((r) => r.session.sessionId === sessionId);
      if (found !== undefined) return Promise.resolve(found);
    }
    return Promise.resolve(null);
  }

  whenUp(): Promise<void> {
    return Promise.resolve();
  }

  /** Most writes neither begin nor end a session. */
  #index(desktopId: string, before: DesktopState | null, after: DesktopState | null): void {
    if (before !== null && after !== null && sameSessions(before, after)) return;
    const kept = new Set(after === null ? [] : sessionIdsOf(after));
    for (const id of before === null ? [] : sessionIdsOf(before)) {
      if (!kept.has(id)) this.#sessions.delete(id);
    }
    for (const id of kept) this.#sessions.set(id, desktopId);
  }

  #remember(desktopId: string, ended: readonly EndedRecord[]): void {
    if (ended.length === 0) return;
    const records = [...this.#history.get(desktopId) ?? [], ...ended];
    this.#history.set(desktopId, records.slice(-this.#limits.perDesktop));
    this.#forgetOld();
  }

  #forgetOld(): void {
    const since = this.#clock() - this.#limits.keepMs;
    for (const [desktopId, records] of this.#history) {
      if (records[0].session.endedAtMs > since) continue;
      const kept = records.filter((r) => r.session.endedAtMs > since);
      if (kept.length === 0) this.#history.delete(desktopId);
      else this.#history.set(desktopId, kept);
    }
  }
}

interface Subscriber {
  readonly json: (message: unknown) => void;
  readonly bytes: ((bytes: Uint8Array) => void) | undefined;
}

const DELIVERED = Promise.resolve();

/** Delivers within the call to `publish`, so order is the order of the calls. */
export class MemoryBus implements Bus {
  readonly #subscribers = new Map<string, Set<Subscriber>>();

  publish(topic: string, message: unknown): Promise<void> {
    const subscribers = this.#subscribers.get(topic);
    if (subscribers === undefined) return DELIVERED;
    // A copy, since some may come and go meanwhile; most topics have one.
    const [first, ...others] = subscribers;
    first.json(message);
    for (const { json } of others) json(message);
    return DELIVERED;
  }

  publishBytes(topic: string, bytes: Uint8Array): Promise<void> {
    for (const subscriber of [...this.#subscribers.get(topic) ?? []]) subscriber.bytes?.(bytes);
    return Promise.resolve();
  }

  subscribe(
    topic: string,
    handler: (message: unknown) => void,
    onBytes?: (bytes: Uint8Array) => void,
  ): () => void {
    const subscribers = this.#subscribers.get(topic) ?? new Set();
    this.#subscribers.set(topic, subscribers);
    const subscriber = { json: handler, bytes: onBytes };
    subscribers.add(subscriber);
    return () => {
      subscribers.delete(subscriber);
      if (subscribers.size === 0 && this.#subscribers.get(topic) === subscribers) {
        this.#subscribers.delete(topic);
      }
    };
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }
}

/** Operators that are remembered; the oldest is forgotten first. */
const MAX_OPERATORS = 10_000;

/** Places in memory. One process: what is not in the store is not about to be. */
export class MemoryOperatorPlaces implements OperatorPlaces {
  readonly #sessions = new Map<string, Set<string>>();

  take(operatorId: string, sessionId: string, limit: number) {
    const own = this.#sessions.get(operatorId) ?? new Set();
    this.#sessions.delete(operatorId);
    this.#sessions.set(operatorId, own);
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= MAX_OPERATORS) break;
      this.#sessions.delete(oldest);
    }
    const taken = own.has(sessionId) || own.size < limit;
    const holders = taken ? [] : [...own].map((id) => ({ sessionId: id, young: false }));
    if (taken) own.add(sessionId);
    return Promise.resolve({ taken, holders });
  }

  free(operatorId: string, sessionIds: readonly string[]): Promise<void> {
    const own = this.#sessions.get(operatorId);
    for (const id of sessionIds) own?.delete(id);
    if (own?.size === 0) this.#sessions.delete(operatorId);
    return Promise.resolve();
  }
}

/** Single-use secrets in memory; `clock` gives Unix ms. */
export class MemoryOnceStore implements OnceStore {
  #state: OnceState = noOnce;
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  put(token: string, value: string, ttlMs: number): Promise<boolean> {
    const now = this.#clock();
    const next = onceAdd(this.#state, { token, value, expiresAtMs: now + ttlMs }, now);
    if (next !== null) this.#state = next;
    return Promise.resolve(next !== null);
  }

  take(token: string): Promise<string | null> {
    const { state, value } = onceTake(this.#state, token, this.#clock());
    this.#state = state;
    return Promise.resolve(value);
  }
}
