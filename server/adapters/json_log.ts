/** The structured log: one JSON object a line, redacted. */
import type { Log, LogLevel } from "../core/ports.ts";
import { redact } from "../core/redact.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const satisfies readonly LogLevel[];

/** Writes lines of at least `level`; `write` gets the line without its end. */
export class JsonLog implements Log {
  readonly #minimum: number;
  readonly #write: (line: string) => void;
  readonly #clock: () => number;

  constructor(level: LogLevel, write: (line: string) => void, clock: () => number) {
    this.#minimum = LOG_LEVELS.indexOf(level);
    this.#write = write;
    this.#clock = clock;
  }

  write(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (LOG_LEVELS.indexOf(level) < this.#minimum) return;
    const ts = new Date(this.#clock()).toISOString();
    const safe = redact(fields) as Record<string, unknown>;
    this.#write(JSON.stringify({ ts, level, event, ...safe }));
  }
}
