/** Typing a whole text at once: passwords from a manager, long lines, phones. */
import { type FormEvent, useEffect, useRef } from "react";
import { Button } from "./controls.tsx";

/** Properties of `TypeTextDialog`. */
export interface TypeTextDialogProps {
  readonly open: boolean;
  readonly onType: (text: string) => void;
  readonly onClose: () => void;
}

/** A native modal dialog: it keeps the focus inside and closes on Esc by itself. */
export function TypeTextDialog({ open, onType, onClose }: TypeTextDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const enter = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const element = dialog.current;
    if (element === null || element.open === open) return;
    if (open) element.showModal();
    else element.close();
  }, [open]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const text = field.current?.value ?? "";
    const finished = enter.current?.checked === true ? `${text}\n` : text;
    if (field.current !== null) field.current.value = ""; // it may have been a password
    onClose();
    if (finished !== "") onType(finished);
  };
  return (
    <dialog
      aria-labelledby="type-text-title"
      className="m-auto w-[min(30rem,calc(100vw-2rem))] rounded-2xl border border-line bg-surface p-6 text-ink shadow-float"
      data-testid="type-text-dialog"
      onClose={onClose}
      ref={dialog}
    >
      <form onSubmit={submit}>
        <h2 className="text-base font-semibold" id="type-text-title">Type a text on the desktop</h2>
        <p className="mt-1 text-muted">
          It is typed where the desktop's keyboard focus is, whatever keyboard layout the desktop
          has.
        </p>
        <textarea
          aria-label="Text to type"
          autoCapitalize="none"
          autoComplete="off"
          autoFocus
          className="mt-4 block h-28 w-full resize-y rounded-lg border border-line-strong/70 bg-canvas px-3 py-2 font-mono text-base sm:text-sm"
          data-testid="type-text-field"
          ref={field}
          spellCheck={false}
        />
        <label className="mt-3 flex items-center gap-2.5">
          <input className="size-4 accent-accent" ref={enter} type="checkbox" />
          Press Enter afterwards
        </label>
        <div className="mt-6 flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" testId="type-text-send" type="submit">Type it</Button>
        </div>
      </form>
    </dialog>
  );
}
