/** Where one viewer's diff messages leave: a data channel, or the server's relay. */
import type { PeerSlots } from "./core/peer_slots.ts";
import type { ViewerPorts } from "./viewer_ports.ts";

/** More waiting than this on a data channel makes werift slow (design section 8). */
const MAX_CHANNEL_BUFFERED_BYTES = 64 * 1024;
/** Shared by all viewers of this agent's link. */
const MAX_RELAY_BUFFERED_BYTES = 256 * 1024;

export class DiffCarrier {
  readonly #peers: PeerSlots;
  readonly #ports: Pick<ViewerPorts, "relayBufferedBytes" | "relayDiff">;

  constructor(peers: PeerSlots, ports: Pick<ViewerPorts, "relayBufferedBytes" | "relayDiff">) {
    this.#peers = peers;
    this.#ports = ports;
  }

  hasRoom(byChannel: boolean): boolean {
    if (!byChannel) return this.#ports.relayBufferedBytes() < MAX_RELAY_BUFFERED_BYTES;
    const slot = this.#peers.active;
    return slot !== null && slot.open.has("diff") &&
      slot.peer.bufferedBytes("diff") < MAX_CHANNEL_BUFFERED_BYTES;
  }

  /** False when the carrier broke. */
  send(message: Uint8Array, byChannel: boolean): boolean {
    return byChannel
      ? this.#peers.active?.peer.send("diff", message) ?? false
      : this.#ports.relayDiff(message);
  }
}
