/** The switch for the desktop's sound, and its key. */
import { type RefObject, useEffect } from "react";
import type { ConsoleClient, SessionView } from "../core/mod.ts";
import { ToolButton } from "./controls.tsx";
import { readStored, writeStored } from "./stored.ts";

const SOUND_KEY = "farglass.sound";
/** Beside the stage, which keeps every key for the desktop. */
const KEY = "m";

/** Properties of `SoundButton`. */
export interface SoundButtonProps {
  readonly session: SessionView;
  readonly onSound: (on: boolean) => void;
}

/** Off until the operator switches it on, with the reason where it cannot be had. */
export function SoundButton({ session, onSound }: SoundButtonProps) {
  const { soundOn, soundRefusal } = session;
  const heard = soundOn && soundRefusal === null;
  return (
    <ToolButton
      disabled={soundRefusal !== null && !soundOn}
      icon={heard ? "sound" : "muted"}
      keyShortcut="Control+Alt+Shift+M M"
      label="Sound"
      onClick={() => onSound(!soundOn)}
      pressed={soundOn}
      showLabel="never"
      testId="sound"
      title={soundRefusal ?? `${soundOn ? "Mute" : "Hear"} the desktop (Ctrl + Alt + Shift + M)`}
    />
  );
}

/**
 * Switches sound and remembers it for the next visit. The key works wherever nothing is typed: not
 * on the stage, in a field or in a dialog.
 */
export function useSound(
  client: ConsoleClient,
  session: SessionView,
  root: RefObject<HTMLElement | null>,
): (on: boolean) => void {
  const { soundOn, soundRefusal } = session;
  const set = (on: boolean) => {
    writeStored(SOUND_KEY, on ? "on" : "off");
    client.setSound(on);
  };
  useEffect(() => {
    if (readStored(SOUND_KEY, ["on", "off"], "off") === "on") client.setSound(true);
  }, [client]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      // With the chord that brings the keyboard back held, or alone beside the stage.
      const chord = event.ctrlKey && event.altKey && event.shiftKey;
      const alone = !event.ctrlKey && !event.altKey && !event.metaKey;
      if (!chord && !alone || event.code !== "KeyM" && event.key.toLowerCase() !== KEY) return;
      if (event.defaultPrevented || event.repeat || isTyping(event.target)) return;
      if (soundRefusal === null || soundOn) set(!soundOn);
    };
    const element = root.current;
    element?.addEventListener("keydown", pressed);
    return () => element?.removeEventListener("keydown", pressed);
  });
  return set;
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof Element &&
  target.closest("[data-testid=stage], input, textarea, select, dialog, [role=menu]") !== null;
