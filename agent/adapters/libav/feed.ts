/** Brings the converter's picture into the form an encoder takes: planes, NV12, or a surface. */
import type { CodecContext, Frame as AvFrame } from "node-av/lib";
import type { EncoderInput } from "./catalogue.ts";
import { allocFrame, type Libav } from "./load.ts";

/** Hands pictures to one encoder. */
export interface Feed {
  /** Holds `picture` at once; the frame it resolves to is good until `release`. */
  take(picture: AvFrame): Promise<AvFrame>;
  release(): void;
}

/** Surfaces in flight: one being encoded, one being filled, and what the driver keeps. */
const SURFACE_POOL = 8;

/** Prepares `context`, which is not open yet, for pictures of its size. */
export function openFeed(
  lib: Libav,
  context: CodecContext,
  { input, stack }: { readonly input: EncoderInput; readonly stack: DisposableStack },
): Feed {
  const { k } = lib;
  switch (input) {
    case "yuv420p":
      context.pixelFormat = k.AV_PIX_FMT_YUV420P;
      return planes(lib, stack);
    case "nv12":
      context.pixelFormat = k.AV_PIX_FMT_NV12;
      return interleaved(lib, context, stack);
    case "vaapi":
      context.pixelFormat = k.AV_PIX_FMT_VAAPI;
      return surfaces(lib, context, stack);
  }
}

function planes({ av }: Libav, stack: DisposableStack): Feed {
  const held = stack.use(new av.Frame());
  held.alloc();
  return {
    take(picture) {
      av.FFmpegError.throwIfError(held.ref(picture), "av_frame_ref");
      return Promise.resolve(held);
    },
    release: () => held.unref(),
  };
}

function interleaved(lib: Libav, context: CodecContext, stack: DisposableStack): Feed {
  const { av, k } = lib;
  const { width, height } = context;
  const held = stack.use(new av.Frame());
  held.alloc();
  const nv12 = allocFrame(lib, { width, height, format: k.AV_PIX_FMT_NV12 }, stack);
  const scaler = stack.use(new av.SoftwareScaleContext());
  const { AV_PIX_FMT_YUV420P: from, AV_PIX_FMT_NV12: into } = k;
  scaler.getContext(width, height, from, width, height, into, k.SWS_POINT);
  const check = av.FFmpegError.throwIfError;
  return {
    async take(picture) {
      check(held.ref(picture), "av_frame_ref");
      try {
        check(nv12.makeWritable(), "av_frame_make_writable");
        check(await scaler.scaleFrame(nv12, held), "sws_scale_frame");
        check(nv12.copyProps(held), "av_frame_copy_props");
      } finally {
        held.unref();
      }
      return nv12;
    },
    release: () => {},
  };
}

/** A device with its surfaces (hwdevice and hwframes contexts), and the upload into them. */
function surfaces(lib: Libav, context: CodecContext, stack: DisposableStack): Feed {
  const { av, k } = lib;
  const check = av.FFmpegError.throwIfError;
  const device = stack.use(new av.HardwareDeviceContext());
  check(device.create(k.AV_HWDEVICE_TYPE_VAAPI, null, null), "av_hwdevice_ctx_create");
  const pool = stack.use(new av.HardwareFramesContext());
  pool.alloc(device);
  pool.format = k.AV_PIX_FMT_VAAPI;
  pool.swFormat = k.AV_PIX_FMT_NV12;
  pool.width = context.width;
  pool.height = context.height;
  pool.initialPoolSize = SURFACE_POOL;
  check(pool.init(), "av_hwframe_ctx_init");
  context.hwDeviceCtx = device;
  context.hwFramesCtx = pool;
  const source = interleaved(lib, context, stack);
  const surface = stack.use(new av.Frame());
  surface.alloc();
  return {
    async take(picture) {
      const nv12 = await source.take(picture);
      check(pool.getBuffer(surface), "av_hwframe_get_buffer");
      check(await pool.transferData(surface, nv12), "av_hwframe_transfer_data");
      check(surface.copyProps(nv12), "av_frame_copy_props");
      return surface;
    },
    release: () => surface.unref(),
  };
}
