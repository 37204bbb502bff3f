/** Tells the server what one operator listens to and looks at, for who watches over sessions. */
import type { Reason, ViewerChoice } from "@farglass/protocol";
import { ChoicePacer } from "./core/choice_pacer.ts";

export interface ViewerChoicesPorts {
  now(): number;
  /** VIEWER_CHOICE to the server. */
  onChoice?(choice: ViewerChoice): void;
}

/** Shell of core/choice_pacer.ts. */
export class ViewerChoices {
  readonly #pacer = new ChoicePacer();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `shown` is the display that the viewer is shown at first. */
  constructor(private readonly ports: ViewerChoicesPorts, private shown: string | null) {}

  sound(on: boolean): void {
    this.#add({ kind: "sound", on });
  }

  /** What is shown now; nothing is told when it is what was shown before. */
  display(to: string | null, reason?: Reason): void {
    const from = this.shown;
    if (from === to) return;
    this.shown = to;
    this.#add({ kind: "display", from, to, reason });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #add(choice: ViewerChoice): void {
    this.#pacer.add(choice);
    if (this.#timer === undefined) this.#send();
  }

  #send(): void {
    this.#timer = undefined;
    const choice = this.#pacer.take(this.ports.now());
    if (choice !== null) this.ports.onChoice?.(choice);
    const { dueMs } = this.#pacer;
    if (dueMs === null) return;
    this.#timer = setTimeout(() => this.#send(), Math.max(1, dueMs - this.ports.now()));
  }
}
