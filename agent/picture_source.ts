/** The pictures of a desktop's encoders: the newest one is converted once for all who wait. Shell. */
import type { CodedError, Result } from "@farglass/protocol";
import type { Frame, PictureConverter, VideoPicture } from "./core/ports.ts";
import type { PictureSize } from "./video_lane.ts";

export interface PictureSourcePorts {
  openConverter(size: PictureSize): Promise<Result<PictureConverter, CodedError>>;
  /** The desktop's last picture; null while it cannot be read. */
  current(): Frame | null;
  onFailed(why: string): void;
}

/** An encoder that waits for a picture. */
export interface PictureTaker {
  /** The newest picture; it is held before this returns. */
  encode(picture: VideoPicture): void;
  /** There is no picture at the moment. */
  nothing(): void;
}

export class PictureSource<T extends PictureTaker> {
  readonly #waiting = new Set<T>();
  #converter: PictureConverter | null = null;
  #serving = false;
  #served: Promise<void> = Promise.resolve();
  #closed = false;
  /** Nobody encodes: the converter may go as soon as it is not at work. */
  #idle = false;

  constructor(private readonly ports: PictureSourcePorts) {}

  /** False when the picture has another size than before: nothing that waits fits it. */
  damage(frame: Frame): boolean {
    if (this.#converter === null) return true;
    if (!sameSize(this.#converter.size, frame)) return false;
    this.#converter.damage(frame.damage);
    return true;
  }

  want(taker: T): void {
    this.#idle = false;
    this.#waiting.add(taker);
    if (!this.#serving) this.#served = this.#serve();
  }

  forget(taker: T): void {
    this.#waiting.delete(taker);
  }

  /** Gives the converter back until somebody wants a picture again. */
  rest(): void {
    this.#idle = true;
    if (!this.#serving) this.#drop();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.clear();
    await this.#served;
    this.#drop();
  }

  async #serve(): Promise<void> {
    this.#serving = true;
    while (this.#waiting.size > 0 && !this.#closed) {
      const frame = this.ports.current();
      const converter = this.#converter;
      if (frame === null) {
        for (const taker of this.#take()) taker.nothing();
      } else if (converter === null || !sameSize(converter.size, frame)) {
        await this.#open(frame);
      } else {
        try {
          const picture = await converter.convert(frame);
          // Everybody takes hold of it before the next conversion can begin.
          for (const taker of this.#take()) taker.encode(picture);
        } catch (error) {
          this.#onFailed(error instanceof Error ? error.message : "unknown");
        }
      }
    }
    this.#serving = false;
    if (this.#idle) this.#drop();
  }

  #take(): T[] {
    const takers = [...this.#waiting];
    this.#waiting.clear();
    return takers;
  }

  async #open({ width, height }: PictureSize): Promise<void> {
    this.#drop();
    const opened = await this.ports.openConverter({ width, height });
    if (opened.ok) this.#converter = opened.value;
    else this.#onFailed(opened.error.message);
  }

  #onFailed(why: string): void {
    this.#drop();
    for (const taker of this.#take()) taker.nothing();
    this.ports.onFailed(why);
  }

  #drop(): void {
    this.#converter?.close();
    this.#converter = null;
  }
}

const sameSize = (a: PictureSize, b: PictureSize): boolean =>
  a.width === b.width && a.height === b.height;
