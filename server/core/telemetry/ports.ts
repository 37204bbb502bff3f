/** What telemetry asks of the world. */
import type { ConsoleSpan, EventDraft, TraceContext } from "@farglass/protocol";

/** Takes what happened, at once and without failing; delivery is its own business. */
export interface Telemetry {
  emit(draft: EventDraft): void;
}

/** Codes, counts and names of a fixed vocabulary: no address, token or description. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** A span that runs. */
export interface OpenSpan {
  /** For children, here or in another process. */
  readonly context: TraceContext;
  /** `endMs` in Unix ms. */
  end(endMs: number, more?: { readonly ok?: boolean; readonly attributes?: SpanAttributes }): void;
}

/** Records spans of sampled traces; there is none when nobody collects them. */
export interface Tracer {
  /** Without a parent the span is the root of the trace `traceId`. Times are Unix ms. */
  start(span: {
    readonly name: string;
    readonly traceId: string;
    readonly parent: TraceContext | null;
    readonly startMs: number;
    readonly attributes?: SpanAttributes;
  }): OpenSpan;
  /** Passes on what a console has finished, with the console's own ids. */
  forward(traceId: string, spans: readonly ConsoleSpan[]): void;
}

/** One receiver of events. */
export interface SinkWriter {
  /**
   * Resolves when the receiver has taken all the lines, in order; rejects when it is not sure
   * that it has, and the same lines come again. `signal` ends a hopeless attempt.
   */
  write(lines: readonly string[], signal: AbortSignalLike): Promise<void>;
  close(): Promise<void>;
}

/** How a sink does: events that wait, and those it has lost since the start. */
export interface SinkStatus {
  readonly name: string;
  readonly waiting: number;
  readonly dropped: number;
}

/** As much of AbortSignal as a core may name. */
export interface AbortSignalLike {
  readonly aborted: boolean;
}

/** Events that wait for one receiver, oldest first. */
export interface Backlog {
  /** What was left when it was opened: lines, and their bytes as `append` counts them. */
  readonly restored: { readonly lines: number; readonly bytes: number };
  append(line: string): void;
  /** The oldest `count` lines; they stay. */
  peek(count: number): Promise<readonly string[]>;
  /** Forgets the oldest `count` lines, which `peek` has just given. */
  drop(count: number): Promise<void>;
  /** Everything appended so far is as safe as it will be. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Bytes that a line takes, its end included. */
export function lineBytes(line: string): number {
  let bytes = 1;
  for (let i = 0; i < line.length; i++) {
    const unit = line.charCodeAt(i);
    // A surrogate pair is four bytes in UTF-8, two for each half.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return bytes;
}
