/** Syslog over TCP (RFC 6587) or TLS (RFC 5425), each message with its length before it. */
import { connect, type Socket } from "node:net";
import { readFile } from "node:fs/promises";
import { connect as connectTls } from "node:tls";
import type { SinkWriter } from "../../core/telemetry/ports.ts";

export interface SyslogOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** PEM file of the authority that signed the receiver's certificate; empty for the system's. */
  readonly caFile: string;
}

/** `LENGTH SP MESSAGE`, the length in bytes. */
export function octetCounted(message: string): Uint8Array {
  const bytes = new TextEncoder().encode(message);
  const length = new TextEncoder().encode(`${bytes.length} `);
  const frame = new Uint8Array(length.length + bytes.length);
  frame.set(length);
  frame.set(bytes, length.length);
  return frame;
}

export class SyslogWriter implements SinkWriter {
  readonly #options: SyslogOptions;
  #socket: Socket | null = null;

  constructor(options: SyslogOptions) {
    this.#options = options;
  }

  /** Resolves when the kernel has taken the bytes; syslog itself acknowledges nothing. */
  async write(lines: readonly string[], signal: AbortSignal): Promise<void> {
    const socket = this.#socket ?? await this.#connect(signal);
    const frames = lines.map(octetCounted);
    await new Promise<void>((resolve, reject) => {
      const fail = () => {
        socket.destroy();
        reject(Object.assign(new Error("The connection broke"), { code: "ECONNRESET" }));
      };
      signal.addEventListener("abort", fail);
      socket.once("close", fail);
      const done = () => {
        signal.removeEventListener("abort", fail);
        socket.off("close", fail);
        resolve();
      };
      for (const frame of frames.slice(0, -1)) socket.write(frame);
      socket.write(frames[frames.length - 1], (error) => error ? fail() : done());
    });
  }

  close(): Promise<void> {
    const socket = this.#socket;
    if (socket === null || socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => socket.destroy(), 1_000);
      socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      socket.end();
    });
  }

  async #connect(signal: AbortSignal): Promise<Socket> {
    const { host, port, tls, caFile } = this.#options;
    const ca = caFile === "" ? undefined : await readFile(caFile, "utf8");
    const socket = tls
      ? connectTls({ host, port, ca, servername: nameOf(host) })
      : connect(port, host);
    return await new Promise<Socket>((resolve, reject) => {
      const fail = (error: Error) => {
        signal.removeEventListener("abort", cancel);
        socket.destroy();
        reject(error);
      };
      const cancel = () => fail(new Error("The connection took too long"));
      signal.addEventListener("abort", cancel);
      socket.once("error", fail);
      socket.once(tls ? "secureConnect" : "connect", () => {
        signal.removeEventListener("abort", cancel);
        socket.off("error", fail);
        socket.on("error", () => {
          // The close event follows and makes the next write connect again.
        });
        // A receiver that ends the connection would swallow what is written after it.
        socket.once("end", () => socket.destroy());
        socket.once("close", () => {
          if (this.#socket === socket) this.#socket = null;
        });
        socket.resume();
        this.#socket = socket;
        resolve(socket);
      });
    });
  }
}

/** Server names are names: an address goes without (RFC 6066 section 3). */
const nameOf = (host: string): string | undefined => /^[\d.]+$|:/.test(host) ? undefined : host;
