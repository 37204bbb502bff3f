/**
 * Which video format a viewer is sent: the best one that both ends have, until its encoders fail
 * and another format takes over. A format that gave way stays so for the session: whoever comes
 * back to it would pay for a keyframe to find out. Pure.
 */
import type { FormatReason, VideoCodec } from "@farglass/protocol";

/** What every browser but a few takes. */
export const USUAL_CODEC: VideoCodec = "h264";

/** What is in force for one viewer. */
export interface ChosenFormat {
  readonly codec: VideoCodec;
  /** False when no agreed format has an encoder that works. */
  readonly available: boolean;
  /** Another format takes over where this one has a single encoder, which gets no second try. */
  readonly spare: boolean;
  readonly reason: FormatReason;
}

/** One viewer's choice. */
export class FormatChoice {
  #agreed: readonly VideoCodec[] = [];
  readonly #gaveWay = new Set<VideoCodec>();
  #failures = 0;

  /** Decisions by reason since the session began. */
  get decisions(): Readonly<Partial<Record<FormatReason, number>>> {
    return this.#failures === 0 ? {} : { "format-failed": this.#failures };
  }

  /** What a peer has agreed on, the best first; nothing of it while none is connected. */
  agree(codecs: readonly VideoCodec[]): void {
    if (codecs.length > 0) this.#agreed = codecs;
  }

  /** `works` says whether a format has an encoder that works now. */
  choose(works: (codec: VideoCodec) => boolean): ChosenFormat {
    const agreed = this.#agreed.length > 0 ? this.#agreed : [USUAL_CODEC];
    const left = agreed.filter((codec) => !this.#gaveWay.has(codec));
    const candidates = left.length > 0 ? left : agreed;
    const found = candidates.find(works);
    const codec = found ?? candidates[0];
    if (found !== undefined && found !== candidates[0]) this.#giveWay(candidates, found);
    const others = candidates.slice(candidates.indexOf(codec) + 1);
    return {
      codec,
      available: found !== undefined,
      // The usual one is worth a second try before one that costs more.
      spare: codec !== USUAL_CODEC && others.some(works),
      reason: agreed.slice(0, agreed.indexOf(codec)).some((better) => this.#gaveWay.has(better))
        ? "format-failed"
        : "format-best",
    };
  }

  #giveWay(candidates: readonly VideoCodec[], to: VideoCodec): void {
    for (const codec of candidates.slice(0, candidates.indexOf(to))) this.#gaveWay.add(codec);
    this.#failures++;
  }
}
