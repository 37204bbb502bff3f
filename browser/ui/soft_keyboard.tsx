/** Brings up a phone's own keyboard and sends what it types. */
import { type Ref, type RefObject, useImperativeHandle, useRef } from "react";
import type { ConsoleClient } from "../core/mod.ts";
import { typedDelta } from "./typed_delta.ts";

/** The field always holds this much, so that Backspace has something to erase. */
const PADDING = "_".repeat(64);
/** Beyond this the field starts afresh. */
const MAX_FIELD_CHARS = 512;

/** What a toolbar button may do with the keyboard. */
export interface SoftKeyboardHandle {
  /** Must be called from a click: browsers show the keyboard only then. */
  open(): void;
}

/** Properties of `SoftKeyboard`. */
export interface SoftKeyboardProps {
  readonly client: ConsoleClient;
  readonly stageRef: RefObject<HTMLDivElement | null>;
  readonly ref: Ref<SoftKeyboardHandle>;
}

/** An invisible text field. Text goes as text; Backspace and Enter go as keys to the stage. */
export function SoftKeyboard({ client, stageRef, ref }: SoftKeyboardProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const seen = useRef(PADDING);
  const reset = () => {
    seen.current = PADDING;
    if (field.current !== null) field.current.value = PADDING;
  };
  useImperativeHandle(ref, () => ({
    open: () => {
      reset();
      field.current?.focus({ preventScroll: true });
      field.current?.setSelectionRange(PADDING.length, PADDING.length);
    },
  }));
  const press = (key: "Backspace" | "Enter") => {
    for (const type of ["keydown", "keyup"]) {
      stageRef.current?.dispatchEvent(
        new KeyboardEvent(type, { key, code: key, bubbles: true, cancelable: true }),
      );
    }
  };
  const onInput = () => {
    const now = field.current?.value ?? PADDING;
    const delta = typedDelta(seen.current, now);
    seen.current = now;
    for (let n = 0; n < delta.erase; n++) press("Backspace");
    const lines = delta.insert.split("\n");
    lines.forEach((line, index) => {
      if (index > 0) press("Enter");
      if (line !== "") client.typeText(line);
    });
    if (now.length < PADDING.length / 2 || now.length > MAX_FIELD_CHARS) reset();
  };
  return (
    <textarea
      aria-label="On-screen keyboard"
      autoCapitalize="none"
      autoComplete="off"
      autoCorrect="off"
      className="pointer-events-none fixed bottom-0 left-0 size-px resize-none border-0 p-0 text-base opacity-0"
      data-testid="soft-keyboard-field"
      defaultValue={PADDING}
      onInput={onInput}
      ref={field}
      spellCheck={false}
      tabIndex={-1}
    />
  );
}
