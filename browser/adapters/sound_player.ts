/** Plays the desktop's sound, out of sight: an element of its own, for the picture's stays muted. */

export class SoundPlayer {
  readonly #element = globalThis.document?.createElement("audio") ?? null;
  #stream: MediaStream | null = null;

  constructor(private readonly onBlocked: () => void) {
    if (this.#element === null) return;
    this.#element.dataset.testid = "desktop-sound";
    document.body.append(this.#element);
  }

  /** Plays this and nothing else. */
  play(stream: MediaStream | null): void {
    const element = this.#element;
    if (element === null || this.#stream === stream) return;
    this.#stream = stream;
    element.srcObject = stream;
    if (stream === null) return;
    element.play().catch((error) => {
      // Put off by a newer stream, or by a browser that has not seen a click yet.
      if (this.#stream === stream && error?.name === "NotAllowedError") this.onBlocked();
    });
  }
}
