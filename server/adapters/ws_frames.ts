/**
 * Text frames of a WebSocket server: whole messages without a mask (RFC 6455, section 5.2), as
 * one string of bytes. The runtime hands such a string to the kernel as it is; the library makes
 * two pieces of each message and a list of them all.
 */

/** FIN and the opcode of text, then the length or what says how long it is. */
const FIN_TEXT = "\x81";
const LENGTH_16 = "\x7e";
const LENGTH_64 = "\x7f";
const MAX_SHORT = 125;
const MAX_MEDIUM = 0xffff;

// deno-lint-ignore no-control-regex -- exactly these are one byte each in UTF-8
const ASCII = /^[\x00-\x7f]*$/;

/** Several messages one after the other, in `latin1`; null when one of them is not ASCII. */
export function asciiFrames(texts: readonly string[]): string | null {
  let frames = "";
  for (const text of texts) {
    if (!ASCII.test(text)) return null;
    frames += headerOf(text.length) + text;
  }
  return frames;
}

function headerOf(bytes: number): string {
  if (bytes <= MAX_SHORT) return FIN_TEXT + String.fromCharCode(bytes);
  if (bytes <= MAX_MEDIUM) {
    return FIN_TEXT + LENGTH_16 + String.fromCharCode(bytes >> 8, bytes & 0xff);
  }
  const low = [24, 16, 8, 0].map((shift) => (bytes >>> shift) & 0xff);
  return FIN_TEXT + LENGTH_64 + String.fromCharCode(0, 0, 0, 0, ...low);
}
