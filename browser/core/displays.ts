/**
 * Which display of the desktop is shown: the operator's choice, what the agent says of it, and the
 * switch from one to the other. A switch is a new choice of the transport that is shown already, so
 * that the old picture stays until the new one has painted.
 */
import { type ControlOf, type DisplayCaps, REASONS } from "@farglass/protocol";
import type { Draft } from "./draft.ts";
import type { DisplaysView } from "./session_view.ts";
import type { SessionState } from "./state.ts";

/** All displays in one picture. */
export const ALL_DISPLAYS = "all";

export interface DisplayState {
  /** The operator's choice; null: what the agent shows by itself. */
  readonly wanted: string | null;
  /** What the agent has been told in this session. */
  readonly told: string | null;
  /** What the agent says that it shows. */
  readonly shown: string | null;
  /** From which RTP time on the video shows it. */
  readonly rtpTime: number | null;
  /** What the operator should read when it changed without a choice; `at` tells one from the next. */
  readonly notice: { readonly text: string; readonly at: number } | null;
}

export const newDisplays = (wanted: string | null): DisplayState => ({
  wanted,
  told: null,
  shown: null,
  rtpTime: null,
  notice: null,
});

const NO_DISPLAYS: readonly DisplayCaps[] = [];
/** Nothing is known of the desktop yet. */
export const UNKNOWN_DISPLAYS: DisplaysView = {
  ...{ list: NO_DISPLAYS, all: false, shown: null, switchingTo: null, notice: null },
};

/** Whether the desktop offers it. */
export const offersDisplay = ({ caps }: SessionState, id: string): boolean =>
  caps !== null && caps.displays.length > 1 &&
  (id === ALL_DISPLAYS ? caps.allDisplays === true : caps.displays.some((one) => one.id === id));

/** What the next choice of a transport tells the agent; null when it knows. */
export function displayToTell(session: SessionState): string | null {
  const { wanted, told } = session.display;
  return wanted !== null && wanted !== told && offersDisplay(session, wanted) ? wanted : null;
}

/** The name of a display as the operator knows it. */
export function displayName(session: SessionState, id: string | null): string {
  if (id === ALL_DISPLAYS) return "All displays";
  return session.caps?.displays.find((one) => one.id === id)?.name ?? "Display";
}

/** The agent says what this console is shown. */
export function takeScreen(d: Draft, message: ControlOf<"screen">): void {
  const { session } = d;
  if (session === null) return;
  const { width, height, display = null, rtpTime = null, reason } = message;
  const { display: state } = session;
  const { pending } = session.transport;
  const next = { ...state, shown: display, rtpTime };
  if (reason === undefined) {
    d.patch({ display: next });
  } else {
    const text = `${REASONS[reason]}; now shown: ${displayName(session, display)}`;
    d.note("note", text, { reason });
    d.patch({ display: { ...next, wanted: null, told: null, notice: { text, at: d.now } } });
  }
  if (pending?.display == null) return d.patch({ screen: { width, height } });
  // The picture on the screen still has the size of the old display.
  d.patchTransport({ pending: { ...pending, screen: { width, height } } });
  if (display === pending.display || pending.to === "rtp") return;
  // The display is not there any more: what is shown goes on.
  d.emit({ type: "keep-stream" });
}

/** What the UI offers and shows. */
export function displaysView(session: SessionState): DisplaysView {
  const { caps, transport, display } = session;
  return {
    list: caps?.displays ?? NO_DISPLAYS,
    all: caps?.allDisplays === true,
    shown: display.shown,
    switchingTo: transport.pending?.display ?? null,
    notice: display.notice,
  };
}

/** The display after the one that is shown, all of them last. */
export function nextDisplay({ list, all, shown, switchingTo }: DisplaysView): string | null {
  const ids = [...list.map(({ id }) => id), ...(all ? [ALL_DISPLAYS] : [])];
  if (ids.length < 2) return null;
  return ids[(ids.indexOf(switchingTo ?? shown ?? "") + 1) % ids.length];
}
