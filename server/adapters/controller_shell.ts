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
import type { Bus, DesktopStore, Log, Metrics } from "../core/ports.ts";
import type { DesktopState, SessionEvent } from "../core/state.ts";

type Route = Extract<Effect, { kind: "route" }>;

export interface ControllerShellOptions {
  readonly store: DesktopStore;
  readonly bus: Bus;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly policy: ControllerPolicy;
  /** Unix ms. */
  readonly clock: () => number;
  /** Mints the `webrtc` block of DESKTOP_CAPS. */
  readonly webrtcFor: (desktopId: string) => WebrtcCaps;
  readonly onRoute: (route: Route) => void;
  readonly onUnroute: (sessionId: string) => void;
}

/** Bus topic of a link's outgoing messages. */
export const linkTopic = (linkId: string): string => `link:${linkId}`;
/** Bus topic that says that the desktop list has changed. */
export const DESKTOPS_TOPIC = "desktops";

const MAX_CAS_ATTEMPTS = 16;
/** setTimeout cannot wait longer; the tick is armed again then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The shell around the controller. */
export class ControllerShell {
  readonly #options: ControllerShellOptions;
  readonly #queues = new Map<string, Promise<void>>();
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #closed = false;

  constructor(options: ControllerShellOptions) {
    this.#options = options;
  }

  /** Arms the deadlines of what the store already holds. */
  async start(): Promise<void> {
    for (const desktop of await this.#options.store.list()) this.#arm(desktop.desktopId, desktop);
  }

  /**
   * Decides one event after all earlier ones of the same desktop and resolves with its effects
   * once they have been run. Rejects when an invariant broke or the store failed.
   */
  dispatch(desktopId: string, event: ControllerEvent): Promise<readonly Effect[]> {
    const before = this.#queues.get(desktopId) ?? Promise.resolve();
    const run = before.then(() => this.#run(desktopId, event));
    // The queue goes on after a failure; the caller of `dispatch` gets it.
    const settled = run.then(() => {}, () => {}).then(() => {
      if (this.#queues.get(desktopId) === settled) this.#queues.delete(desktopId);
    });
    this.#queues.set(desktopId, settled);
    return run;
  }

  /** Stops the timers and waits for what is running. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    await Promise.all(this.#queues.values());
  }

  async #run(desktopId: string, event: ControllerEvent): Promise<readonly Effect[]> {
    const { store, clock, policy } = this.#options;
    for (let attempt = 0; attempt < MAX_CAS_ATTEMPTS; attempt++) {
      const stored = await store.load(desktopId);
      const before = stored?.desktop ?? null;
      const [after, effects] = step(before, event, clock(), policy);
      if (after !== before && !await store.save(desktopId, stored?.revision ?? 0, after)) continue;
      for (const effect of effects) await this.#perform(effect);
      this.#arm(desktopId, after);
      return effects;
    }
    throw new Error("The store stayed busy");
  }

  #arm(desktopId: string, desktop: DesktopState | null): void {
    const { clock, policy, log } = this.#options;
    clearTimeout(this.#timers.get(desktopId));
    this.#timers.delete(desktopId);
    const at = nextDeadline(desktop, policy);
    if (at === null || this.#closed) return;
    const waitMs = Math.min(MAX_TIMER_MS, Math.max(0, at - clock()));
    this.#timers.set(
      desktopId,
      setTimeout(() => {
        this.#timers.delete(desktopId);
        this.dispatch(desktopId, { kind: "tick" }).catch((cause) => {
          log.write("error", "controller-failed", { desktopId, error: String(cause) });
        });
      }, waitMs),
    );
  }

  async #perform(effect: Effect): Promise<void> {
    const { bus, metrics, onRoute, onUnroute } = this.#options;
    switch (effect.kind) {
      case "send":
        return await bus.publish(linkTopic(effect.linkId), effect.draft);
      case "reject":
        metrics.rejected(effect.error.code);
        if (effect.linkId !== null) {
          await bus.publish(linkTopic(effect.linkId), errorDraft(effect.error, effect));
        }
        return;
      case "event":
        metrics.sessionEvent(effect.event);
        return this.#log(effect.desktopId, effect.sessionId, effect.event);
      case "issue-caps":
        return await this.#issueCaps(effect);
      case "revoke":
        // Minting ends with the session; coturn lets what was minted run out (security.md).
        return;
      case "route":
        return onRoute(effect);
      case "unroute":
        return onUnroute(effect.sessionId);
      case "desktops-changed":
        return await bus.publish(DESKTOPS_TOPIC, null);
      default:
        return never(effect);
    }
  }

  #log(desktopId: string, sessionId: string, event: SessionEvent): void {
    const { type, ...fields } = event;
    this.#options.log.write("info", type, { desktopId, sessionId, ...fields });
  }

  async #issueCaps(effect: Extract<Effect, { kind: "issue-caps" }>): Promise<void> {
    const { bus, webrtcFor } = this.#options;
    const { desktopId, sessionId, caps } = effect;
    const minted = webrtcFor(desktopId);
    const webrtc = caps.transports.includes("webrtc")
      ? minted
      : { enabled: false, iceServers: [], iceTransportPolicy: minted.iceTransportPolicy };
    const payload: DesktopCaps = { ...caps, webrtc };
    const draft: Draft = { type: "DESKTOP_CAPS", desktopId, sessionId, payload };
    for (const linkId of effect.linkIds) await bus.publish(linkTopic(linkId), draft);
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
