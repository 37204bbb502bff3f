/**
 * Input messages, console → agent. First byte is the type; integers are big-endian; coordinates
 * are desktop pixels.
 */
import { type CodedError, codedError } from "./errors.ts";
import { MAX_INPUT_MESSAGE_BYTES, MAX_TEXT_CODE_POINTS } from "./limits.ts";
import { err, ok, type Result } from "./result.ts";

export type InputMessage =
  /** `seq` orders motion on the unordered channel: an older one than the last seen is dropped. */
  | { readonly kind: "move"; readonly seq: number; readonly x: number; readonly y: number }
  /** Buttons as in X11: 1 left, 2 middle, 3 right, 4 back and 5 forward of W3C Pointer Events order. */
  | {
    readonly kind: "button";
    readonly seq: number;
    readonly x: number;
    readonly y: number;
    readonly button: number;
    readonly down: boolean;
  }
  /** Wheel in 1/120 of a notch; positive is right and down. */
  | {
    readonly kind: "wheel";
    readonly seq: number;
    readonly x: number;
    readonly y: number;
    readonly dx: number;
    readonly dy: number;
  }
  /**
   * `usage` is the physical key (USB HID usage page 7, 0 if unknown); `keysym` the character or
   * function it makes at the operator's layout (X11 keysym, 0 if none).
   */
  | {
    readonly kind: "key";
    readonly usage: number;
    readonly keysym: number;
    readonly down: boolean;
  }
  /** Finished text, as from an input method: Unicode code points. */
  | { readonly kind: "text"; readonly codePoints: readonly number[] }
  /** Every key and button up: focus was lost. */
  | { readonly kind: "release-all" };

const TYPE = { move: 1, button: 2, wheel: 3, key: 4, text: 5, "release-all": 6 } as const;
const LENGTH = { move: 9, button: 11, wheel: 13, key: 8, "release-all": 1 } as const;
export const MAX_BUTTON = 5;
export const MAX_USAGE = 0xff;
/** X11 keysyms have 29 bits (X Window System Protocol, appendix A). */
export const MAX_KEYSYM = 0x1fffffff;
const MAX_CODE_POINT = 0x10ffff;

export function encodeInput(input: InputMessage): Uint8Array {
  const length = input.kind === "text" ? 3 + input.codePoints.length * 4 : LENGTH[input.kind];
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  view.setUint8(0, TYPE[input.kind]);
  switch (input.kind) {
    case "move":
    case "button":
    case "wheel":
      view.setUint32(1, input.seq);
      view.setUint16(5, input.x);
      view.setUint16(7, input.y);
      if (input.kind === "button") {
        view.setUint8(9, input.button);
        view.setUint8(10, input.down ? 1 : 0);
      } else if (input.kind === "wheel") {
        view.setInt16(9, input.dx);
        view.setInt16(11, input.dy);
      }
      break;
    case "key":
      view.setUint8(1, input.down ? 1 : 0);
      view.setUint16(2, input.usage);
      view.setUint32(4, input.keysym);
      break;
    case "text":
      view.setUint16(1, input.codePoints.length);
      input.codePoints.forEach((cp, i) => view.setUint32(3 + i * 4, cp));
      break;
    case "release-all":
      break;
  }
  return out;
}

export function decodeInput(bytes: Uint8Array): Result<InputMessage, CodedError> {
  const bad = (what: string) => err(codedError("malformed", `input ${what}`));
  if (bytes.length > MAX_INPUT_MESSAGE_BYTES) return err(codedError("too-large"));
  if (bytes.length === 0) return bad("is empty");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (bytes[0]) {
    case TYPE.move:
      if (bytes.length !== LENGTH.move) return bad("length");
      return ok({ kind: "move", ...pointer(view) });
    case TYPE.button: {
      if (bytes.length !== LENGTH.button) return bad("length");
      const button = view.getUint8(9);
      if (button < 1 || button > MAX_BUTTON || view.getUint8(10) > 1) return bad("button");
      return ok({ kind: "button", ...pointer(view), button, down: view.getUint8(10) === 1 });
    }
    case TYPE.wheel:
      if (bytes.length !== LENGTH.wheel) return bad("length");
      return ok({ kind: "wheel", ...pointer(view), dx: view.getInt16(9), dy: view.getInt16(11) });
    case TYPE.key: {
      if (bytes.length !== LENGTH.key) return bad("length");
      const usage = view.getUint16(2);
      const keysym = view.getUint32(4);
      if (view.getUint8(1) > 1 || usage > MAX_USAGE || keysym > MAX_KEYSYM) return bad("key");
      if (usage === 0 && keysym === 0) return bad("key");
      return ok({ kind: "key", usage, keysym, down: view.getUint8(1) === 1 });
    }
    case TYPE.text: {
      if (bytes.length < 3) return bad("length");
      const count = view.getUint16(1);
      if (count === 0 || count > MAX_TEXT_CODE_POINTS || bytes.length !== 3 + count * 4) {
        return bad("length");
      }
      const codePoints: number[] = [];
      for (let i = 0; i < count; i++) {
        const cp = view.getUint32(3 + i * 4);
        if (cp > MAX_CODE_POINT || (cp >= 0xd800 && cp <= 0xdfff)) return bad("code point");
        codePoints.push(cp);
      }
      return ok({ kind: "text", codePoints });
    }
    case TYPE["release-all"]:
      return bytes.length === 1 ? ok({ kind: "release-all" }) : bad("length");
    default:
      return err(codedError("unknown-type", "input"));
  }
}

const pointer = (view: DataView) => ({
  seq: view.getUint32(1),
  x: view.getUint16(5),
  y: view.getUint16(7),
});
