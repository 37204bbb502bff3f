/** Events as lines on the standard output. */
import type { SinkWriter } from "../../core/telemetry/ports.ts";

/** Writes some of the bytes and says how many; it may take as long as the reader wants. */
export type WriteBytes = (bytes: Uint8Array<ArrayBuffer>) => Promise<number>;

export class StdoutWriter implements SinkWriter {
  readonly #write: WriteBytes;
  /** A write that nobody waits for any more: a reader that stands still must not see lines mixed. */
  #stuck = false;

  constructor(write: WriteBytes) {
    this.#write = write;
  }

  async write(lines: readonly string[]): Promise<void> {
    if (this.#stuck) throw new Error("The reader stands still");
    this.#stuck = true;
    try {
      const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
      for (let done = 0; done < bytes.length;) done += await this.#write(bytes.subarray(done));
    } finally {
      this.#stuck = false;
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
