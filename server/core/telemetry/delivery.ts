/**
 * Delivery of events to one sink: how many wait, when the next batch goes, how long to back off,
 * what is dropped. The shell holds the events themselves, in order, and does the writing.
 */
import { never } from "@farglass/protocol";

export interface DeliveryLimits {
  /** Events that may wait, the batch in flight included. */
  readonly maxWaiting: number;
  /** Their bytes. */
  readonly maxWaitingBytes: number;
  readonly maxBatch: number;
  /** A batch that is not full waits this long for more. */
  readonly lingerMs: number;
  /** Wait after the first failure; it doubles with each further one. */
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  /** How often losses are told while they last. */
  readonly reportMs: number;
}

export interface Delivery {
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Events of the batch that is being written; null when none is. */
  readonly inFlight: number | null;
  /** When the oldest waiting event may go at the latest, in Unix ms. */
  readonly dueAtMs: number | null;
  /** Failures in a row. */
  readonly failures: number;
  readonly retryAtMs: number | null;
  /** Dropped since the last report, and since the start. */
  readonly dropped: number;
  readonly droppedTotal: number;
  readonly reportAtMs: number | null;
  /** The sink has not had room for the report of its own losses. */
  readonly owed: boolean;
}

export type DeliveryEvent =
  /** An event of so many bytes is to be delivered; `report` is that of this sink's own losses. */
  | { readonly kind: "offer"; readonly bytes: number; readonly report: boolean }
  /** The batch in flight was taken by the receiver. */
  | { readonly kind: "delivered"; readonly bytes: number }
  /** It was not; `random` from 0 up to 1 spreads the next attempt. */
  | { readonly kind: "failed"; readonly random: number }
  | { readonly kind: "tick" };

export type DeliveryEffect =
  /** The offered event is to be kept. */
  | { readonly kind: "keep" }
  /** Write the oldest `count` events; answer with `delivered` or `failed`. */
  | { readonly kind: "send"; readonly count: number }
  /** Tell that events were dropped. */
  | { readonly kind: "report"; readonly count: number; readonly total: number };

type Stepped = readonly [Delivery, readonly DeliveryEffect[]];

/** A sink with nothing to do, or with what a spool has kept. */
export const newDelivery = (
  waiting: number,
  waitingBytes: number,
  now: number,
): Delivery => ({
  waiting,
  waitingBytes,
  inFlight: null,
  dueAtMs: waiting === 0 ? null : now,
  failures: 0,
  retryAtMs: null,
  dropped: 0,
  droppedTotal: 0,
  reportAtMs: null,
  owed: false,
});

/** One event; `keep` is missing from the effects of an `offer` that found no room. */
export function deliveryStep(
  state: Delivery,
  event: DeliveryEvent,
  at: { readonly now: number; readonly limits: DeliveryLimits },
): Stepped {
  switch (event.kind) {
    case "offer":
      return onOffer(state, event, at);
    case "delivered": {
      const waiting = state.waiting - (state.inFlight ?? 0);
      const next = {
        ...state,
        waiting,
        waitingBytes: waiting === 0 ? 0 : Math.max(0, state.waitingBytes - event.bytes),
        inFlight: null,
        failures: 0,
        dueAtMs: waiting === 0 ? null : at.now + at.limits.lingerMs,
      };
      const [told, reports] = next.owed ? tell({ ...next, owed: false }, at) : [next, []];
      const [sent, effects] = advance(told, at);
      return [sent, [...reports, ...effects]];
    }
    case "failed":
      return [{
        ...state,
        inFlight: null,
        failures: state.failures + 1,
        retryAtMs: at.now + backoffMs(state.failures, event.random, at.limits),
      }, []];
    case "tick":
      return advance(state, at);
    default:
      return never(event);
  }
}

/** When `tick` is due, in Unix ms; null when never. */
export function deliveryDeadline(state: Delivery): number | null {
  const times = [state.reportAtMs];
  if (state.inFlight === null) times.push(state.retryAtMs ?? state.dueAtMs);
  const known = times.filter((t) => t !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/** Doubling waits, each between half and the whole of its length. */
export function backoffMs(failures: number, random: number, limits: DeliveryLimits): number {
  const whole = Math.min(limits.maxBackoffMs, limits.minBackoffMs * 2 ** Math.min(failures, 30));
  return Math.round(whole * (0.5 + random / 2));
}

type At = Parameters<typeof deliveryStep>[2];

function onOffer(
  state: Delivery,
  { bytes, report: isReport }: Extract<DeliveryEvent, { kind: "offer" }>,
  at: At,
): Stepped {
  const { limits, now } = at;
  const full = state.waiting >= limits.maxWaiting ||
    state.waitingBytes + bytes > limits.maxWaitingBytes;
  // A lost report is not counted: it would make another one, for ever.
  if (full && isReport) return [{ ...state, owed: true }, []];
  if (full) {
    const dropped = state.dropped + 1;
    const droppedTotal = state.droppedTotal + 1;
    return report({ ...state, dropped, droppedTotal, reportAtMs: state.reportAtMs ?? now }, at);
  }
  const kept = {
    ...state,
    waiting: state.waiting + 1,
    waitingBytes: state.waitingBytes + bytes,
    dueAtMs: state.dueAtMs ?? now + limits.lingerMs,
  };
  const [next, effects] = advance(kept, at);
  return [next, [{ kind: "keep" }, ...effects]];
}

/** Reports and sends what is due. */
function advance(state: Delivery, at: At): Stepped {
  const [reported, reports] = report(state, at);
  const [sent, sends] = send(reported, at);
  return [sent, [...reports, ...sends]];
}

function report(state: Delivery, at: At): Stepped {
  if (state.reportAtMs === null || state.reportAtMs > at.now) return [state, []];
  // A quiet while ends the reports; the next loss is told at once.
  return state.dropped === 0 ? [{ ...state, reportAtMs: null }, []] : tell(state, at);
}

function tell(state: Delivery, at: At): Stepped {
  const { dropped: count, droppedTotal: total } = state;
  return [
    { ...state, dropped: 0, reportAtMs: at.now + at.limits.reportMs },
    [{ kind: "report", count, total }],
  ];
}

function send(state: Delivery, at: At): Stepped {
  if (state.waiting === 0 || state.inFlight !== null) return [state, []];
  if (state.retryAtMs !== null && state.retryAtMs > at.now) return [state, []];
  const due = state.dueAtMs === null || state.dueAtMs <= at.now;
  if (!due && state.waiting < at.limits.maxBatch) return [state, []];
  const count = Math.min(state.waiting, at.limits.maxBatch);
  return [{ ...state, inFlight: count, retryAtMs: null }, [{ kind: "send", count }]];
}
