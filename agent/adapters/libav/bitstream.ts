/** What an encoder's packet becomes: the units that RTP carries, and whether a decoder can start. */
import { never, type VideoCodec } from "@farglass/protocol";
import { hasIdr, splitAnnexB, withParameterSets } from "../../core/nal_units.ts";
import type { EncodedFrame } from "../../core/ports.ts";
import { isVp8Keyframe } from "../../core/vp8_packetizer.ts";

/** Reads the packets of one encoder, in order. */
export class BitstreamReader {
  #parameterSets: readonly Uint8Array[] = [];

  constructor(readonly codec: VideoCodec) {}

  /** `data` belongs to the result. */
  read(data: Uint8Array): Pick<EncodedFrame, "codec" | "units" | "keyframe"> {
    const { codec } = this;
    switch (codec) {
      case "h264": {
        const nals = splitAnnexB(data);
        const complete = withParameterSets(nals, this.#parameterSets);
        this.#parameterSets = complete.parameterSets;
        return { codec, units: complete.nals, keyframe: hasIdr(nals) };
      }
      case "vp8":
        return { codec, units: [data], keyframe: isVp8Keyframe(data) };
      case "h265":
      case "av1":
        throw new Error(`${codec} is not sent yet`);
      default:
        return never(codec);
    }
  }
}
