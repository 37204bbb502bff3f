/** What sink tests share: receivers on loopback and things to wait for. */
import { createServer, type IncomingMessage, type Server as HttpServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Log, LogLevel } from "../core/ports.ts";

const WAIT_MS = 20_000;

/** A log that keeps its lines. */
export class ListLog implements Log {
  readonly lines: { readonly level: LogLevel; readonly event: string; readonly fields: unknown }[] =
    [];
  write(level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>): void {
    this.lines.push({ level, event, fields });
  }
}

/** Something that changes, and those who wait for it. */
export class Watched {
  readonly #waiters = new Set<() => void>();

  changed(): void {
    for (const wake of [...this.#waiters]) wake();
  }

  /** Waits until a change makes `done` true. */
  async until(what: string, done: () => boolean): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const finish = (end: () => void) => {
        clearTimeout(timer);
        this.#waiters.delete(wake);
        end();
      };
      const wake = () => {
        if (done()) finish(resolve);
      };
      const timer = setTimeout(
        () => finish(() => reject(new Error(`Waited in vain for ${what}`))),
        WAIT_MS,
      );
      this.#waiters.add(wake);
    });
  }
}

export interface WebhookRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** What it was answered with. */
  readonly status: number;
}

/** An HTTP receiver that can be told to refuse, and to go away and come back. */
export class WebhookReceiver extends Watched {
  readonly requests: WebhookRequest[] = [];
  status = 204;
  port = 0;
  #server: HttpServer | null = null;

  get url(): string {
    return `http://127.0.0.1:${this.port}/events`;
  }

  /** Lines of the requests that were taken, in order. */
  get lines(): string[] {
    return this.requests.filter((r) => r.status < 300)
      .flatMap((r) => r.body.split("\n").filter((l) => l !== ""));
  }

  async up(): Promise<this> {
    const server = createServer((request, response) => {
      readText(request).then((body) => {
        const { status } = this;
        response.writeHead(status, { connection: "close" });
        response.end();
        this.requests.push({ headers: request.headers, body, status });
        this.changed();
      });
    });
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", () => resolve()));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  async down(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of request as AsyncIterable<Uint8Array>) parts.push(part);
  return new TextDecoder().decode(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/** A syslog receiver that takes octet-counted messages apart (RFC 6587 section 3.4.1). */
export class SyslogReceiver extends Watched {
  readonly messages: string[] = [];
  port = 0;
  readonly #tls: { readonly cert: string; readonly key: string } | null;
  readonly #sockets = new Set<{ destroy(): unknown }>();
  #server: Server | null = null;

  constructor(tls: { readonly cert: string; readonly key: string } | null = null) {
    super();
    this.#tls = tls;
  }

  async up(): Promise<this> {
    const serve = (socket: import("node:net").Socket) => {
      let rest: Uint8Array = new Uint8Array();
      this.#sockets.add(socket);
      socket.on("data", (data: Uint8Array) => {
        const joined = new Uint8Array(rest.length + data.length);
        joined.set(rest);
        joined.set(data, rest.length);
        rest = this.#take(joined);
        this.changed();
      });
      socket.on("error", () => {
        // The close event follows.
      });
      socket.on("close", () => this.#sockets.delete(socket));
    };
    const server = this.#tls === null ? createTcpServer(serve) : createTlsServer(this.#tls, serve);
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", () => resolve()));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  async down(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    for (const socket of [...this.#sockets]) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** Keeps whole messages and returns what is left. */
  #take(bytes: Uint8Array): Uint8Array {
    for (;;) {
      const space = bytes.indexOf(32);
      const length = space < 0 ? NaN : Number(new TextDecoder().decode(bytes.subarray(0, space)));
      if (!Number.isInteger(length) || bytes.length < space + 1 + length) return bytes;
      const message = bytes.subarray(space + 1, space + 1 + length);
      this.messages.push(new TextDecoder("utf-8", { fatal: true }).decode(message));
      bytes = bytes.subarray(space + 1 + length);
    }
  }
}
