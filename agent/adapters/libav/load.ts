/**
 * FFmpeg through node-av; only this folder imports it. node-av brings a native part per platform,
 * so it is loaded on first use: an agent without it still serves the diff transports.
 */
import type { Frame as AvFrame } from "node-av/lib";
import { availableParallelism } from "node:os";
import { type CodedError, codedError, err, ok, type Result } from "@farglass/protocol";
import { evenSide } from "../../core/pixel_copy.ts";

export type Av = typeof import("node-av/lib");
export type AvConstants = typeof import("node-av/constants");
export interface Libav {
  readonly av: Av;
  readonly k: AvConstants;
}

let loading: Promise<Result<Libav, CodedError>> | undefined;

/** The library; the same one for everybody. */
export function loadLibav(): Promise<Result<Libav, CodedError>> {
  loading ??= (async () => {
    try {
      const [av, k] = await Promise.all([import("node-av/lib"), import("node-av/constants")]);
      av.Log.setLevel(k.AV_LOG_ERROR);
      // SVT-AV1 writes to stderr by itself, past FFmpeg's log; 0 leaves what ends the process.
      Deno.env.set("SVT_LOG", "0");
      return ok({ av, k });
    } catch {
      // The cause lists paths of this machine; what to do does not depend on it.
      return err(codedError(
        "encoder-failed",
        `no FFmpeg build for ${Deno.build.os}-${Deno.build.arch}; reinstall the agent's packages, or set diff only`,
      ));
    }
  })();
  return loading;
}

/** More slices than this cost compression and gain no time. */
const MAX_THREADS = 4;
export const threadCount = (): number => Math.min(MAX_THREADS, availableParallelism());

export const messageOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message : String(cause);

/** A frame with even sides and a buffer of its own, given back with `stack`. */
export function allocFrame(
  { av }: Libav,
  shape: { readonly width: number; readonly height: number; readonly format: AvFrame["format"] },
  stack: DisposableStack,
): AvFrame {
  const frame = stack.use(new av.Frame());
  frame.alloc();
  frame.format = shape.format;
  frame.width = evenSide(shape.width);
  frame.height = evenSide(shape.height);
  av.FFmpegError.throwIfError(frame.getBuffer(), "av_frame_get_buffer");
  return frame;
}
