/** How many live sessions each operator has, at whatever node they were made. */
import type { DesktopStore, OperatorPlaces } from "../core/ports.ts";

/**
 * Counts loosely and finds out when it matters: sessions are only looked up in the store when an
 * operator reaches the limit, so that neither ends nor the death of a node need be watched.
 */
export class OperatorSessions {
  readonly #store: DesktopStore;
  readonly #places: OperatorPlaces;
  readonly #limit: number;

  constructor(store: DesktopStore, places: OperatorPlaces, limit: number) {
    this.#store = store;
    this.#places = places;
    this.#limit = limit;
  }

  /** Why another one is refused. */
  get detail(): string {
    return `an operator may have ${this.#limit}`;
  }

  /** Takes a place for a session that is about to be made; false when the operator has none left. */
  async admit(operatorId: string, sessionId: string): Promise<boolean> {
    const first = await this.#places.take(operatorId, sessionId, this.#limit);
    if (first.taken) return true;
    const over: string[] = [];
    for (const { sessionId: id, young } of first.holders) {
      const desktopId = await this.#store.desktopOf(id);
      // It may be about to be made, here or at another node.
      if (desktopId === null && young) continue;
      const stored = desktopId === null ? null : await this.#store.load(desktopId);
      if (stored?.desktop.sessions[id] === undefined) over.push(id);
    }
    if (over.length === 0) return false;
    await this.#places.free(operatorId, over);
    return (await this.#places.take(operatorId, sessionId, this.#limit)).taken;
  }

  /** Gives the place back: the session was not made. */
  async release(operatorId: string, sessionId: string): Promise<void> {
    await this.#places.free(operatorId, [sessionId]);
  }
}
