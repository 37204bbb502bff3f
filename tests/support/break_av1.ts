/**
 * Loaded into an agent before its program (`deno run --preload`): from SIGUSR2 on, an AV1 encoder
 * has lost its context when the next picture comes, as after a driver's reset, and fails in earnest.
 */
import { CodecContext } from "node-av/lib";
import { AV_CODEC_ID_AV1 } from "node-av/constants";

let broken = false;
Deno.addSignalListener("SIGUSR2", () => broken = true);

const { sendFrame } = CodecContext.prototype;
CodecContext.prototype.sendFrame = function (frame) {
  if (broken && this.codecId === AV_CODEC_ID_AV1) this.freeContext();
  return sendFrame.call(this, frame);
};
