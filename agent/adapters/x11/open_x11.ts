import { err, ok, type Result } from "@farglass/protocol";
import type { Capture, InputSink } from "../../core/ports.ts";
import { screenFits, X11Capture } from "./capture.ts";
import { XConnection } from "./connection.ts";
import { X11Input } from "./input.ts";
import { fixedBytes, viewAt, VISUAL } from "./layout.ts";
import { loadX11Libraries, type X11Libraries, type X11OpenError } from "./libraries.ts";
import { ShmImage } from "./shm_image.ts";

export type { X11OpenError } from "./libraries.ts";

export interface X11Options {
  /** As in `DISPLAY`, for example ":0"; empty or undefined when there is none. */
  readonly display: string | undefined;
  readonly maxFps: number;
  /** Where the libraries come from; tests put something between. */
  readonly load?: typeof loadX11Libraries;
}

export interface X11Desktop {
  readonly capture: Capture;
  readonly input: InputSink;
}

const NEW_ENOUGH_XFIXES = 2; // regions
const NEW_ENOUGH_XI = 2; // raw motion

/** Opens the screen for capture and input; an error is one sentence that says what to do. */
// deno-lint-ignore require-await -- other platforms open asynchronously
export async function openX11(options: X11Options): Promise<Result<X11Desktop, X11OpenError>> {
  const name = options.display ?? "";
  if (name === "") {
    return err({
      code: "no-display",
      message: 'Set DISPLAY (for example ":0") or choose the capture "synthetic": there is none',
    });
  }
  const loaded = (options.load ?? loadX11Libraries)();
  if (!loaded.ok) return loaded;
  const opened = openWith(loaded.value, name, options.maxFps);
  if (!opened.ok) loaded.value.close();
  return opened;
}

function openWith(
  libraries: X11Libraries,
  name: string,
  maxFps: number,
): Result<X11Desktop, X11OpenError> {
  const unreachable = err<X11OpenError>({
    code: "no-display",
    message: `Check that an X server runs at DISPLAY "${name}" and lets this user in ` +
      "(XAUTHORITY): it does not answer",
  });
  const screen = XConnection.open(libraries, name);
  if (screen === null) return unreachable;
  const numbers = queryExtensions(libraries, screen);
  const image = numbers.ok ? openImage(libraries, screen) : numbers;
  if (!numbers.ok || !image.ok) {
    screen.close();
    return numbers.ok ? image as { ok: false; error: X11OpenError } : numbers;
  }
  // A connection of its own: input must not read events that the capture waits for.
  const keys = XConnection.open(libraries, name);
  if (keys === null) {
    image.value.close();
    screen.close();
    return unreachable;
  }
  let open = 2;
  const onClosed = () => {
    if (--open === 0) libraries.close();
  };
  const capture = new X11Capture(libraries, screen, image.value, {
    maxFps,
    events: numbers.value,
    onClosed,
  });
  return ok({
    capture,
    input: new X11Input(libraries, keys, { xkbEvent: numbers.value.xkbEvent, onClosed }),
  });
}

interface ExtensionNumbers {
  readonly damageNotify: number;
  readonly cursorNotify: number;
  readonly xiOpcode: number;
  readonly xkbEvent: number;
}

/** XFixesCursorNotify follows XFixesSelectionNotify. */
const CURSOR_NOTIFY = 1;

function queryExtensions(
  { ext, damage, fixes, test, xi, x }: X11Libraries,
  connection: XConnection,
): Result<ExtensionNumbers, X11OpenError> {
  const { display } = connection;
  const [a, b, c, d, e] = Array.from({ length: 5 }, () => fixedBytes(4));
  const int = (bytes: Uint8Array<ArrayBuffer>) => new DataView(bytes.buffer).getInt32(0, true);
  const setInt = (bytes: Uint8Array<ArrayBuffer>, value: number) =>
    new DataView(bytes.buffer).setInt32(0, value, true);
  const missing: string[] = [];
  if (ext.XShmQueryExtension(display) === 0) missing.push("MIT-SHM");
  let damageNotify = 0;
  if (damage.XDamageQueryExtension(display, a, b) === 0) missing.push("DAMAGE");
  else {
    damageNotify = int(a);
    damage.XDamageQueryVersion(display, a, b);
  }
  let cursorNotify = 0;
  if (fixes.XFixesQueryExtension(display, a, b) === 0) missing.push("XFIXES");
  else {
    cursorNotify = int(a) + CURSOR_NOTIFY;
    setInt(a, 5);
    setInt(b, 0);
    fixes.XFixesQueryVersion(display, a, b);
    if (int(a) < NEW_ENOUGH_XFIXES) missing.push("XFIXES 2");
  }
  if (test.XTestQueryExtension(display, a, b, c, d) === 0) missing.push("XTEST");
  setInt(d, 1);
  setInt(e, 0);
  if (x.XkbQueryExtension(display, a, b, c, d, e) === 0) missing.push("XKEYBOARD");
  const xkbEvent = int(b);
  const xiOpcode = connection.opcodeOf("XInputExtension");
  setInt(a, NEW_ENOUGH_XI);
  setInt(b, 1);
  if (xiOpcode === null || xi.XIQueryVersion(display, a, b) !== 0) {
    connection.takeError();
    missing.push("XInputExtension 2");
  }
  if (missing.length > 0) {
    return err({
      code: "extension-missing",
      message: `Switch on these extensions of the X server: ${missing.join(", ")}`,
    });
  }
  return ok({ damageNotify, cursorNotify, xiOpcode: xiOpcode ?? 0, xkbEvent });
}

function openImage(
  libraries: X11Libraries,
  connection: XConnection,
): Result<ShmImage, X11OpenError> {
  const { x } = libraries;
  const { display, screen } = connection;
  const visual = x.XDefaultVisual(display, screen);
  if (visual === null) throw new Error("A screen without a visual");
  const masks = viewAt(visual, VISUAL.bytes);
  const bgrx = masks.getBigUint64(VISUAL.redMask, true) === 0xff0000n &&
    masks.getBigUint64(VISUAL.greenMask, true) === 0xff00n &&
    masks.getBigUint64(VISUAL.blueMask, true) === 0xffn;
  const depth = x.XDefaultDepth(display, screen);
  if (!bgrx || (depth !== 24 && depth !== 32)) {
    return err({
      code: "screen-unsupported",
      message: `Set the X screen to 24-bit colour: its depth is ${depth}`,
    });
  }
  const size = connection.screenSize();
  if (size === null) {
    return err({
      code: "no-display",
      message: "Start the X server again: it went away while it was being opened",
    });
  }
  if (!screenFits(size)) {
    return err({
      code: "screen-unsupported",
      message: `Choose a screen of at most 8192 pixels a side: it is ${size.width}×${size.height}`,
    });
  }
  return ShmImage.create(libraries, connection, size);
}
