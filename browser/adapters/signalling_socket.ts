/** The signalling WebSocket and its ticket: moves bytes, decides nothing. */
import { CLOSE, MAX_ENVELOPE_BYTES, MAX_RELAY_FRAME_BYTES, SUBPROTOCOL } from "@farglass/protocol";

/** What happens on the socket with that number; of a replaced one nothing is heard. */
export interface SignallingEvents {
  onTicket(epoch: number, ticket: string): void;
  onTicketFailed(epoch: number, signedOut: boolean): void;
  onOpen(epoch: number): void;
  onText(epoch: number, text: string): void;
  onBinary(epoch: number, frame: Uint8Array): void;
  onClosed(epoch: number, code: number): void;
}

/** Beyond this the relay is stuck, and fresh input is worth less than a live socket. */
const MAX_BUFFERED_BYTES = 256 * 1024;

/** At most one socket at a time. */
export class SignallingSocket {
  readonly #origin: string;
  readonly #events: SignallingEvents;
  #socket: WebSocket | null = null;
  #epoch = 0;
  #fetching: AbortController | null = null;

  constructor(origin: string, events: SignallingEvents) {
    this.#origin = origin;
    this.#events = events;
  }

  /** Turns the sign-in into a ticket for one socket. */
  async fetchTicket(epoch: number): Promise<void> {
    this.#fetching?.abort();
    const fetching = new AbortController();
    this.#fetching = fetching;
    try {
      const response = await fetch(`${this.#origin}/api/v1/console/ticket`, {
        method: "POST",
        credentials: "same-origin",
        cache: "no-store",
        signal: fetching.signal,
      });
      if (response.status === 401) {
        await response.body?.cancel();
        this.#events.onTicketFailed(epoch, true);
        return;
      }
      const ticket = ticketOf(await response.json());
      if (ticket === null) this.#events.onTicketFailed(epoch, false);
      else this.#events.onTicket(epoch, ticket);
    } catch {
      // Offline, aborted or no JSON: the machine waits and tries again.
      this.#events.onTicketFailed(epoch, false);
    }
  }

  open(epoch: number): void {
    // Not 1000: that would tell the server that nobody resumes the link.
    this.#drop(CLOSE.heartbeatLost);
    this.#epoch = epoch;
    const url = new URL("/ws/rd-signal", this.#origin);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, [SUBPROTOCOL]);
    } catch {
      // A policy of the page or the browser forbids it; trying again later is all one can do.
      queueMicrotask(() => this.#events.onClosed(epoch, CLOSE.internalError));
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    const current = () => this.#socket === socket;
    socket.onopen = () => current() && this.#events.onOpen(epoch);
    socket.onmessage = (event) => {
      if (!current()) return;
      if (typeof event.data === "string") {
        if (event.data.length <= MAX_ENVELOPE_BYTES) this.#events.onText(epoch, event.data);
        else this.#lost(epoch, CLOSE.messageTooBig);
      } else if (event.data instanceof ArrayBuffer) {
        if (event.data.byteLength <= MAX_RELAY_FRAME_BYTES) {
          this.#events.onBinary(epoch, new Uint8Array(event.data));
        } else this.#lost(epoch, CLOSE.messageTooBig);
      }
    };
    socket.onclose = (event) => {
      if (!current()) return;
      this.#socket = null;
      this.#events.onClosed(epoch, event.code);
    };
  }

  send(epoch: number, text: string): void {
    if (epoch === this.#epoch && this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(text);
    }
  }

  /** False when the frame could not be taken. */
  sendBinary(frame: Uint8Array<ArrayBuffer>): boolean {
    const socket = this.#socket;
    if (socket === null || socket.readyState !== WebSocket.OPEN) return false;
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) return false;
    socket.send(frame);
    return true;
  }

  close(epoch: number, code: number): void {
    this.#fetching?.abort();
    if (epoch === this.#epoch) this.#drop(code);
  }

  #lost(epoch: number, code: number): void {
    this.#drop(code);
    this.#events.onClosed(epoch, code);
  }

  #drop(code: number): void {
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    // A page may use only 1000 and 3000–4999 (WebSockets Standard, section 3.1).
    const allowed = code === CLOSE.normal || (code >= 3000 && code <= 4999);
    socket.close(allowed ? code : CLOSE.heartbeatLost);
  }
}

function ticketOf(body: unknown): string | null {
  if (typeof body !== "object" || body === null || !("data" in body)) return null;
  const { data } = body;
  if (typeof data !== "object" || data === null || !("ticket" in data)) return null;
  return typeof data.ticket === "string" && data.ticket !== "" ? data.ticket : null;
}
