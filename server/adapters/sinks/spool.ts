/**
 * Events that wait on disk, so that the death of the process loses none: numbered segments of
 * lines and a cursor that says what has been delivered. One process at a time uses a directory.
 */
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  unlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import type { Backlog } from "../../core/telemetry/ports.ts";

/** A finished segment is deleted whole, so this is about the disk space that is kept in vain. */
const SEGMENT_BYTES = 1024 * 1024;
const CURSOR_FILE = "cursor";
const NEWLINE = 10;
const TEXT = new TextDecoder();

interface Position {
  readonly segment: number;
  /** In bytes. */
  readonly offset: number;
}

const segmentName = (segment: number): string => `${String(segment).padStart(12, "0")}.log`;

/** The disk spool; `open` finds what an earlier process has left. */
export class Spool implements Backlog {
  readonly restored: { readonly lines: number; readonly bytes: number };
  readonly #directory: string;
  #cursor: Position;
  #end: Position;
  #handle: FileHandle;
  #pending: string[] = [];
  #writing: Promise<void> | null = null;
  /** Byte lengths of the lines that `peek` gave last, and where each one ended. */
  #peeked: readonly Position[] = [];

  private constructor(
    directory: string,
    found: { readonly cursor: Position; readonly end: Position; readonly handle: FileHandle },
    restored: Spool["restored"],
  ) {
    this.#directory = directory;
    this.#cursor = found.cursor;
    this.#end = found.end;
    this.#handle = found.handle;
    this.restored = restored;
  }

  static async open(directory: string): Promise<Spool> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const segments = (await readdir(directory))
      .flatMap((name) => /^(\d{12})\.log$/.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => a - b);
    const saved = await readCursor(directory);
    const first = segments[0] ?? saved?.segment ?? 1;
    // A cursor to nowhere is a lost one: better twice than never.
    let cursor = saved !== null && segments.includes(saved.segment)
      ? saved
      : { segment: first, offset: 0 };
    let end = { segment: Math.max(cursor.segment, segments.at(-1) ?? 0), offset: 0 };
    let lines = 0;
    let bytes = 0;
    for (const segment of segments) {
      const path = join(directory, segmentName(segment));
      if (segment < cursor.segment) {
        await unlink(path);
        continue;
      }
      const content = await readFile(path);
      // A line without its end was being written when the process died: nobody relies on it.
      const whole = content.lastIndexOf(NEWLINE) + 1;
      if (segment === cursor.segment && cursor.offset > whole) cursor = { segment, offset: 0 };
      const rest = content.subarray(segment === cursor.segment ? cursor.offset : 0, whole);
      lines += countLines(rest);
      bytes += rest.length;
      if (segment === end.segment) end = { segment, offset: whole };
    }
    const handle = await openSegment(directory, end.segment);
    await handle.truncate(end.offset);
    return new Spool(directory, { cursor, end, handle }, { lines, bytes });
  }

  append(line: string): void {
    this.#pending.push(line);
    // A failure is met again, and told, by the next `peek` or `flush`.
    this.flush().catch(() => {});
  }

  flush(): Promise<void> {
    return this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
  }

  async peek(count: number): Promise<readonly string[]> {
    await this.flush();
    const lines: string[] = [];
    const ends: Position[] = [];
    let { segment, offset } = this.#cursor;
    while (lines.length < count && segment <= this.#end.segment) {
      const content = await readSegment(this.#directory, segment);
      const limit = segment === this.#end.segment ? this.#end.offset : content.length;
      while (lines.length < count && offset < limit) {
        const newline = content.indexOf(NEWLINE, offset);
        if (newline < 0 || newline >= limit) break;
        lines.push(TEXT.decode(content.subarray(offset, newline)));
        offset = newline + 1;
        ends.push({ segment, offset });
      }
      if (lines.length < count) [segment, offset] = [segment + 1, 0];
    }
    this.#peeked = ends;
    return lines;
  }

  async drop(count: number): Promise<void> {
    const last = this.#peeked[count - 1];
    if (last === undefined) throw new Error("Only lines that were peeked can be dropped");
    const before = this.#cursor;
    const temporary = join(this.#directory, `${CURSOR_FILE}.new`);
    await writeFile(temporary, `${last.segment} ${last.offset}\n`, { mode: 0o600 });
    await rename(temporary, join(this.#directory, CURSOR_FILE));
    this.#cursor = last;
    this.#peeked = this.#peeked.slice(count);
    for (let segment = before.segment; segment < last.segment; segment++) {
      await unlink(join(this.#directory, segmentName(segment))).catch(ignoreMissing);
    }
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#handle.close();
    }
  }

  /** Writes what is pending at its place; after a failure the same place is written again. */
  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      if (this.#end.offset >= SEGMENT_BYTES) await this.#roll();
      const taken = this.#pending.length;
      const bytes = new TextEncoder().encode(`${this.#pending.join("\n")}\n`);
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.#handle.write(
          bytes,
          done,
          bytes.length - done,
          this.#end.offset + done,
        );
        done += bytesWritten;
      }
      this.#end = { ...this.#end, offset: this.#end.offset + bytes.length };
      this.#pending.splice(0, taken);
    }
  }

  async #roll(): Promise<void> {
    const segment = this.#end.segment + 1;
    const handle = await openSegment(this.#directory, segment);
    await this.#handle.close();
    this.#handle = handle;
    this.#end = { segment, offset: 0 };
  }
}

/** For writing at any place, made when it is missing. */
async function openSegment(directory: string, segment: number): Promise<FileHandle> {
  const path = join(directory, segmentName(segment));
  try {
    return await open(path, "wx+", 0o600);
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
    return await open(path, "r+");
  }
}

async function readSegment(directory: string, segment: number): Promise<Uint8Array> {
  try {
    return await readFile(join(directory, segmentName(segment)));
  } catch (error) {
    ignoreMissing(error);
    return new Uint8Array();
  }
}

/** The saved cursor; null when there is none or it cannot be read, then all is delivered again. */
async function readCursor(directory: string): Promise<Position | null> {
  try {
    const text = await readFile(join(directory, CURSOR_FILE), "utf8");
    const match = /^(\d{1,12}) (\d{1,12})\n$/.exec(text);
    return match === null ? null : { segment: Number(match[1]), offset: Number(match[2]) };
  } catch (error) {
    ignoreMissing(error);
    return null;
  }
}

function ignoreMissing(error: unknown): void {
  if ((error as { code?: string }).code !== "ENOENT") throw error;
}

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
