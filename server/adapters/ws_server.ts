/**
 * The WebSocket library, fenced: `ws` under `node:http`, because it caps a message, whole or in
 * fragments, at `maxPayload` and closes with 1009 (design section 8). RFC 6455.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { type EventSource, MAX_ENVELOPE_BYTES, SUBPROTOCOL } from "@farglass/protocol";
import type { LinkSocket, LinkSocketEvents } from "./link_types.ts";
import { asciiFrames } from "./ws_frames.ts";

/** How long a peer may take to answer a close frame. */
const CLOSE_GRACE_MS = 1_000;

/** Texts of one socket that leave at the end of this turn of the event loop. */
class Outbox {
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  #texts: string[] = [];
  #chars = 0;

  constructor(ws: WebSocket, socket: Duplex) {
    this.#ws = ws;
    this.#socket = socket;
  }

  /** About how many bytes wait here. */
  get chars(): number {
    return this.#chars;
  }

  /** Whether these are the first. */
  add(texts: readonly string[]): boolean {
    const isFirst = this.#texts.length === 0;
    for (const text of texts) {
      this.#texts.push(text);
      this.#chars += text.length;
    }
    return isFirst;
  }

  /** In one write: a call of the kernel is the dearest part of a message. */
  flush(): void {
    const texts = this.#texts;
    if (texts.length === 0) return;
    this.#texts = [];
    this.#chars = 0;
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    const frames = asciiFrames(texts);
    if (frames !== null) return void this.#socket.write(frames, "latin1");
    this.#socket.cork();
    for (const text of texts) this.#ws.send(text);
    this.#socket.uncork();
  }
}

/** Upgrades authenticated requests. */
export class WsServer {
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_ENVELOPE_BYTES,
    handleProtocols: (offered) => offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false,
  });
  readonly #open = new Map<WebSocket, ReturnType<typeof setTimeout> | null>();
  /** Sockets with something to send in this turn. */
  #gathering: Outbox[] = [];
  readonly #onOversize: (source: EventSource) => void;

  /** `onOversize` hears where a message larger than the limit came from. */
  constructor(onOversize: (source: EventSource) => void) {
    this.#onOversize = onOversize;
  }

  /** Sockets that are open or closing. */
  get count(): number {
    return this.#open.size;
  }

  /** Finishes the handshake; the caller has authenticated the request. */
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    { head, source, accept }: {
      readonly head: Uint8Array;
      readonly source: EventSource;
      readonly accept: (socket: LinkSocket) => LinkSocketEvents;
    },
  ): void {
    this.#server.handleUpgrade(request, socket, head as never, (ws) => {
      this.#serve(ws, accept, { source, socket });
    });
  }

  /** Cuts every socket that is still there after its goodbye. */
  async close(graceMs: number): Promise<void> {
    if (this.#open.size > 0) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const grace = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      const closed = [...this.#open.keys()].map((ws) =>
        new Promise<void>((resolve) => ws.once("close", () => resolve()))
      );
      await Promise.race([grace, Promise.all(closed)]);
      clearTimeout(timer);
    }
    for (const [ws, timer] of this.#open) {
      clearTimeout(timer ?? undefined);
      ws.terminate();
    }
    this.#open.clear();
    this.#server.close();
  }

  #serve(
    ws: WebSocket,
    accept: (socket: LinkSocket) => LinkSocketEvents,
    { source, socket }: { readonly source: EventSource; readonly socket: Duplex },
  ): void {
    this.#open.set(ws, null);
    let over = false;
    const finish = (code: number) => {
      if (over) return;
      over = true;
      events.closed(code);
    };
    const isOpen = () => !over && ws.readyState === ws.OPEN;
    const outbox = new Outbox(ws, socket);
    const events = accept({
      sendTexts: (texts) => {
        if (isOpen() && outbox.add(texts)) this.#flushLater(outbox);
      },
      sendBinary: (bytes) => {
        outbox.flush();
        if (isOpen()) ws.send(bytes);
      },
      close: (code, reason) => {
        outbox.flush();
        if (ws.readyState === ws.OPEN) ws.close(code, reason);
        this.#cutLater(ws);
        finish(code);
      },
      bufferedBytes: () => ws.bufferedAmount + outbox.chars,
    });
    ws.on("message", (data: RawData, isBinary: boolean) => {
      if (over) return;
      if (isBinary) events.binary(toBytes(data));
      // The library has checked that it is UTF-8.
      else events.text(data.toString());
    });
    ws.on("error", (error: Error & { code?: string }) => {
      // `ws` closes by itself, with 1009, 1002 or 1007; the close event follows.
      if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") this.#onOversize(source);
      this.#cutLater(ws);
      // It would read on and throw away, until then as fast as the peer sends.
      setImmediate(() => socket.pause());
    });
    ws.on("close", (code: number) => {
      clearTimeout(this.#open.get(ws) ?? undefined);
      this.#open.delete(ws);
      finish(code);
    });
  }

  /** What is sent in one turn leaves at its end: its readers are woken once. */
  #flushLater(outbox: Outbox): void {
    if (this.#gathering.push(outbox) > 1) return;
    setImmediate(() => {
      const gathered = this.#gathering;
      this.#gathering = [];
      for (const one of gathered) one.flush();
    });
  }

  #cutLater(ws: WebSocket): void {
    if (this.#open.get(ws) !== null) return;
    this.#open.set(ws, setTimeout(() => ws.terminate(), CLOSE_GRACE_MS));
  }
}

function toBytes(data: RawData): Uint8Array {
  if (Array.isArray(data)) throw new Error("Fragments are joined by the library");
  return data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
