/** The embedded store: one process, nothing kept after it ends. */
import type { Bus, DesktopStore, OnceStore, Stored } from "../core/ports.ts";
import { noOnce, onceAdd, type OnceState, onceTake } from "../core/once.ts";
import type { DesktopState } from "../core/state.ts";

const sessionIdsOf = (desktop: DesktopState): readonly string[] => [
  ...Object.keys(desktop.sessions),
  ...desktop.ended.map((s) => s.sessionId),
];

/** Desktops in a map, with an index of their sessions. */
export class MemoryDesktopStore implements DesktopStore {
  readonly #desktops = new Map<string, Stored>();
  readonly #sessions = new Map<string, string>();

  load(desktopId: string): Promise<Stored | null> {
    return Promise.resolve(this.#desktops.get(desktopId) ?? null);
  }

  save(desktopId: string, revision: number, desktop: DesktopState | null): Promise<boolean> {
    const stored = this.#desktops.get(desktopId);
    if ((stored?.revision ?? 0) !== revision) return Promise.resolve(false);
    const before = stored === undefined ? [] : sessionIdsOf(stored.desktop);
    const after = new Set(desktop === null ? [] : sessionIdsOf(desktop));
    for (const id of before) if (!after.has(id)) this.#sessions.delete(id);
    for (const id of after) this.#sessions.set(id, desktopId);
    if (desktop === null) this.#desktops.delete(desktopId);
    else this.#desktops.set(desktopId, { revision: revision + 1, desktop });
    return Promise.resolve(true);
  }

  list(): Promise<readonly DesktopState[]> {
    return Promise.resolve([...this.#desktops.values()].map((s) => s.desktop));
  }

  desktopOf(sessionId: string): Promise<string | null> {
    return Promise.resolve(this.#sessions.get(sessionId) ?? null);
  }
}

/** Delivers within the call to `publish`, so order is the order of the calls. */
export class MemoryBus implements Bus {
  readonly #handlers = new Map<string, Set<(message: unknown) => void>>();

  publish(topic: string, message: unknown): Promise<void> {
    for (const handler of [...this.#handlers.get(topic) ?? []]) handler(message);
    return Promise.resolve();
  }

  subscribe(topic: string, handler: (message: unknown) => void): () => void {
    const handlers = this.#handlers.get(topic) ?? new Set();
    this.#handlers.set(topic, handlers);
    handlers.add(handler);
    return () => {
      handlers.delete(handler);
      if (handlers.size === 0 && this.#handlers.get(topic) === handlers) {
        this.#handlers.delete(topic);
      }
    };
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
