/** TRACE_SPANS: a console's finished spans, checked and passed on to the collector. */
import type { ErrorCode, MessageOf } from "@farglass/protocol";
import type { DesktopStore } from "../core/ports.ts";
import { type Bucket, fullBucket, takeToken } from "../core/rate_limit.ts";
import { consoleLinkId, type DesktopState } from "../core/state.ts";
import type { Tracer } from "../core/telemetry/ports.ts";
import { faultText, reportFault } from "../core/telemetry/span_report.ts";
import type { HubLink } from "./link_types.ts";

/** One report per opened desktop, so a console that opens many may have a few at once. */
const REPORT_RATE = { perSecond: 0.5, burst: 8 };

export interface TraceReportsOptions {
  readonly tracer: Tracer;
  readonly store: DesktopStore;
  /** Unix ms. */
  readonly clock: () => number;
}

export interface RefusedReport {
  readonly code: ErrorCode;
  readonly detail?: string;
}

/** Takes the reports of all consoles of this node. */
export class TraceReports {
  readonly #options: TraceReportsOptions;
  readonly #buckets = new WeakMap<HubLink, Bucket>();

  constructor(options: TraceReportsOptions) {
    this.#options = options;
  }

  /** Null when the report was passed on. */
  async take(link: HubLink, message: MessageOf<"TRACE_SPANS">): Promise<RefusedReport | null> {
    const { tracer, store, clock } = this.#options;
    const now = clock();
    const taken = takeToken(
      this.#buckets.get(link) ?? fullBucket(REPORT_RATE, now),
      REPORT_RATE,
      now,
    );
    this.#buckets.set(link, taken.bucket);
    if (!taken.ok) return { code: "rate-limited", detail: "trace reports" };
    const { desktopId, sessionId, payload: { spans } } = message;
    const session = ownSession((await store.load(desktopId))?.desktop ?? null, link, sessionId);
    if (session === null) return { code: "session-not-found" };
    const { trace } = session;
    const fault = reportFault(trace, spans, now);
    if (trace === undefined || fault !== null) {
      return { code: "malformed", detail: faultText(fault ?? "not-recorded") };
    }
    tracer.forward(trace.traceId, spans);
    return null;
  }
}

/** The session, if it is this console's; one that has ended is still its operator's. */
function ownSession(desktop: DesktopState | null, link: HubLink, sessionId: string) {
  if (desktop === null || link.identity.role !== "console") return null;
  const live = desktop.sessions[sessionId];
  if (live !== undefined) return consoleLinkId(live) === link.linkId ? live : null;
  const { operatorId } = link.identity.operator;
  return desktop.ended.find((s) =>
    s.sessionId === sessionId && s.operator.operatorId === operatorId
  ) ?? null;
}
