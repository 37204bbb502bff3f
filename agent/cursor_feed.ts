/** What one viewer hears of the cursor: its shape at once, its position as often as is of use. */
import type { ControlMessage } from "@farglass/protocol";
import { cropCursor } from "./core/cursor_shape.ts";
import type { CursorShape } from "./core/ports.ts";
import type { PlaceOnDisplay } from "./display_view.ts";

export interface CursorFeedPorts {
  now(): number;
  base64(bytes: Uint8Array): string;
  send(message: ControlMessage): void;
  /** Whether the console shows anything, and whether by data channels. */
  shown(): boolean;
  byChannel(): boolean;
}

/** Cursor positions by data channel and by relay: the newest counts, and none is urgent. */
const CHANNEL_INTERVAL_MS = 16;
const RELAY_INTERVAL_MS = 50;

export const positionMessage = ({ x, y, away }: PlaceOnDisplay): ControlMessage => ({
  op: "cursor-position",
  x,
  y,
  ...(away ? { away } : {}),
});

export class CursorFeed {
  readonly #ports: CursorFeedPorts;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sentMs = -RELAY_INTERVAL_MS;
  #position: PlaceOnDisplay | null = null;

  constructor(ports: CursorFeedPorts) {
    this.#ports = ports;
  }

  message(shape: CursorShape): ControlMessage {
    const cropped = cropCursor(shape);
    const { width, height, hotX, hotY } = cropped;
    return { op: "cursor", width, height, hotX, hotY, rgba: this.#ports.base64(cropped.rgba) };
  }

  shape(shape: CursorShape): void {
    if (this.#ports.shown()) this.#ports.send(this.message(shape));
  }

  position(place: PlaceOnDisplay): void {
    // Where on another display it is, is nothing to tell.
    if (place.away && this.#position?.away === true) return;
    this.#position = place;
    if (!this.#ports.shown() || this.#timer !== undefined) return;
    const every = this.#ports.byChannel() ? CHANNEL_INTERVAL_MS : RELAY_INTERVAL_MS;
    const waitMs = this.#sentMs + every - this.#ports.now();
    if (waitMs <= 0) this.#sendPosition();
    else {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#sendPosition();
      }, waitMs);
    }
  }

  #sendPosition(): void {
    if (this.#position === null || !this.#ports.shown()) return;
    this.#sentMs = this.#ports.now();
    this.#ports.send(positionMessage(this.#position));
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
