/**
 * Enter and Ctrl-C of whoever runs a program. At a terminal Ctrl-C is read as a key: as a signal
 * it would also go to npx and its shell, which then report a killed program (exit code 130)
 * however well it ended.
 */
import { statOf } from "./launcher.ts";

const CTRL_C = 0x03;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export type Key = "enter" | "ctrl-c";

/** Whether this process may read the terminal; in the background that would stop it. */
function isInForeground(): boolean {
  const stat = statOf(Deno.pid);
  return stat === null || stat.group === stat.terminalGroup;
}

export class Terminal {
  readonly #raw: boolean;

  constructor() {
    this.#raw = Deno.stdin.isTerminal() && isInForeground();
    if (this.#raw) Deno.stdin.setRaw(true);
  }

  /** Keys as they come, until standard input ends. */
  async *keys(): AsyncGenerator<Key> {
    if (Deno.stdin.isTerminal() && !this.#raw) return;
    for await (const chunk of Deno.stdin.readable) {
      for (const byte of chunk) {
        if (byte === LINE_FEED || byte === CARRIAGE_RETURN) yield "enter";
        else if (byte === CTRL_C) yield "ctrl-c";
      }
    }
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (this.#raw) Deno.stdin.setRaw(false);
  }
}
