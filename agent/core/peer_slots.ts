/** A viewer's peers: one carries the picture while the next is negotiated. */
import type { Peer, PeerChannel, VideoTarget } from "./ports.ts";

export interface PeerSlot {
  readonly peer: Peer;
  connected: boolean;
  readonly open: Set<PeerChannel>;
  /** What its network lets the video take. */
  target: VideoTarget;
}

/** Nothing is known of a network: the settings alone bound the video. */
export const UNBOUND: VideoTarget = { bitrateKbps: Infinity, maxFps: Infinity, blocked: false };

/** Peers by the generation of their negotiation. */
export class PeerSlots {
  readonly #slots = new Map<number, PeerSlot>();
  #knownKbps: number | undefined;

  /** What the video was last allowed to take, by any of them: where a new peer may begin. */
  get knownKbps(): number | undefined {
    return this.#knownKbps;
  }

  add(generation: number, peer: Peer): void {
    this.#slots.set(generation, { peer, connected: false, open: new Set(), target: UNBOUND });
  }

  get(generation: number): PeerSlot | undefined {
    return this.#slots.get(generation);
  }

  setTarget(generation: number, target: VideoTarget): void {
    const slot = this.#slots.get(generation);
    if (slot === undefined) return;
    slot.target = target;
    this.#knownKbps = target.bitrateKbps;
  }

  delete(generation: number): void {
    this.#slots.delete(generation);
  }

  clear(): void {
    this.#slots.clear();
  }

  /** The newest one that is connected. */
  get active(): PeerSlot | null {
    let best = -Infinity;
    for (const [generation, { connected }] of this.#slots) {
      if (connected) best = Math.max(best, generation);
    }
    return this.#slots.get(best) ?? null;
  }

  get hasControlChannel(): boolean {
    return this.active?.open.has("control") ?? false;
  }
}
