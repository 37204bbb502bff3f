/**
 * The sending side of werift's DTLS handshake. werift sleeps between retransmissions of a DTLS flight (RFC 6347 section 4.2.4) and cannot be
 * told to stop. This keeps hold of those sleeps, so that closing a peer can end and await them.
 */
import type { Buffer } from "node:buffer";
import type { RTCDtlsTransport } from "werift";

interface DtlsSocketInternals {
  onHandleHandshakes: (handshakes: unknown) => Promise<void>;
  readonly dtls: { flight: number; readonly lastMessage?: readonly Buffer[] };
  readonly transport: { send(data: Buffer): Promise<void> };
}

/** A flight number behind the last: each waiting flight sees that it was answered. */
const BEHIND_ALL_FLIGHTS = 99;

export class DtlsFlights {
  readonly #pending = new Set<Promise<void>>();
  #socket: DtlsSocketInternals | undefined;
  #closed = false;

  /** Call when the transport begins to connect: its DTLS socket exists a microtask later. */
  watch(transport: RTCDtlsTransport): void {
    queueMicrotask(() => {
      const socket = transport.dtls as unknown as DtlsSocketInternals | undefined;
      if (typeof socket?.onHandleHandshakes !== "function") return;
      this.#socket = socket;
      const handle = socket.onHandleHandshakes;
      socket.onHandleHandshakes = (handshakes) => {
        if (this.#closed) return Promise.resolve();
        const work = handle.call(socket, handshakes);
        const settled = work.catch(() => {}).finally(() => this.#pending.delete(settled));
        this.#pending.add(settled);
        return work;
      };
    });
  }

  /** Sends the server's last flight again; werift itself sends it only once. */
  repeatLast(): void {
    if (this.#closed || this.#socket === undefined) return;
    for (const datagram of this.#socket.dtls.lastMessage ?? []) {
      this.#socket.transport.send(datagram).catch(() => {/* the client will ask again */});
    }
  }

  /** Resolves when no flight sleeps any more: at most half a second after a good handshake. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#socket !== undefined) this.#socket.dtls.flight = BEHIND_ALL_FLIGHTS;
    await Promise.all(this.#pending);
  }
}
