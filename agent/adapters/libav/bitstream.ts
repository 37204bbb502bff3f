/** What an encoder's packet becomes: the units that RTP carries, and whether a decoder can start. */
import { never, type VideoCodec } from "@farglass/protocol";
import { isH265Keyframe, withH265ParameterSets } from "../../core/h265_packetizer.ts";
import { hasIdr, joinAnnexB, splitAnnexB, withParameterSets } from "../../core/nal_units.ts";
import { hasKeyFrame, joinObus, splitObus, withSequenceHeader } from "../../core/obus.ts";
import type { EncodedFrame } from "../../core/ports.ts";
import { isVp8Keyframe } from "../../core/vp8_packetizer.ts";

/** Reads the packets of one encoder, in order. */
export class BitstreamReader {
  #parameterSets: readonly Uint8Array[] = [];
  #sequenceHeader: Uint8Array | null = null;

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
      case "h265": {
        const complete = withH265ParameterSets(splitAnnexB(data), this.#parameterSets);
        this.#parameterSets = complete.parameterSets;
        return { codec, units: complete.nals, keyframe: isH265Keyframe(complete.nals) };
      }
      case "av1": {
        const complete = withSequenceHeader(splitObus(data), this.#sequenceHeader);
        this.#sequenceHeader = complete.sequenceHeader;
        return { codec, units: complete.obus, keyframe: hasKeyFrame(complete.obus) };
      }
      default:
        return never(codec);
    }
  }
}

/** One picture's units as a decoder takes them. */
export function joinUnits({ codec, units }: Pick<EncodedFrame, "codec" | "units">): Uint8Array {
  switch (codec) {
    case "h264":
    case "h265":
      return joinAnnexB(units);
    case "vp8":
      return units[0];
    case "av1":
      return joinObus(units);
    default:
      return never(codec);
  }
}
