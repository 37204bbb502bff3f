/**
 * Runs the pure controller: one event of a desktop at a time, compare-and-set on the store, then
 * the effects in order, then one timer for the next deadline.
 */
import {
  type CodedError,
  type DesktopCaps,
  type Draft,
  never,
  type WebrtcCaps,
} from "@farglass/protocol";
import { nextDeadline, step } from "../core/controller.ts";
import type { ControllerEvent, Effect } from "../core/events.ts";
import type { ControllerPolicy } from "../core/policy.ts";
import {
  type AtOnce,
  type Bus,
  DESKTOPS_TOPIC,
  type DesktopStore,
  type Log,
  type Metrics,
  type Outgoing,
  type Stored,
  StoreNewer,
  StoreUnavailable,
} from "../core/ports.ts";
import type { DesktopState, SessionEvent } from "../core/state.ts";
import type { EventOrigin } from "../core/telemetry/drafts.ts";
import type { Telemetry, Tracer } from "../core/telemetry/ports.ts";
import { isForward, stepEvents, type ToldStep } from "../core/telemetry/step_events.ts";
import { traceIdIn } from "../core/trace.ts";
import { DesktopTimers } from "./desktop_timers.ts";
import { DirectWrites, type OwnLinks } from "./direct_writes.ts";
import { publishOutgoing } from "./outgoing.ts";
import { type DispatchOptions, type Job, takeBatch, type Todo } from "./shell_jobs.ts";
import { StepTrace } from "./step_trace.ts";

type Route = Extract<Effect, { kind: "route" }>;

export interface ControllerShellOptions {
  readonly store: DesktopStore;
  readonly bus: Bus;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  /** Null when nobody collects traces. */
  readonly tracer?: Tracer | null;
  readonly policy: ControllerPolicy;
  /** Unix ms that never jump and are the same at all nodes: deadlines are measured by it. */
  readonly clock: () => number;
  /** Unix ms as this machine has them, for telemetry; `clock` when left out. */
  readonly wallClock?: () => number;
  /** Mints the `webrtc` block of DESKTOP_CAPS. */
  readonly webrtcFor: (desktopId: string) => WebrtcCaps;
  /** The links of this node; null or left out where there is no other. */
  readonly links?: OwnLinks | null;
  readonly onRoute: (route: Route) => void;
  readonly onUnroute: (sessionId: string) => void;
  /** Who is behind a link of this node, for telemetry. */
  readonly originOf?: (linkId: string) => EventOrigin | null;
}

/** Bus topic that names sessions whose way through the relay has changed. */
export const ROUTES_TOPIC = "routes";

/** Many nodes may want the same desktop; each lost race costs one round trip. */
const MAX_CAS_ATTEMPTS = 64;
/** A tick that the store refused is tried again after this. */
const TICK_RETRY_MS = 1_000;

type Step = Omit<ToldStep, "now" | "ttlSeconds"> & { readonly trace: StepTrace };

/** The effects of each event of a batch, or that they have to be tried one by one. */
type Decided = readonly (readonly Effect[])[] | "apart";

/** A store that refuses although it is there is not asked in a tight circle. */
const UNAVAILABLE_PAUSE_MS = 100;

/** The shell around the controller. */
export class ControllerShell {
  readonly #options: ControllerShellOptions;
  readonly #queues = new Map<string, { readonly waiting: Job[]; readonly done: Promise<void> }>();
  readonly #timers = new DesktopTimers((desktopId) => this.#tick(desktopId));
  readonly #writes: DirectWrites;
  #closed = false;
  /** A decision at once is on its way to the links. */
  #deciding = false;

  constructor(options: ControllerShellOptions) {
    this.#options = options;
    this.#writes = new DirectWrites(options.store, options.links ?? null);
  }

  /** Arms the deadlines of what the store already holds. */
  async start(): Promise<void> {
    for (const desktop of await this.#options.store.list()) this.#arm(desktop.desktopId, desktop);
  }

  /** Gives the sessions of these desktops fresh credentials. */
  async reissue(isOurs: (desktop: DesktopState) => boolean): Promise<void> {
    if (this.#options.policy.credentialTtlMs === null) return;
    for (const desktop of await this.#options.store.list()) {
      if (isOurs(desktop)) await this.dispatch(desktop.desktopId, { kind: "reissue" });
    }
  }

  /**
   * Decides one event after all earlier ones of the same desktop and resolves with its effects
   * once they have been run. What has come meanwhile is decided together and written once.
   * Rejects when an invariant broke or the store failed; with StoreUnavailable when it is away.
   */
  dispatch(
    desktopId: string,
    event: ControllerEvent,
    options: DispatchOptions = {},
  ): Promise<readonly Effect[]> {
    return this.#queue(desktopId, { event, options, trace: this.#traceOf(event, options) });
  }

  /**
   * As `dispatch`, with nothing to wait for where the state is in this process and no earlier
   * event of the desktop waits: the effects themselves then, and a promise otherwise.
   */
  decide(
    desktopId: string,
    event: ControllerEvent,
    options: DispatchOptions = {},
  ): readonly Effect[] | Promise<readonly Effect[]> {
    const todo = { event, options, trace: this.#traceOf(event, options) };
    const { atOnce } = this.#options.store;
    // What a decision sends may kill a link, which is an event that comes after it.
    const mustWait = atOnce === undefined || this.#deciding || this.#queues.has(desktopId);
    if (mustWait) return this.#queue(desktopId, todo);
    this.#deciding = true;
    try {
      return this.#decideAtOnce(desktopId, atOnce, todo) ?? this.#queue(desktopId, todo);
    } catch (error) {
      return Promise.reject(error);
    } finally {
      this.#deciding = false;
    }
  }

  #traceOf(event: ControllerEvent, { caller = null }: DispatchOptions): StepTrace {
    const { tracer = null, clock, wallClock = clock } = this.#options;
    return new StepTrace(tracer, event, { caller, startMs: tracer === null ? 0 : wallClock() });
  }

  #queue(desktopId: string, todo: Todo): Promise<readonly Effect[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Effect[]>();
    const job = { ...todo, resolve, reject };
    const queue = this.#queues.get(desktopId);
    if (queue !== undefined) {
      queue.waiting.push(job);
      return promise;
    }
    const waiting = [job];
    // A moment later: what is read from a socket at once is one batch.
    const done = Promise.resolve().then(() => this.#work(desktopId, waiting));
    this.#queues.set(desktopId, { waiting, done });
    return promise;
  }

  /** Stops the timers and waits for what is running. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timers.close();
    await Promise.all([...this.#queues.values()].map(({ done }) => done));
  }

  async #work(desktopId: string, waiting: Job[]): Promise<void> {
    while (waiting.length > 0) {
      const jobs = takeBatch(waiting);
      const { atOnce } = this.#options.store;
      if (atOnce === undefined) await this.#settle(desktopId, jobs);
      else await this.#settleAtOnce(desktopId, atOnce, jobs);
    }
    this.#queues.delete(desktopId);
  }

  async #settleAtOnce(desktopId: string, atOnce: AtOnce, jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) {
      let effects: readonly Effect[] | null;
      try {
        effects = this.#decideAtOnce(desktopId, atOnce, job);
      } catch (error) {
        job.reject(error);
        continue;
      }
      if (effects !== null) job.resolve(effects);
      else await this.#settle(desktopId, [job]);
    }
  }

  /**
   * The straight path of a store in memory. Null, and nothing is done: there is nothing to write,
   * or the step broke; the long way tells. Throws what its links made of it once it is written.
   */
  #decideAtOnce(desktopId: string, atOnce: AtOnce, todo: Todo): readonly Effect[] | null {
    let decided: Step;
    try {
      decided = this.#step(atOnce.recall(desktopId)?.desktop ?? null, todo);
    } catch {
      // It breaks again on the long way, which tells the caller.
      return null;
    }
    const { before, after, effects } = decided;
    const steps = [decided];
    const out = this.#outOf(steps);
    if (after === before && (before === null || out.length === 0)) return null;
    atOnce.save(desktopId, { desktop: after, out });
    this.#written(desktopId, steps);
    return effects;
  }

  /** What of these steps leaves this node. */
  #outOf(steps: readonly Step[]): readonly Outgoing[] {
    const out: Outgoing[] = [];
    for (const { effects, trace } of steps) {
      for (const effect of effects) this.#addOutgoing(out, trace.outgoing(effect));
    }
    return out;
  }

  /** Steps that are stored. */
  #written(desktopId: string, steps: readonly Step[]): void {
    for (const one of steps) this.#carryOut(one);
    const { before } = steps[0];
    const { after } = steps[steps.length - 1];
    // Of a state that stays the deadline does, too.
    const known = after !== null && after === before && this.#timers.knows(desktopId, after);
    if (!known) this.#arm(desktopId, after);
  }

  /** Never rejects: the callers of `dispatch` get what became of their event. */
  async #settle(desktopId: string, jobs: readonly Job[]): Promise<void> {
    try {
      const effects = await this.#runWaiting(desktopId, jobs);
      if (effects !== "apart") return jobs.forEach((job, i) => job.resolve(effects[i]));
    } catch (error) {
      return jobs.forEach((job) => job.reject(error));
    }
    for (const job of jobs) await this.#settle(desktopId, [job]);
  }

  async #runWaiting(desktopId: string, jobs: readonly Job[]): Promise<Decided> {
    while (true) {
      try {
        return await this.#run(desktopId, jobs);
      } catch (error) {
        const wait = jobs[0].options.wait === true;
        if (!(error instanceof StoreUnavailable) || !wait || this.#closed) throw error;
        // It was refused or its outcome is unknown: `handled` and the revision tell next time.
        await this.#options.store.whenUp();
        await new Promise((resolve) => setTimeout(resolve, UNAVAILABLE_PAUSE_MS));
      }
    }
  }

  /** One attempt at a batch; the effects of each event. */
  async #run(desktopId: string, jobs: readonly Job[]): Promise<Decided> {
    const { store } = this.#options;
    const handled = jobs.flatMap(({ options }) => options.handled ?? []);
    let stored = await store.recall(desktopId);
    for (let attempt = 0; attempt < MAX_CAS_ATTEMPTS; attempt++) {
      const before = stored?.desktop ?? null;
      const steps = this.#steps(before, jobs);
      if (steps === "apart") return steps;
      const { after } = steps[steps.length - 1];
      const out = [...this.#farewells(stored), ...this.#outOf(steps)];
      if (after === before && (before === null || out.length === 0)) {
        // Nothing is written, so nothing else would notice that this was outdated.
        const now = await store.load(desktopId);
        if (now?.revision !== stored?.revision) {
          stored = now;
          continue;
        }
        await this.#publish(out);
      } else {
        const write = { desktop: after, out, handled };
        const saved = await this.#writes.save(desktopId, stored?.revision ?? 0, write);
        // Which of them it was, they find out alone.
        if (saved === "duplicate") return jobs.length > 1 ? "apart" : [[]];
        if (saved === "conflict") {
          stored = await store.recall(desktopId);
          continue;
        }
      }
      this.#written(desktopId, steps);
      return steps.map(({ effects }) => effects);
    }
    throw new Error("The store stayed busy");
  }

  /** Steps through a batch; `apart` when one of several breaks, so that the others are spared. */
  #steps(stored: DesktopState | null, jobs: readonly Job[]): readonly Step[] | "apart" {
    let before = stored;
    try {
      return jobs.map((job) => {
        const one = this.#step(before, job);
        before = one.after;
        return one;
      });
    } catch (error) {
      if (jobs.length === 1) throw error;
      return "apart";
    }
  }

  #step(before: DesktopState | null, { event, options, trace }: Todo): Step {
    const { clock, policy } = this.#options;
    const [after, effects] = step(before, trace.enter(before), clock(), policy);
    const done = { before, after, event, effects };
    // Asked before anything is sent: a link that is gone afterwards is still known.
    const { origin = isForward(done) ? null : this.#originOf(event) } = options;
    return { before, after, event, effects, origin, trace };
  }

  /** A step that is stored. */
  #carryOut(done: Step): void {
    const { trace, before, after, effects } = done;
    for (const effect of effects) this.#perform(effect, after, before);
    const { tracer = null, clock, wallClock = clock } = this.#options;
    if (tracer !== null) {
      const endMs = wallClock();
      trace.end({ before, after, effects, endMs, aheadMs: endMs - clock() });
    }
    if (!isForward(done)) this.#tell(done);
  }

  #originOf(event: ControllerEvent): EventOrigin | null {
    const linkId = "linkId" in event
      ? event.linkId
      : "consoleLinkId" in event
      ? event.consoleLinkId
      : null;
    return linkId === null ? null : this.#options.originOf?.(linkId) ?? null;
  }

  #tell(step: Step): void {
    const { telemetry, policy, clock, wallClock = clock } = this.#options;
    const ttlSeconds = Math.round((policy.credentialTtlMs ?? 0) / 1000);
    const now = wallClock();
    for (const draft of stepEvents({ ...step, now, ttlSeconds })) telemetry.emit(draft);
  }

  /** To a sender whose desktop is not known there is nothing to store. */
  async #publish(out: readonly Outgoing[]): Promise<void> {
    const { bus } = this.#options;
    for (const o of out) await publishOutgoing(bus, o);
  }

  /** A session that the store could not read is over, for its two ends only. */
  #farewells(stored: Stored | null): readonly Outgoing[] {
    const corrupt = stored?.corrupt ?? [];
    if (stored === null || corrupt.length === 0) return [];
    const { desktopId, link } = stored.desktop;
    return corrupt.flatMap(({ sessionId, consoleLinkId }) => {
      const draft: Draft = {
        type: "SESSION_ENDED",
        desktopId,
        sessionId,
        payload: { reason: "server-restarted", by: "server" },
      };
      const ends = [link.at === "gone" ? null : link.linkId, consoleLinkId];
      return [
        ...ends.flatMap((id) => id === null ? [] : [{ kind: "mail", linkId: id, draft } as const]),
        { kind: "notice", topic: ROUTES_TOPIC, message: { sessionId } } as const,
      ];
    });
  }

  #arm(desktopId: string, desktop: DesktopState | null): void {
    const { clock, policy } = this.#options;
    const now = clock();
    const at = nextDeadline(desktop, now, policy);
    if (at === null) this.#timers.rest(desktopId, desktop);
    else this.#timers.arm(desktopId, at - now);
  }

  #tick(desktopId: string): void {
    this.dispatch(desktopId, { kind: "tick" }).catch((cause) => {
      // Newer nodes look after it.
      if (cause instanceof StoreNewer) return;
      if (cause instanceof StoreUnavailable) return this.#timers.arm(desktopId, TICK_RETRY_MS);
      this.#options.log.write("error", "controller-failed", { desktopId, error: String(cause) });
    });
  }

  /** What of an effect leaves this node. */
  #addOutgoing(out: Outgoing[], effect: Effect): void {
    switch (effect.kind) {
      case "send":
        return void out.push({ kind: "mail", linkId: effect.linkId, draft: effect.draft });
      case "reject": {
        const { linkId, error } = effect;
        if (linkId === null) return;
        return void out.push({ kind: "mail", linkId, draft: errorDraft(error, effect) });
      }
      case "issue-caps":
        return void out.push(...this.#issueCaps(effect));
      case "route":
      case "unroute": {
        const { sessionId } = effect;
        return void out.push({ kind: "notice", topic: ROUTES_TOPIC, message: { sessionId } });
      }
      case "desktops-changed":
        return void out.push({ kind: "notice", topic: DESKTOPS_TOPIC, message: null });
      case "event":
      case "revoke":
        return;
      default:
        return never(effect);
    }
  }

  /** What of an effect stays here, once it is certain. */
  #perform(effect: Effect, after: DesktopState | null, before: DesktopState | null): void {
    const { metrics, onRoute, onUnroute } = this.#options;
    switch (effect.kind) {
      case "reject":
        return metrics.rejected(effect.error.code);
      case "event": {
        const { desktopId, sessionId, event } = effect;
        const traceId = traceIdIn(after, sessionId) ?? traceIdIn(before, sessionId) ?? undefined;
        metrics.sessionEvent(event, traceId);
        return this.#log({ desktopId, sessionId, traceId }, event);
      }
      case "route":
        return onRoute(effect);
      case "unroute":
        return onUnroute(effect.sessionId);
      case "send":
      case "issue-caps":
      case "desktops-changed":
      case "revoke":
        // Sent with the write. Minting ends with the session; coturn lets what was minted run
        // out (security.md).
        return;
      default:
        return never(effect);
    }
  }

  #log(ids: Readonly<Record<string, string | undefined>>, event: SessionEvent): void {
    const { type, ...fields } = event;
    this.#options.log.write("info", type, { ...ids, ...fields });
  }

  #issueCaps(effect: Extract<Effect, { kind: "issue-caps" }>): readonly Outgoing[] {
    const { desktopId, sessionId, caps } = effect;
    const minted = this.#options.webrtcFor(desktopId);
    const webrtc = caps.transports.includes("webrtc")
      ? minted
      : { enabled: false, iceServers: [], iceTransportPolicy: minted.iceTransportPolicy };
    const payload: DesktopCaps = { ...caps, webrtc };
    const draft: Draft = { type: "DESKTOP_CAPS", desktopId, sessionId, payload };
    return effect.linkIds.map((linkId) => ({ kind: "mail", linkId, draft }));
  }
}

/** ERROR for the sender of a message. */
export function errorDraft(
  error: CodedError,
  about: Pick<Extract<Effect, { kind: "reject" }>, "ref" | "desktopId" | "sessionId">,
): Draft {
  const { ref, desktopId, sessionId } = about;
  return {
    type: "ERROR",
    ...(desktopId === "" ? {} : { desktopId }),
    ...(sessionId === null ? {} : { sessionId }),
    payload: {
      ...error,
      refSeq: ref.seq,
      refType: ref.type,
      ...(ref.requestId === undefined ? {} : { requestId: ref.requestId }),
    },
  };
}
