/**
 * Unpacks diff messages in their order: small ones at once, for a thread's turn costs more than
 * they do, large ones in a worker, so that input and painting do not wait for them.
 */
import type { CodedError, Result } from "@farglass/protocol";
import { unpackDiff, type UnpackedDiff } from "./unpack_diff.ts";

export type Unpacked = Result<UnpackedDiff, CodedError>;

/** A worker's side of a conversation: one answer for each message, in their order. */
export interface UnpackPort {
  post(bytes: Uint8Array): void;
  close(): void;
}

/** Makes the port; `failed` says that it will not answer any more. */
export type OpenUnpackPort = (
  on: { readonly answer: (unpacked: Unpacked) => void; readonly failed: () => void },
) => UnpackPort;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly done: (unpacked: Unpacked) => void;
}

/** Packed bytes from which on the worker is asked: about a millisecond's work. */
const LARGE_BYTES = 6 * 1024;

/** See the file's comment. */
export class DiffUnpacker {
  readonly #open: OpenUnpackPort | null;
  #port: UnpackPort | null = null;
  #broken = false;
  /** Asked of the worker, oldest first; the bytes are kept in case it fails. */
  readonly #waiting: Waiting[] = [];

  /** Without a way to a worker everything is unpacked at once. */
  constructor(open: OpenUnpackPort | null = null) {
    this.#open = open;
  }

  /** Messages that the worker has not answered. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Calls `done` with the unpacked message, now or later, in the order of the calls. */
  unpack(bytes: Uint8Array, done: (unpacked: Unpacked) => void): void {
    const isSmall = bytes.length < LARGE_BYTES && this.#waiting.length === 0;
    const port = isSmall ? null : this.#worker();
    if (port === null) return done(unpackDiff(bytes));
    this.#waiting.push({ bytes, done });
    port.post(bytes);
  }

  #worker(): UnpackPort | null {
    if (this.#broken) return null;
    try {
      this.#port ??= this.#open?.({
        answer: (unpacked) => this.#waiting.shift()?.done(unpacked),
        failed: () => this.#fail(),
      }) ?? null;
    } catch {
      // This page may have none.
      this.#broken = true;
    }
    return this.#port;
  }

  /** A browser that refuses workers, or one that broke: this thread does all of it. */
  #fail(): void {
    this.#broken = true;
    this.#port?.close();
    this.#port = null;
    for (const { bytes, done } of this.#waiting.splice(0)) done(unpackDiff(bytes));
  }
}

/** The part of the Trusted Types API (W3C) that is used; browsers without it need none of it. */
interface TrustedTypes {
  readonly defaultPolicy: unknown;
  createPolicy(
    name: string,
    rules: { readonly createScriptURL: (url: string) => string | null },
  ): unknown;
}

/** Where scripts must be trusted to be loaded, those of this console's own assets are. */
function trustOwnScripts(): void {
  const { trustedTypes } = globalThis as { readonly trustedTypes?: TrustedTypes };
  if (trustedTypes === undefined || trustedTypes.defaultPolicy !== null) return;
  const own = import.meta.url;
  const assets = new URL(".", own).href;
  trustedTypes.createPolicy("default", {
    createScriptURL: (url) => new URL(url, assets).href.startsWith(assets) ? url : null,
  });
}

/** The way to a worker of this browser. */
export const openUnpackWorker: OpenUnpackPort = ({ answer, failed }) => {
  trustOwnScripts();
  const worker = new Worker(new URL("./unpack_worker.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<Unpacked>) => answer(data);
  worker.onerror = failed;
  worker.onmessageerror = failed;
  return { post: (bytes) => worker.postMessage(bytes), close: () => worker.terminate() };
};
