/**
 * Input methods and dead keys on an element that is no text field, by the EditContext API (W3C
 * EditContext, 2024; Chromium only). Elsewhere keys still work, one character a key.
 */
interface EditContextLike extends EventTarget {
  readonly text: string;
  updateText(start: number, end: number, text: string): void;
}
type WithEditContext = HTMLElement & { editContext?: EditContextLike | null };

/** Calls `onText` with finished text; returns the way to stop. */
export function listenInputMethod(
  element: HTMLElement,
  onText: (text: string) => void,
): () => void {
  const make = (globalThis as { EditContext?: new () => EditContextLike }).EditContext;
  const target: WithEditContext = element;
  // A phone would raise its keyboard at every touch; it has a button for that.
  if (make === undefined || matchMedia("(pointer: coarse)").matches) return () => undefined;
  const context = new make();
  let composing = false;
  const flush = () => {
    const { text } = context;
    if (composing || text === "") return;
    context.updateText(0, text.length, "");
    onText(text);
  };
  context.addEventListener("compositionstart", () => composing = true);
  context.addEventListener("compositionend", () => {
    composing = false;
    flush();
  });
  context.addEventListener("textupdate", flush);
  target.editContext = context;
  element.style.caretColor = "transparent";
  return () => {
    target.editContext = null;
    element.style.caretColor = "";
  };
}
