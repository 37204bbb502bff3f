/**
 * The WebSocket to the server, by npm:ws: the runtime's own client has no cap on payloads and
 * cannot send an Authorization header. The only file that imports `ws` in the agent.
 */
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { type RawData, WebSocket } from "ws";
import { MAX_ENVELOPE_BYTES, SUBPROTOCOL } from "@farglass/protocol";
import type { LinkFailure } from "../core/link_client.ts";

export interface SignallingSocketEvents {
  onOpen(): void;
  onText(text: string): void;
  onBinary(bytes: Uint8Array): void;
  /** Something handed to `sendBinary` has left for the network. */
  onDrain(): void;
  /** The attempt failed before the socket was open. */
  onFailure(failure: LinkFailure): void;
  /** The open socket closed. */
  onClose(code: number): void;
}

export interface SignallingSocket {
  sendText(text: string): void;
  sendBinary(bytes: Uint8Array): void;
  readonly bufferedBytes: number;
  close(code: number): void;
  /** Resolves when nothing is left of the socket; forces that after `graceMs`. */
  closed(graceMs: number): Promise<void>;
}

const CHALLENGE_PATH = "/api/v1/remote-desktop/agents/challenge";
const SOCKET_PATH = "/ws/rd-signal";
const MAX_CHALLENGE_BYTES = 4096;
const NONCE = /^[\w-]{16,128}$/;

/**
 * Addresses of a server: HTTP for the challenge, WebSocket for the rest. `url` may name the server
 * or its socket, by either scheme, and a path that a proxy puts before ours is kept.
 */
export function serverAddresses(url: string): { challenge: URL; socket: URL } {
  const base = new URL(url);
  const secure = base.protocol === "wss:" || base.protocol === "https:";
  const prefix = base.pathname.replace(/\/+$/, "").replace(SOCKET_PATH, "");
  return {
    challenge: new URL(`http${secure ? "s" : ""}://${base.host}${prefix}${CHALLENGE_PATH}`),
    socket: new URL(`ws${secure ? "s" : ""}://${base.host}${prefix}${SOCKET_PATH}`),
  };
}

/** Proof that this agent holds its secret, for one nonce. */
export const proofFor = (secret: string, agentId: string, nonce: string): string =>
  createHmac("sha256", secret).update(`farglass-agent-v1\n${agentId}\n${nonce}`).digest("hex");

/** Asks the server for a single-use nonce. */
export async function fetchNonce(
  url: string,
  agentId: string,
  signal: AbortSignal,
): Promise<{ readonly nonce: string } | { readonly failure: LinkFailure }> {
  try {
    const response = await fetch(serverAddresses(url).challenge, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ agentId }),
      redirect: "error",
      signal,
    });
    const body = await readCapped(response);
    if (response.status === 401 || response.status === 403) return { failure: "unauthorized" };
    const nonce = nonceOf(body);
    return response.ok && nonce !== null ? { nonce } : { failure: "refused" };
  } catch {
    // Refused, unresolved, timed out or aborted: all of them are tried again.
    return { failure: "unreachable" };
  }
}

async function readCapped(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_CHALLENGE_BYTES) return "";
  }
  return text;
}

function nonceOf(body: string): string | null {
  try {
    const nonce = JSON.parse(body)?.data?.nonce;
    return typeof nonce === "string" && NONCE.test(nonce) ? nonce : null;
  } catch {
    return null;
  }
}

/** Opens the socket; exactly one of `onFailure` and `onOpen` … `onClose` follows. */
export function openSignallingSocket(
  options: {
    readonly url: string;
    readonly agentId: string;
    readonly nonce: string;
    readonly secret: string;
  },
  events: SignallingSocketEvents,
): SignallingSocket {
  const { agentId, nonce, secret } = options;
  const proof = proofFor(secret, agentId, nonce);
  const socket = new WebSocket(serverAddresses(options.url).socket, [SUBPROTOCOL], {
    headers: { Authorization: `Farglass ${agentId}:${nonce}:${proof}` },
    // Text and relay frames have the same limit; more is closed with 1009.
    maxPayload: MAX_ENVELOPE_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
    handshakeTimeout: 8_000,
  });
  let opened = false;
  let failure: LinkFailure = "unreachable";
  const gone = Promise.withResolvers<void>();
  socket.on("unexpected-response", (request, response) => {
    failure = response.statusCode === 401 || response.statusCode === 403
      ? "unauthorized"
      : "refused";
    response.resume();
    request.destroy();
    socket.terminate();
  });
  socket.on("open", () => {
    opened = true;
    events.onOpen();
  });
  socket.on("message", (data: RawData, isBinary: boolean) => {
    const bytes = bytesOf(data);
    if (isBinary) events.onBinary(bytes);
    else events.onText(new TextDecoder().decode(bytes));
  });
  socket.on("error", () => {
    // "close" follows and says all that matters; an error's text may hold addresses.
  });
  socket.on("close", (code) => {
    if (opened) events.onClose(code);
    else events.onFailure(failure);
    gone.resolve();
  });
  return {
    sendText: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    sendBinary: (bytes) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes, () => events.onDrain());
    },
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close: (code) => {
      if (socket.readyState === WebSocket.CONNECTING) socket.terminate();
      else socket.close(code);
    },
    closed: async (graceMs) => {
      const timer = setTimeout(() => socket.terminate(), graceMs);
      await gone.promise;
      clearTimeout(timer);
    },
  };
}

function bytesOf(data: RawData): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (Array.isArray(data)) return new Uint8Array(Buffer.concat(data));
  return data;
}
