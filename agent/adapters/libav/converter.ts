/**
 * BGRX to 4:2:0 for all encoders of a desktop, once per picture and only where it changed. The
 * picture lives on between frames: an encoder that still reads it keeps the old buffer, and the
 * next conversion goes on in a copy (av_frame_make_writable).
 */
import type { SwsFlags } from "node-av/constants";
import type { Frame as AvFrame, SoftwareScaleContext } from "node-av/lib";
import { Buffer } from "node:buffer";
import { type CodedError, codedError, err, ok, type Rect, type Result } from "@farglass/protocol";
import { DamageGrid } from "../../core/damage_grid.ts";
import { copyPadded, evenSide } from "../../core/pixel_copy.ts";
import type { Frame, PictureConverter, VideoPicture } from "../../core/ports.ts";
import { allocFrame, type AvConstants, type Libav, loadLibav, messageOf } from "./load.ts";

/** A picture in FFmpeg's hands; `frame` is good until the next conversion begins. */
export class LibavPicture implements VideoPicture {
  constructor(
    readonly width: number,
    readonly height: number,
    readonly capturedAtMs: number,
    readonly frame: AvFrame,
  ) {}
}

/** Up to so many pixels (0.3 ms) the hand-over to another thread would take longer. */
const SYNC_PIXELS = 160_000;
/** One call for nearly everything is quicker than many for the rest. */
const WHOLE_SHARE = 0.7;
/** Scalers by size; a desktop's usual damage needs a handful, and each holds about 100 KB. */
const MAX_SCALERS = 48;
const BYTES_PER_PIXEL = 4;

interface Source {
  readonly bytes: Buffer;
  readonly strideBytes: number;
}

interface Planes {
  readonly data: readonly Buffer[];
  readonly strides: readonly number[];
}

/** Opens the converter for pictures of one size; odd sides become one pixel larger. */
export async function openConverter(
  size: { readonly width: number; readonly height: number },
): Promise<Result<PictureConverter, CodedError>> {
  const loaded = await loadLibav();
  if (!loaded.ok) return loaded;
  const { k } = loaded.value;
  const stack = new DisposableStack();
  try {
    const picture = allocFrame(loaded.value, { ...size, format: k.AV_PIX_FMT_YUV420P }, stack);
    picture.colorSpace = k.AVCOL_SPC_SMPTE170M;
    picture.colorRange = k.AVCOL_RANGE_MPEG;
    return ok(new LibavConverter(loaded.value, size, picture, stack.move()));
  } catch (cause) {
    stack.dispose();
    const { width, height } = size;
    return err(
      codedError("encoder-failed", `no picture of ${width}x${height} (${messageOf(cause)})`),
    );
  }
}

class LibavConverter implements PictureConverter {
  readonly #grid: DamageGrid;
  /** For pictures with odd sides, or that may change while another thread reads them. */
  #staging: Buffer | null = null;
  readonly #scalers = new Map<string, SoftwareScaleContext>();
  readonly #width: number;
  readonly #height: number;
  #planes: Planes | null = null;
  #busy = false;
  #closed = false;

  constructor(
    private readonly lib: Libav,
    readonly size: { readonly width: number; readonly height: number },
    private readonly picture: AvFrame,
    private readonly resources: DisposableStack,
  ) {
    this.#width = evenSide(size.width);
    this.#height = evenSide(size.height);
    this.#grid = new DamageGrid(this.#width, this.#height);
  }

  damage(rects: readonly Rect[]): void {
    this.#grid.add(rects);
  }

  async convert(frame: Frame): Promise<VideoPicture> {
    if (this.#closed) throw new Error("The converter is closed");
    if (this.#busy) throw new Error("The converter takes one frame at a time");
    this.#busy = true;
    try {
      const whole = this.#grid.share > WHOLE_SHARE;
      const rects = this.#grid.take();
      const work = whole
        ? [{ x: 0, y: 0, width: this.#width, height: this.#height }]
        : rects.flatMap(powerOfTwoRows);
      // The live pixels are read before anything suspends, or held.
      await this.#convertRects(frame, work);
      const { width, height, capturedAtMs } = frame;
      return new LibavPicture(width, height, capturedAtMs, this.picture);
    } finally {
      this.#busy = false;
      if (this.#closed) this.#free();
    }
  }

  async #convertRects(frame: Frame, rects: readonly Rect[]): Promise<void> {
    if (rects.length === 0) return;
    const target = this.#writable();
    const pixels = rects.reduce((sum, { width, height }) => sum + width * height, 0);
    const even = frame.width === this.#width && frame.height === this.#height;
    if (even && (pixels <= SYNC_PIXELS || frame.hold !== undefined)) {
      const { buffer, byteOffset, byteLength } = frame.pixels;
      const live = Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
      const source = { bytes: live, strideBytes: frame.strideBytes };
      if (pixels <= SYNC_PIXELS) this.#scaleNow(source, rects, target);
      else await this.#scale(source, { rects, target, release: frame.hold?.() });
      return;
    }
    const strideBytes = this.#width * BYTES_PER_PIXEL;
    this.#staging ??= Buffer.alloc(strideBytes * this.#height);
    const source = { bytes: this.#staging, strideBytes };
    for (const rect of rects) copyPadded(frame, rect, source);
    await this.#scale(source, { rects, target });
  }

  #scaleNow(source: Source, rects: readonly Rect[], target: Planes): void {
    for (const rect of rects) {
      const rows = this.#scaler(rect).scaleSync(...from(source, rect), ...to(target, rect));
      this.lib.av.FFmpegError.throwIfError(rows, "sws_scale");
    }
  }

  /** On another thread; calls `release` when nothing reads `source` any more. */
  async #scale(
    source: Source,
    { rects, target, release }: {
      readonly rects: readonly Rect[];
      readonly target: Planes;
      readonly release?: () => void;
    },
  ): Promise<void> {
    try {
      for (const rect of rects) {
        const rows = await this.#scaler(rect).scale(...from(source, rect), ...to(target, rect));
        this.lib.av.FFmpegError.throwIfError(rows, "sws_scale");
      }
    } finally {
      release?.();
    }
  }

  #writable(): Planes {
    if (this.#planes === null || !this.picture.isWritable) {
      this.lib.av.FFmpegError.throwIfError(this.picture.makeWritable(), "av_frame_make_writable");
      const data = this.picture.data;
      if (data === null) throw new Error("The frame has no buffer");
      this.#planes = { data: data.slice(0, 3), strides: this.picture.linesize.slice(0, 3) };
    }
    return this.#planes;
  }

  #scaler({ width, height }: Rect): SoftwareScaleContext {
    const key = `${width}x${height}`;
    let scaler = this.#scalers.get(key);
    if (scaler === undefined) {
      const { av, k } = this.lib;
      scaler = new av.SoftwareScaleContext();
      const [bgr, yuv] = [k.AV_PIX_FMT_BGR0, k.AV_PIX_FMT_YUV420P];
      scaler.getContext(width, height, bgr, width, height, yuv, scalerFlags(k));
    }
    // The one used last is the last to go.
    this.#scalers.delete(key);
    this.#scalers.set(key, scaler);
    if (this.#scalers.size > MAX_SCALERS) {
      const [oldest] = this.#scalers;
      oldest[1].freeContext();
      this.#scalers.delete(oldest[0]);
    }
    return scaler;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#busy) this.#free();
  }

  #free(): void {
    for (const scaler of this.#scalers.values()) scaler.freeContext();
    this.#scalers.clear();
    this.#planes = null;
    this.resources.dispose();
  }
}

/**
 * Area, because its chroma is the mean of the 2×2 pixels and so has no seam at the edges of a
 * rectangle; bilinear looks at neighbours. Chroma is made of every pixel and then averaged, for
 * only that way swscale has SIMD code: 2.8 ms instead of 3.6 at 1920×1080.
 */
const scalerFlags = (k: AvConstants): SwsFlags =>
  (k.SWS_AREA | k.SWS_FULL_CHR_H_INP) as number as SwsFlags;

/** Heights of 32·2^n rows, so that few scalers serve every shape. */
function powerOfTwoRows(rect: Rect): Rect[] {
  const parts: Rect[] = [];
  let { y, height } = rect;
  while (height > 0) {
    const rows = height < 32 ? height : 2 ** Math.floor(Math.log2(height));
    parts.push({ ...rect, y, height: rows });
    y += rows;
    height -= rows;
  }
  return parts;
}

/** A rectangle of the source, as swscale takes it. */
function from({ bytes, strideBytes }: Source, rect: Rect): [Buffer[], number[], number, number] {
  const start = bytes.subarray(rect.y * strideBytes + rect.x * BYTES_PER_PIXEL);
  return [[start], [strideBytes], 0, rect.height];
}

/** Where a rectangle begins in each plane. */
function to({ data, strides }: Planes, { x, y }: Rect): [Buffer[], number[]] {
  const at = data.map((plane, i) =>
    i === 0 ? plane.subarray(y * strides[i] + x) : plane.subarray((y >> 1) * strides[i] + (x >> 1))
  );
  return [at, [...strides]];
}
