/** The operator's switch for the desktop's sound. */
import type { Draft } from "./draft.ts";
import { NO_SOUND, wantsSoundSection } from "./sound.ts";
import { sendControl, tellSound } from "./transport.ts";

/** On or off; before a session is live, it only counts for later. */
export function setSound(d: Draft, on: boolean): void {
  if (d.state.soundOn === on) return;
  d.set({ soundOn: on });
  const { session } = d;
  if (session === null || session.transport.epoch === 0) return;
  if (on) return tellSound(d);
  if (wantsSoundSection(session.caps)) sendControl(d, { op: "sound", on });
  d.patch({ sound: NO_SOUND, hud: { ...session.hud, sound: null } });
}

/** The browser wants to see a click before it plays anything. */
export function soundBlocked(d: Draft): void {
  setSound(d, false);
  d.note("note", "The browser plays sound only after a click: switch it on again");
}
