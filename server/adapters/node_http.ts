/**
 * `node:http` under a fetch handler: requests with a capped body in, whole responses out, and
 * upgrades handed on. RFC 9110.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type CodedError, type ErrorCode, statusOf } from "@farglass/protocol";
import { clientAddress, parseIpRange } from "../core/client_address.ts";
import { Listener } from "./listener.ts";
import { refusal, retryAfterSeconds } from "./retry_after.ts";

/** The API's bodies are a few hundred bytes. */
export const MAX_BODY_BYTES = 64 * 1024;

/** A connection must say what it wants, whole, within this time; a slow one only holds a place. */
const REQUEST_TIMEOUT_MS = 10_000;

/** Finds where a request came from, past the proxies that are trusted to tell. */
export function addressFinder(trustedProxies: readonly string[]) {
  const trusted = trustedProxies.map(parseIpRange).filter((range) => range !== null);
  return ({ headers, socket }: IncomingMessage): string | undefined =>
    clientAddress(socket.remoteAddress, headers["x-forwarded-for"]?.toString(), trusted);
}

/** Who asks, as far as is known. */
export interface Peer {
  readonly address: string | undefined;
}

export interface HttpServerOptions {
  readonly fetch: (request: Request, peer: Peer) => Response | Promise<Response>;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Uint8Array) => void;
  readonly maxConnections: number;
  /** Where a request came from; left out, the other end of its connection. */
  readonly addressOf?: (request: IncomingMessage) => string | undefined;
  readonly onError: (cause: unknown) => void;
  readonly onRejected: (code: ErrorCode, peer: Peer) => void;
  /** No connection is accepted any more, or they are again. */
  readonly onListening?: (listening: boolean) => void;
  /** Default REQUEST_TIMEOUT_MS. */
  readonly requestTimeoutMs?: number;
}

export interface HttpServer {
  readonly port: number;
  /** Whether new connections are accepted, as far as is known. */
  readonly listening: boolean;
  close(): Promise<void>;
}

/** The address is taken. */
export class PortTakenError extends Error {}

/** Listens; rejects with PortTakenError when the port is in use. */
export async function listen(
  address: { readonly host: string; readonly port: number },
  options: HttpServerOptions,
): Promise<HttpServer> {
  const sockets = new Map<Socket, ReturnType<typeof setTimeout>>();
  const listener = new Listener({
    host: address.host,
    make: () => makeServer(sockets, options),
    onChange: options.onListening ?? (() => {}),
  });
  try {
    await listener.open(address.port);
  } catch (error) {
    const taken = (error as { code?: string }).code === "EADDRINUSE";
    throw taken ? new PortTakenError("port taken", { cause: error }) : error;
  }
  return {
    port: listener.port,
    get listening() {
      return listener.listening;
    },
    async close() {
      const closed = listener.close();
      for (const socket of [...sockets.keys()]) socket.destroy();
      await closed;
    },
  };
}

function makeServer(
  sockets: Map<Socket, ReturnType<typeof setTimeout>>,
  options: HttpServerOptions,
): Server {
  const settle = (request: IncomingMessage) => clearTimeout(sockets.get(request.socket));
  const watch = (socket: Socket) => {
    clearTimeout(sockets.get(socket));
    const timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    sockets.set(socket, setTimeout(() => socket.destroy(), timeoutMs));
  };
  const server = createServer((request, response) => {
    watch(request.socket);
    // Between requests the server's own keep-alive timeout of 5 s holds.
    handle(request, response, options, () => settle(request)).catch((cause) => {
      options.onError(cause);
      if (!response.headersSent) respondCoded(response, "internal");
      else response.destroy();
    });
  });
  server.on("upgrade", (request, socket, head) => {
    settle(request);
    options.upgrade(request, socket, head);
  });
  server.on("connection", (socket: Socket) => {
    socket.on("error", () => {
      // A peer that resets its connection is no event of ours; `close` follows.
    });
    if (sockets.size >= options.maxConnections) {
      options.onRejected("too-many-connections", { address: socket.remoteAddress });
      refuseUpgrade(socket, "too-many-connections");
      return;
    }
    watch(socket);
    socket.once("close", () => {
      clearTimeout(sockets.get(socket));
      sockets.delete(socket);
    });
  });
  return server;
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpServerOptions,
  received: () => void,
): Promise<void> {
  const peer = { address: options.addressOf?.(request) ?? request.socket.remoteAddress };
  const body = await readBody(request);
  received();
  if (body === null) {
    options.onRejected("too-large", peer);
    return respondCoded(response, "too-large");
  }
  const converted = toRequest(request, body);
  if (converted === null) {
    options.onRejected("malformed", peer);
    return respondCoded(response, "malformed");
  }
  const answer = await options.fetch(converted, peer);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of answer.headers) if (name !== "set-cookie") headers[name] = value;
  const cookies = answer.headers.getSetCookie();
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  if (answer.status !== 204 && answer.status !== 304 && headers["content-length"] === undefined) {
    headers["content-length"] = String(bytes.length);
  }
  response.writeHead(answer.status, headers);
  response.end(request.method === "HEAD" ? undefined : bytes);
}

/** The whole body, or null when it is larger than the cap. */
async function readBody(request: IncomingMessage): Promise<Uint8Array<ArrayBuffer> | null> {
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) return null;
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > MAX_BODY_BYTES) return null;
    parts.push(part);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}

/** A fetch Request, or null when the request line or a header makes none. */
export function toRequest(
  request: Pick<IncomingMessage, "method" | "url" | "headers">,
  body: Uint8Array<ArrayBuffer> = new Uint8Array(),
): Request | null {
  try {
    const { method = "GET", headers } = request;
    const path = request.url ?? "/";
    if (!path.startsWith("/")) return null;
    const url = new URL(`http://${headers.host ?? "localhost"}${path}`);
    const copied = new Headers();
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) copied.set(name, Array.isArray(value) ? value.join(", ") : value);
    }
    const bodyless = method === "GET" || method === "HEAD";
    return new Request(url, { method, headers: copied, body: bodyless ? null : body });
  } catch {
    // A host that is no host, or a method that fetch forbids (TRACE, CONNECT).
    return null;
  }
}

const jsonOf = (error: CodedError): string => JSON.stringify({ success: false, error });

function respondCoded(response: ServerResponse, code: ErrorCode): void {
  const error = refusal(code);
  const after = retryAfterSeconds(error);
  response.writeHead(statusOf(code), {
    "content-type": "application/json",
    "cache-control": "no-store",
    ...(after === null ? {} : { "retry-after": after }),
    connection: "close",
  });
  response.end(jsonOf(error));
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  429: "Too Many Requests",
  503: "Service Unavailable",
};

/** Answers a raw connection with a coded error and closes it. */
export function refuseUpgrade(socket: Duplex, code: ErrorCode): void {
  const error = refusal(code);
  const body = jsonOf(error);
  const after = retryAfterSeconds(error);
  const status = statusOf(code);
  socket.on("error", () => {
    // The peer left before it read the refusal.
  });
  // Whoever does not close in turn must not hold the descriptor.
  socket.once("finish", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? "Error"}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n` +
      (after === null ? "" : `Retry-After: ${after}\r\n`) +
      `Connection: close\r\n\r\n${body}`,
  );
}
