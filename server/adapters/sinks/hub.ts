/** The one place where events go: completed, checked, shaped once, handed to every sink. */
import * as v from "valibot";
import { type EventDraft, type SecurityEvent, securityEventSchema } from "@farglass/protocol";
import type { Log } from "../../core/ports.ts";
import { toEcs } from "../../core/telemetry/ecs.ts";
import { toOcsf } from "../../core/telemetry/ocsf.ts";
import type { SinkStatus, Telemetry } from "../../core/telemetry/ports.ts";
import {
  addRepeat,
  endRepeats,
  type Repeats,
  repeatsDeadline,
  type Told,
} from "../../core/telemetry/repeats.ts";
import type { SinkRunner } from "./runner.ts";

export const EVENT_FORMATS = ["native", "ecs", "ocsf"] as const;
export type EventFormat = (typeof EVENT_FORMATS)[number];

/** A sink and how it writes an event whose JSON text is `text`. */
export interface HubSink {
  readonly runner: SinkRunner;
  readonly line: (event: SecurityEvent, text: string) => string;
}

export interface EventHubOptions {
  readonly node: string;
  readonly format: EventFormat;
  readonly clock: () => number;
  /** Unix ms that never jump; `clock` when left out. */
  readonly steadyClock?: () => number;
  readonly newId: () => string;
  readonly log: Log;
}

/** Events that somebody can bring about as often as they like. */
const REPEATED = ["message-rejected", "limit-hit", "stored-value-refused"] as const;
type Repeated = Extract<EventDraft, { action: (typeof REPEATED)[number] }>;

const isRepeated = (draft: EventDraft): draft is Repeated =>
  (REPEATED as readonly string[]).includes(draft.action);

/** What a stopping server gives its sinks to deliver the last events. */
const CLOSE_GRACE_MS = 1_000;

/** Takes events from the whole server. */
export class EventHub implements Telemetry {
  readonly #options: EventHubOptions;
  #sinks: readonly HubSink[] = [];
  #repeats: Repeats<Repeated> = new Map();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: EventHubOptions) {
    this.#options = options;
  }

  /** Events before this are lost: sinks are there before anything happens. */
  start(sinks: readonly HubSink[]): void {
    this.#sinks = sinks;
    for (const { runner } of sinks) runner.start();
  }

  emit(draft: EventDraft): void {
    if (this.#closed) return;
    if (!isRepeated(draft)) return this.#deliver(draft);
    const key = JSON.stringify([
      draft.action,
      draft.reason,
      "value" in draft.details ? draft.details.value : draft.details.messageType,
      draft.target?.desktopId,
      draft.actor,
      draft.source?.address,
      draft.sessionId,
    ]);
    const [repeats, told] = addRepeat(this.#repeats, key, draft, this.#now());
    this.#repeats = repeats;
    this.#tell(told);
  }

  status(): readonly SinkStatus[] {
    return this.#sinks.map(({ runner }) => runner.status);
  }

  /** Delivers what can be delivered soon; what stays in a spool goes at the next start. */
  async close(): Promise<void> {
    if (this.#closed) return;
    const [repeats, told] = endRepeats(this.#repeats, Infinity);
    this.#repeats = repeats;
    this.#tell(told);
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.all(this.#sinks.map(({ runner }) => runner.close(CLOSE_GRACE_MS)));
  }

  #tell(told: readonly Told<Repeated>[]): void {
    for (const { event, count } of told) {
      this.#deliver({ ...event, details: { ...event.details, count } } as Repeated);
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const at = repeatsDeadline(this.#repeats);
    if (at === null || this.#closed) return;
    this.#timer = setTimeout(() => {
      const [repeats, ended] = endRepeats(this.#repeats, this.#now());
      this.#repeats = repeats;
      this.#tell(ended);
    }, Math.max(0, at - this.#now()));
  }

  #now(): number {
    const { clock, steadyClock = clock } = this.#options;
    return steadyClock();
  }

  /** The schema drops what an event must not carry, whatever a caller has put into it. */
  #deliver(draft: EventDraft): void {
    if (this.#sinks.length === 0) return;
    const { node, newId, log } = this.#options;
    const checked = v.safeParse(securityEventSchema, { ...draft, id: newId(), node });
    if (!checked.success) {
      const path = v.getDotPath(checked.issues[0]) ?? "";
      return log.write("error", "event-invalid", { action: draft.action, path });
    }
    const event = checked.output;
    const text = JSON.stringify(this.#shape(event));
    const full = event.action === "events-dropped" ? event.details.sink : null;
    for (const { runner, line } of this.#sinks) {
      runner.offer(line(event, text), runner.name === full);
    }
  }

  #shape(event: SecurityEvent): unknown {
    const { format } = this.#options;
    return format === "ecs" ? toEcs(event) : format === "ocsf" ? toOcsf(event) : event;
  }
}
