/** How many live sessions each operator has made on this node. */
import type { DesktopStore } from "../core/ports.ts";

/** Operators that are remembered; the oldest is forgotten first. */
const MAX_OPERATORS = 10_000;

/**
 * Counts loosely and finds out when it matters: ids are only looked up in the store when an
 * operator reaches the limit, so that ends need not be watched.
 */
export class OperatorSessions {
  readonly #store: DesktopStore;
  readonly #limit: number;
  readonly #sessions = new Map<string, Set<string>>();

  constructor(store: DesktopStore, limit: number) {
    this.#store = store;
    this.#limit = limit;
  }

  /** Takes a place for a session that is about to be made; false when the operator has none left. */
  async admit(operatorId: string, sessionId: string): Promise<boolean> {
    const own = this.#sessions.get(operatorId) ?? new Set();
    this.#sessions.delete(operatorId);
    this.#sessions.set(operatorId, own);
    if (own.size >= this.#limit) await this.#prune(own);
    if (own.size >= this.#limit) return false;
    own.add(sessionId);
    if (this.#sessions.size > MAX_OPERATORS) this.#forgetOldest();
    return true;
  }

  async #prune(own: Set<string>): Promise<void> {
    for (const sessionId of [...own]) {
      const desktopId = await this.#store.desktopOf(sessionId);
      const stored = desktopId === null ? null : await this.#store.load(desktopId);
      if (stored?.desktop.sessions[sessionId] === undefined) own.delete(sessionId);
    }
  }

  #forgetOldest(): void {
    for (const operatorId of this.#sessions.keys()) {
      this.#sessions.delete(operatorId);
      return;
    }
  }
}
