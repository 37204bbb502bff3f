/** The agent's log: one line per event on stderr, without addresses, descriptions or secrets. */
export type LogLevel = "info" | "warn" | "error";
export type Log = (
  level: LogLevel,
  text: string,
  facts?: Readonly<Record<string, string | number | boolean>>,
) => void;

const PATTERNS: readonly RegExp[] = [
  /\b(?:\d{1,3}\.){3}\d{1,3}\b/g,
  // IPv6: with a gap, or with more colons than a time of day has.
  /(?<![\w:])(?:[0-9a-f:]*::[0-9a-f:.]*|[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){3,7})(?![\w:])/gi,
  /\b[0-9a-f-]{36}\.local\b/gi,
  /\b(?:a=|candidate:|v=0)[^\n]*/g,
  /\b[0-9a-f]{40,}\b/gi,
];

/** Takes out what must not be in a log, whoever wrote it. */
export function redact(text: string): string {
  return PATTERNS.reduce((clean, pattern) => clean.replaceAll(pattern, "[redacted]"), text);
}

const encoder = new TextEncoder();

/** Plain lines for a terminal, JSON lines for a collector. */
export function openLog(json: boolean, write = writeStderr): Log {
  return (level, text, facts = {}) => {
    const at = new Date().toISOString();
    const clean = redact(text);
    const safe = Object.fromEntries(
      Object.entries(facts).map(([k, v]) => [k, typeof v === "string" ? redact(v) : v]),
    );
    if (json) {
      write(JSON.stringify({ at, level, part: "agent", text: clean, ...safe }) + "\n");
      return;
    }
    const tail = Object.entries(safe).map(([k, v]) => ` ${k}=${v}`).join("");
    write(`${at.slice(11, 19)} agent ${level === "info" ? "" : `${level}: `}${clean}${tail}\n`);
  };
}

function writeStderr(line: string): void {
  Deno.stderr.writeSync(encoder.encode(line));
}
