/** How many connections the process can hold without running out of file descriptors. */
import { readFile } from "node:fs/promises";

/** Accepts of one round (the backlog of 511) come before the first can be refused, and files. */
const RESERVED = 640;

/** The limit of open files, or null where the system does not say. */
export async function openFilesLimit(): Promise<number | null> {
  try {
    return parseLimit(await readFile("/proc/self/limits", "utf8"));
  } catch {
    // Not Linux: the runtime raises the limit to the hard one, which is high there.
    return null;
  }
}

/** Reads "Max open files" of proc(5). */
export function parseLimit(text: string): number | null {
  const match = /^Max open files\s+(\d+)\s/m.exec(text);
  return match === null ? null : Number(match[1]);
}

/**
 * The cap to use for a wanted number of connections: when descriptors run out, the runtime's
 * listener stops accepting for good, so it must never come to that.
 */
export const safeConnections = (wanted: number, openFiles: number | null): number =>
  openFiles === null
    ? wanted
    : Math.min(wanted, Math.max(Math.floor(openFiles / 4), openFiles - RESERVED));
