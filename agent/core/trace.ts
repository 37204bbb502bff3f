/** What the agent tells of a session's trace. */
import type { TraceContext } from "@farglass/protocol";

export type AgentSpanName =
  /** From the request to the decision, the owner's thinking included. */
  | "session.decision"
  /** From the offer to the answer. */
  | "negotiation.answer"
  /** From the answer to the connection. */
  | "peer.connect"
  /** Until the screen was read for the first time. */
  | "capture.open"
  /** From the console's choice to the first encoded picture. */
  | "encode.first"
  /** From the console's choice to the first patch. */
  | "patch.first"
  /** Until the carrier has taken the first frame. */
  | "frame.send";

/** Codes and names of a fixed vocabulary: no address, token or description. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** A span that runs; times are those of the agent's own clock, in ms. */
export interface OpenSpan {
  readonly context: TraceContext;
  end(endMs: number, more?: { readonly ok?: boolean; readonly attributes?: SpanAttributes }): void;
}

/** Records spans; there is none when nobody collects them. */
export interface Tracer {
  start(name: AgentSpanName, parent: TraceContext, startMs: number): OpenSpan;
}
