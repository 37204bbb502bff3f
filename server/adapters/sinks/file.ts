/** Events as lines of a file that only its owner can read, rotated by size. */
import { type FileHandle, mkdir, open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { lineBytes, type SinkWriter } from "../../core/telemetry/ports.ts";

export interface FileWriterOptions {
  readonly path: string;
  /** The file is set aside before it grows beyond this. */
  readonly maxBytes: number;
  /** Files set aside, `<path>.1` being the newest. */
  readonly maxFiles: number;
}

export class FileWriter implements SinkWriter {
  readonly #options: FileWriterOptions;
  #file: { readonly handle: FileHandle; bytes: number } | null = null;

  constructor(options: FileWriterOptions) {
    this.#options = options;
  }

  async write(lines: readonly string[]): Promise<void> {
    for (const batch of this.#batches(lines, await this.#open())) {
      if (batch.rotate) await this.#rotate();
      const file = await this.#open();
      await file.handle.appendFile(batch.text);
      file.bytes += batch.bytes;
    }
  }

  async close(): Promise<void> {
    await this.#file?.handle.close();
    this.#file = null;
  }

  /** Lines that go into the same file; `rotate` asks for a fresh one before them. */
  #batches(lines: readonly string[], file: { readonly bytes: number }) {
    const batches: { rotate: boolean; text: string; bytes: number }[] = [
      { rotate: false, text: "", bytes: 0 },
    ];
    let size = file.bytes;
    for (const line of lines) {
      const bytes = lineBytes(line);
      if (size > 0 && size + bytes > this.#options.maxBytes) {
        batches.push({ rotate: true, text: "", bytes: 0 });
        size = 0;
      }
      const batch = batches[batches.length - 1];
      batch.text += `${line}\n`;
      batch.bytes += bytes;
      size += bytes;
    }
    return batches.filter((b) => b.text !== "");
  }

  async #open() {
    if (this.#file !== null) return this.#file;
    const { path } = this.#options;
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(path, "a", 0o600);
    try {
      const { size } = await handle.stat();
      // An older file may have been made by somebody with other ideas.
      await handle.chmod(0o600);
      this.#file = { handle, bytes: size };
      return this.#file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #rotate(): Promise<void> {
    await this.close();
    const { path, maxFiles } = this.#options;
    const aside = (n: number) => n === 0 ? path : `${path}.${n}`;
    await unlink(aside(maxFiles)).catch(ignoreMissing);
    for (let n = maxFiles - 1; n >= 0; n--) {
      await rename(aside(n), aside(n + 1)).catch(ignoreMissing);
    }
  }
}

function ignoreMissing(error: unknown): void {
  if ((error as { code?: string }).code !== "ENOENT") throw error;
}
