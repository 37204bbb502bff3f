/** `painter.ts film`: shows a film as an X client does, picture after picture at its rate. */
import { CELL_PX, CELLS } from "./clock_cells.ts";
import type { XClient } from "./x11.ts";

const BYTES_PER_PIXEL = 4;
const Z_PIXMAP = 2;
const BITMAP_PAD = 32;

export interface FilmPlace {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A film that stands in pixmaps of the X server, so that showing a picture is one small request. */
export class Film {
  readonly #pixmaps: readonly bigint[];
  readonly #gc: Deno.PointerValue;
  readonly #window: bigint;
  #next = 0;

  /** Reads raw pictures (bgr0, `place.width` × `place.height`) from `file` and opens the window. */
  constructor(private readonly client: XClient, file: string, private readonly place: FilmPlace) {
    const { x, display, root, screen } = client;
    const { left, top, width, height } = place;
    this.#gc = x.XCreateGC(display, root, 0n, null);
    x.XSetGraphicsExposures(display, this.#gc, 0);
    const bytes = Deno.readFileSync(file);
    const size = width * height * BYTES_PER_PIXEL;
    const depth = x.XDefaultDepth(display, screen);
    this.#pixmaps = Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => {
      const pixmap = x.XCreatePixmap(display, root, width, height, depth);
      const visual = x.XDefaultVisual(display, screen);
      const pixels = bytes.slice(i * size, (i + 1) * size);
      const stride = width * BYTES_PER_PIXEL;
      const image = x.XCreateImage(
        ...[display, visual, depth, Z_PIXMAP, 0, pixels] as const,
        ...[width, height, BITMAP_PAD, stride] as const,
      );
      x.XPutImage(display, pixmap, this.#gc, image, 0, 0, 0, 0, width, height);
      x.XSync(display, 0);
      // Only the structure: the pixels are ours.
      x.XFree(image);
      return pixmap;
    });
    if (this.#pixmaps.length === 0) throw new Error(`No picture in "${file}"`);
    this.#window = x.XCreateSimpleWindow(display, root, left, top, width, height, 0, 0n, 0n);
    x.XMapRaised(display, this.#window);
    x.XSync(display, 0);
  }

  /** Puts the next picture on the screen. */
  show(): void {
    const { x, display } = this.client;
    const pixmap = this.#pixmaps[this.#next++ % this.#pixmaps.length];
    const { width, height } = this.place;
    x.XCopyArea(display, pixmap, this.#window, this.#gc, 0, 0, width, height, 0, 0);
  }

  /** Where the clock can be painted over the film. */
  get window(): bigint {
    return this.#window;
  }

  get holdsClock(): boolean {
    const { left, top, width, height } = this.place;
    return left === 0 && top === 0 && width >= CELLS * CELL_PX && height >= CELL_PX;
  }
}
