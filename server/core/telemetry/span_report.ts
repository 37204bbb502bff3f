/** TRACE_SPANS: what of a console's report may enter a trace. Pure. */
import { type ConsoleSpan, never } from "@farglass/protocol";
import type { SessionTrace } from "../trace.ts";

/** A console's clock may be wrong, but not by this. */
const MAX_SKEW_MS = 24 * 3_600_000;
/** The owner may take his time, the sign-in page too; a day is no opening of a desktop. */
const MAX_SPAN_MS = 3_600_000;

export type ReportFault = "not-recorded" | "ids" | "times";

/** A fault, or null when every span belongs below the console's own span of this trace. */
export function reportFault(
  trace: SessionTrace | undefined,
  spans: readonly ConsoleSpan[],
  now: number,
): ReportFault | null {
  if (trace === undefined || !trace.sampled || trace.callerSpanId === null) return "not-recorded";
  const ids = new Set(spans.map((s) => s.spanId));
  // The server's own span is not the console's to write.
  if (ids.size !== spans.length || ids.has(trace.spanId)) return "ids";
  for (const { spanId, parentId, startMs, endMs } of spans) {
    const belongs = parentId === null
      ? spanId === trace.callerSpanId
      : spanId !== parentId && (parentId === trace.callerSpanId || ids.has(parentId));
    if (!belongs) return "ids";
    if (endMs - startMs > MAX_SPAN_MS || Math.abs(now - endMs) > MAX_SKEW_MS) return "times";
  }
  return null;
}

/** A report's fault in words, for the error that answers it. */
export function faultText(fault: ReportFault): string {
  switch (fault) {
    case "not-recorded":
      return "this trace is not recorded";
    case "ids":
      return "spans of another trace";
    case "times":
      return "times of spans";
    default:
      return never(fault);
  }
}
