import { MAX_CURSOR_SIDE_PX } from "@farglass/protocol";
import { ARROW_CURSOR } from "../../core/arrow_cursor.ts";
import { cursorShape, HIDDEN_CURSOR } from "../../core/cursor_shape.ts";
import type { CursorShape } from "../../core/ports.ts";
import type { XConnection } from "./connection.ts";
import { CURSOR_IMAGE, fixedBytes, pointerAt, viewAt, XI_EVENT_MASK } from "./layout.ts";
import type { X11Libraries } from "./libraries.ts";

const XFIXES_DISPLAY_CURSOR_NOTIFY_MASK = 1n;
const XI_ALL_MASTER_DEVICES = 1;
export const XI_RAW_MOTION = 17;

/** Asks for an event at each change of the cursor's shape and at each motion of the pointer. */
export function selectCursorEvents(libraries: X11Libraries, connection: XConnection): void {
  const { display, root } = connection;
  libraries.fixes.XFixesSelectCursorInput(display, root, XFIXES_DISPLAY_CURSOR_NOTIFY_MASK);
  const bits = fixedBytes(4);
  bits[XI_RAW_MOTION >> 3] |= 1 << (XI_RAW_MOTION & 7);
  const mask = fixedBytes(XI_EVENT_MASK.bytes);
  const view = new DataView(mask.buffer);
  view.setInt32(XI_EVENT_MASK.deviceid, XI_ALL_MASTER_DEVICES, true);
  view.setInt32(XI_EVENT_MASK.maskLen, bits.length, true);
  view.setBigUint64(
    XI_EVENT_MASK.mask,
    Deno.UnsafePointer.value(Deno.UnsafePointer.of(bits)),
    true,
  );
  libraries.xi.XISelectEvents(display, root, mask, 1);
  // Xlib has read `mask` and `bits` when it returns; using them here keeps them until then.
  if (mask.length + bits.length === 0) throw new Error("Unreachable");
}

/** The cursor as it looks now; the hidden one when the server shows none. */
export function readCursorShape(libraries: X11Libraries, connection: XConnection): CursorShape {
  connection.takeError();
  const image = libraries.fixes.XFixesGetCursorImage(connection.display);
  if (image === null) {
    // BadCursor: there is none. Xlib keeps BadAccess to itself: X servers refuse to show a cursor
    // whose maker has disconnected (xsetroot, for one), but it is there.
    return connection.takeError() === null ? ARROW_CURSOR : HIDDEN_CURSOR;
  }
  const head = viewAt(image, CURSOR_IMAGE.bytes);
  const width = head.getUint16(CURSOR_IMAGE.width, true);
  const height = head.getUint16(CURSOR_IMAGE.height, true);
  const argb = new Uint32Array(width * height);
  if (argb.length > 0) {
    const longs = viewAt(pointerAt(head, CURSOR_IMAGE.pixels), argb.length * 8);
    for (let i = 0; i < argb.length; i++) argb[i] = longs.getUint32(i * 8, true);
  }
  const hotX = head.getUint16(CURSOR_IMAGE.hotX, true);
  const hotY = head.getUint16(CURSOR_IMAGE.hotY, true);
  libraries.x.XFree(image);
  return cursorShape({ width, height, hotX, hotY, argb }, MAX_CURSOR_SIDE_PX);
}

/** Asks the server where the pointer is; null when it is gone. */
export class PointerQuery {
  readonly #out = Array.from({ length: 7 }, () => fixedBytes(8));
  readonly #x = new DataView(this.#out[2].buffer);
  readonly #y = new DataView(this.#out[3].buffer);

  read(
    libraries: X11Libraries,
    connection: XConnection,
  ): { readonly x: number; readonly y: number } | null {
    const [root, child, rootX, rootY, x, y, mask] = this.#out;
    const { display } = connection;
    libraries.x.XQueryPointer(display, connection.root, root, child, rootX, rootY, x, y, mask);
    if (connection.lost) return null;
    return { x: this.#x.getInt32(0, true), y: this.#y.getInt32(0, true) };
  }
}
