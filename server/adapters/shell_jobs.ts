/** Events that wait for the controller, and which of them are decided together. */
import type { TraceContext } from "@farglass/protocol";
import type { ControllerEvent, Effect } from "../core/events.ts";
import type { Handled } from "../core/ports.ts";
import type { EventOrigin } from "../core/telemetry/drafts.ts";
import type { StepTrace } from "./step_trace.ts";

export interface DispatchOptions {
  /** Who sent the event and from where, for telemetry, where no link tells. */
  readonly origin?: EventOrigin | null;
  /** The link's message that the event comes from; it is dealt with once, whoever sends it again. */
  readonly handled?: Handled | null;
  /** The span that asks for a session, of the console or of a REST caller. */
  readonly caller?: TraceContext | null;
  /** While the store is away: true waits for it, false (the default) rejects. */
  readonly wait?: boolean;
}

/** One event to decide. */
export interface Todo {
  readonly event: ControllerEvent;
  readonly options: DispatchOptions;
  readonly trace: StepTrace;
}

export interface Job extends Todo {
  resolve(effects: readonly Effect[]): void;
  reject(error: unknown): void;
}

/** Events that are decided and written together. */
const MAX_BATCH = 64;

/**
 * Takes from the queue what may be decided together: events that all wait for the store or all
 * don't, and each link's numbered messages in ascending order.
 */
export function takeBatch(waiting: Job[]): readonly Job[] {
  const last = new Map<string, number>();
  const fits = ({ options: { handled, wait } }: Job) => {
    if (wait !== waiting[0].options.wait) return false;
    if (handled === undefined || handled === null) return true;
    if (handled.seq <= (last.get(handled.linkId) ?? 0)) return false;
    last.set(handled.linkId, handled.seq);
    return true;
  };
  let count = 0;
  while (count < waiting.length && count < MAX_BATCH && fits(waiting[count])) count++;
  return waiting.splice(0, count);
}
