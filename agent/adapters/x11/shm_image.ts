import { err, ok, type Result } from "@farglass/protocol";
import type { RowBand } from "../../core/region.ts";
import type { XConnection } from "./connection.ts";
import { fixedBytes, pointerAt, SHM_INFO, viewAt, XIMAGE } from "./layout.ts";
import type { X11Libraries, X11OpenError } from "./libraries.ts";

const Z_PIXMAP = 2;
const ALL_PLANES = 0xffffffffffffffffn;
/**
 * swscale reads narrow rectangles by whole vectors, up to so much past the last pixel: where the
 * picture fills its pages exactly (1032×1024), that would be nobody's memory.
 */
const READ_PAST_BYTES = 64;
const IPC_PRIVATE = 0;
const IPC_CREAT = 0o1000;
const IPC_RMID = 0;
const OWNER_ONLY = 0o600;
const SHMAT_FAILED = 0xffffffffffffffffn;
const LSB_FIRST = 0;
const BITS_PER_PIXEL = 32;

/** A picture of the whole screen in memory shared with the X server. */
export class ShmImage {
  readonly width: number;
  readonly height: number;
  readonly strideBytes: number;
  /** BGRX; empty after `close`, so that a late reader sees nothing instead of unmapped memory. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly #libraries: X11Libraries;
  readonly #connection: XConnection;
  readonly #image: Deno.PointerObject;
  readonly #head: DataView;
  /** XShmSegmentInfo: the image points to it, so it must live as long (else BadShmSeg). */
  readonly #info: Uint8Array<ArrayBuffer>;
  readonly #address: Deno.PointerObject;

  private constructor(
    libraries: X11Libraries,
    connection: XConnection,
    parts: {
      readonly width: number;
      readonly height: number;
      readonly strideBytes: number;
      readonly image: Deno.PointerObject;
      readonly info: Uint8Array<ArrayBuffer>;
      readonly address: Deno.PointerObject;
    },
  ) {
    this.#libraries = libraries;
    this.#connection = connection;
    this.width = parts.width;
    this.height = parts.height;
    this.strideBytes = parts.strideBytes;
    this.#image = parts.image;
    this.#head = viewAt(parts.image, XIMAGE.bytes);
    this.#info = parts.info;
    this.#address = parts.address;
    this.pixels = new Uint8Array(
      Deno.UnsafePointerView.getArrayBuffer(parts.address, parts.strideBytes * parts.height),
    );
  }

  /** Makes an image of the screen's size and depth that the server can write into. */
  static create(
    libraries: X11Libraries,
    connection: XConnection,
    size: { readonly width: number; readonly height: number },
  ): Result<ShmImage, X11OpenError> {
    const { x, ext, c } = libraries;
    const { display, screen } = connection;
    const { width, height } = size;
    const unshared = err<X11OpenError>({
      code: "shared-memory",
      message:
        "Run the agent on the X server's own machine and container: they cannot share memory",
    });
    const info = fixedBytes(SHM_INFO.bytes);
    const image = ext.XShmCreateImage(
      display,
      x.XDefaultVisual(display, screen),
      x.XDefaultDepth(display, screen),
      Z_PIXMAP,
      null,
      info,
      width,
      height,
    );
    if (image === null) return unshared;
    const head = viewAt(image, XIMAGE.bytes);
    const strideBytes = head.getInt32(XIMAGE.bytesPerLine, true);
    const bits = head.getInt32(XIMAGE.bitsPerPixel, true);
    if (bits !== BITS_PER_PIXEL || head.getInt32(XIMAGE.byteOrder, true) !== LSB_FIRST) {
      x.XDestroyImage(image);
      return err({
        code: "screen-unsupported",
        message:
          `Use a screen with 32 bits per pixel, least significant byte first: it has ${bits}`,
      });
    }
    const bytes = BigInt(strideBytes * height + READ_PAST_BYTES);
    const id = c.shmget(IPC_PRIVATE, bytes, IPC_CREAT | OWNER_ONLY);
    const address = id < 0 ? null : c.shmat(id, null, 0);
    // Linux still lets the server attach to a segment that is marked for removal, so that
    // nothing is left behind whenever this process ends.
    if (id >= 0) c.shmctl(id, IPC_RMID, null);
    if (address === null || Deno.UnsafePointer.value(address) === SHMAT_FAILED) {
      x.XDestroyImage(image);
      return err({
        code: "shared-memory",
        message: "Raise the limits of shared memory (kernel.shmmax, kernel.shmall): none was given",
      });
    }
    const infoView = new DataView(info.buffer);
    infoView.setInt32(SHM_INFO.shmid, id, true);
    infoView.setBigUint64(SHM_INFO.shmaddr, Deno.UnsafePointer.value(address), true);
    infoView.setInt32(SHM_INFO.readOnly, 0, true);
    head.setBigUint64(XIMAGE.data, Deno.UnsafePointer.value(address), true);
    connection.takeError();
    const attached = ext.XShmAttach(display, info) !== 0 && connection.sync() === null;
    if (!attached || connection.lost) {
      x.XDestroyImage(image);
      c.shmdt(address);
      return unshared;
    }
    return ok(
      new ShmImage(libraries, connection, {
        width,
        height,
        strideBytes,
        image,
        info,
        address: pointerAt(head, XIMAGE.data),
      }),
    );
  }

  /**
   * Reads these rows of the screen into `pixels`; false when the screen's size has changed or the
   * server is gone. 1080 rows take a millisecond, in which the server does nothing else.
   */
  read(bands: readonly RowBand[]): boolean {
    const { display, root } = this.#connection;
    const start = Deno.UnsafePointer.value(this.#address);
    let done = true;
    for (const { y, height } of bands) {
      // A band is an image of fewer rows further down in the same segment.
      this.#head.setInt32(XIMAGE.height, height, true);
      this.#head.setBigUint64(XIMAGE.data, start + BigInt(y * this.strideBytes), true);
      done = this.#libraries.ext.XShmGetImage(display, root, this.#image, 0, y, ALL_PLANES) !== 0;
      if (!done) break;
    }
    this.#head.setInt32(XIMAGE.height, this.height, true);
    this.#head.setBigUint64(XIMAGE.data, start, true);
    return done && !this.#connection.lost;
  }

  close(): void {
    const { x, ext, c } = this.#libraries;
    if (!this.#connection.lost) {
      ext.XShmDetach(this.#connection.display, this.#info);
      this.#connection.sync();
    }
    x.XDestroyImage(this.#image);
    // Moving the buffer away detaches every view of it before the memory goes.
    this.pixels.buffer.transfer();
    c.shmdt(this.#address);
  }
}
