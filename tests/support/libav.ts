/** Encoders for tests that have pictures of their own: converts and encodes in one call. */
import { findEncoder } from "../../agent/adapters/libav/catalogue.ts";
import { openConverter } from "../../agent/adapters/libav/converter.ts";
import { openLibavEncoder } from "../../agent/adapters/libav/encoder.ts";
import type { EncodedFrame, Frame, VideoEncoder, VideoKnobs } from "../../agent/core/ports.ts";

export interface TestEncoder {
  encode(frame: Frame, keyframe: boolean): Promise<EncodedFrame>;
  setRate(rate: VideoKnobs): void;
  readonly encoder: VideoEncoder;
  close(): void;
}

/** Opens an encoder, libx264 by default, with a converter of its own. */
export async function openTestEncoder(options: {
  readonly width: number;
  readonly height: number;
  readonly bitrateKbps: number;
  readonly maxFps: number;
  readonly encoder?: string;
}): Promise<TestEncoder> {
  const { width, height } = options;
  const opened = await openLibavEncoder({ encoder: "libx264", quality: "balanced", ...options });
  if (!opened.ok) throw new Error(opened.error.message);
  const converter = await openConverter({ width, height });
  if (!converter.ok) throw new Error(converter.error.message);
  return {
    encoder: opened.value,
    async encode(frame, keyframe) {
      converter.value.damage(frame.damage);
      return await opened.value.encode(await converter.value.convert(frame), keyframe);
    },
    setRate: (rate) => opened.value.setRate(rate),
    close() {
      opened.value.close();
      converter.value.close();
    },
  };
}

/** What the pipeline is offered in tests: the software encoder. */
export const LIBX264 = findEncoder("libx264")!.caps;
