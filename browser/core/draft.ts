/** One step's working copy: every part of the core reads and replaces its own piece of it. */
import type {
  CodedError,
  ControlMessage,
  DesktopSummary,
  Draft as MessageDraft,
  Reason,
} from "@farglass/protocol";
import { CLOSE, linkSend, newLink } from "@farglass/protocol";
import type { ConsoleEffect } from "./events.ts";
import { nextUnit, nextUuid } from "./random.ts";
import type { TimelineEntry } from "./session_view.ts";
import type { ConsoleState, LinkMachine, SessionState, TransportState } from "./state.ts";
import { addEntry, retryText } from "./timeline.ts";

/** Lives for one step only. */
export class Draft {
  readonly effects: ConsoleEffect[] = [];
  readonly now: number;
  #state: ConsoleState;

  constructor(state: ConsoleState, now: number) {
    this.#state = state;
    this.now = now;
  }

  get state(): ConsoleState {
    return this.#state;
  }

  get link(): LinkMachine {
    return this.#state.link;
  }

  get session(): SessionState | null {
    return this.#state.session;
  }

  get online(): boolean {
    return this.#state.link.phase.kind === "online";
  }

  set(patch: Partial<ConsoleState>): void {
    this.#state = { ...this.#state, ...patch };
  }

  setLink(patch: Partial<LinkMachine>): void {
    this.set({ link: { ...this.#state.link, ...patch } });
  }

  /** Changes the session; does nothing without one. */
  patch(patch: Partial<SessionState>): void {
    const { session } = this.#state;
    if (session !== null) this.set({ session: { ...session, ...patch } });
  }

  /** Changes the session's transport part. */
  patchTransport(patch: Partial<TransportState>): void {
    const { session } = this.#state;
    if (session !== null) this.patch({ transport: { ...session.transport, ...patch } });
  }

  emit(effect: ConsoleEffect): void {
    this.effects.push(effect);
  }

  /** Numbers and sends a message, or keeps it for the resumed link. Returns its number, or null. */
  send(message: MessageDraft): number | null {
    const { link } = this.#state;
    if (link.linkId === null) return null;
    const sent = linkSend(link.numbers, message, this.now);
    if (!sent.ok) {
      // The server takes nothing in: a new link is cheaper than a longer buffer.
      if (this.online) {
        this.emit({ type: "close-socket", epoch: link.epoch, code: CLOSE.tryAgainLater });
        this.setLink({ phase: { kind: "waiting", retryAt: this.now + 250 } });
      }
      this.setLink({ linkId: null, numbers: newLink });
      return null;
    }
    this.setLink({ numbers: sent.value.link });
    if (this.online) this.emit({ type: "send-text", epoch: link.epoch, text: sent.value.text });
    return sent.value.link.sent;
  }

  /** The ids that every message of the session bears, or null before it has them. */
  get ids(): { readonly desktopId: string; readonly sessionId: string } | null {
    const { session } = this.#state;
    return session === null || session.sessionId === null
      ? null
      : { desktopId: session.desktopId, sessionId: session.sessionId };
  }

  /** Sends a control message through the server; only worth while it can arrive. */
  relayControl(payload: ControlMessage): void {
    if (this.ids !== null && this.online) {
      this.send({ type: "VIEWER_CONTROL", ...this.ids, payload });
    }
  }

  note(
    kind: TimelineEntry["kind"],
    text: string,
    more: { readonly reason?: Reason; readonly detail?: string } = {},
  ): void {
    const { session } = this.#state;
    if (session === null) return;
    this.patch({
      timeline: addEntry(session.timeline, {
        at: this.now,
        kind,
        text,
        reason: more.reason ?? null,
        detail: more.detail ?? null,
      }),
    });
  }

  noteError(error: CodedError): void {
    this.note("error", error.message, {
      detail: `${error.advice} (${retryText(error)}; ${error.code})`,
    });
  }

  summary(desktopId: string): DesktopSummary | undefined {
    return this.#state.desktops?.find((desktop) => desktop.desktopId === desktopId);
  }

  unit(): number {
    const [rng, value] = nextUnit(this.#state.rng);
    this.set({ rng });
    return value;
  }

  uuid(): string {
    const [rng, value] = nextUuid(this.#state.rng);
    this.set({ rng });
    return value;
  }
}
