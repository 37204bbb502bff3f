/** `painter.ts window`: a focused X window that prints every input event it receives. */
import type { XClient } from "./x11.ts";

/** X11/X.h: event types and masks. */
const EVENT = {
  keyPress: 2,
  keyRelease: 3,
  buttonPress: 4,
  buttonRelease: 5,
  motion: 6,
  focusOut: 10,
  mapNotify: 19,
  configureNotify: 22,
  mappingNotify: 34,
} as const;
const MASK = 1n | 2n | 4n | 8n | 64n | 1n << 17n | 1n << 21n;
const REVERT_TO_PARENT = 2;
/** XEvent is a union padded to 24 longs. */
const XEVENT_BYTES = 192;
/** Offsets in XKeyEvent, XButtonEvent and XMotionEvent on 64-bit machines. */
const AT = { x: 64, y: 68, state: 80, detail: 84 } as const;
const POLLIN = 1;
/** One after the other at key presses. */
const FLASH_COLOURS = [0n, 0xffffffn];

const LIBC = {
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
} as const;
const XKBCOMMON = {
  xkb_keysym_to_utf32: { parameters: ["u32"], result: "u32" },
} as const;

/**
 * Prints {"ready":true} once the window is shown and focused, then
 * {"event":"key","down","keycode","keysym","text","state"},
 * {"event":"button","down","button","x","y","state"}, {"event":"motion","x","y"} and
 * {"event":"focus-out"}. Ends when standard input does.
 */
export async function runWindow(
  client: XClient,
  size: { readonly width: number; readonly height: number; readonly flash?: boolean },
  say: (value: unknown) => void,
): Promise<void> {
  // Both stay loaded until the process ends.
  const libc = Deno.dlopen("libc.so.6", LIBC);
  const xkb = Deno.dlopen("libxkbcommon.so.0", XKBCOMMON);
  const { x, display, root } = client;
  const { width, height } = size;
  const window = x.XCreateSimpleWindow(display, root, 40, 40, width, height, 0, 0n, 0xf0f0f0n);
  const gc = x.XCreateGC(display, root, 0n, null);
  let flashes = 0;
  const flash = () => {
    x.XSetForeground(display, gc, FLASH_COLOURS[flashes++ % FLASH_COLOURS.length]);
    x.XFillRectangle(display, window, gc, 0, 0, width, height);
    x.XFlush(display);
  };
  x.XSelectInput(display, window, MASK);
  x.XMapRaised(display, window);
  x.XFlush(display);

  const event = new Uint8Array(XEVENT_BYTES);
  const view = new DataView(event.buffer);
  const onEvent = () => {
    const type = view.getInt32(0, true);
    const detail = view.getUint32(AT.detail, true);
    const state = view.getUint32(AT.state, true);
    const place = { x: view.getInt32(AT.x, true), y: view.getInt32(AT.y, true) };
    if (type === EVENT.keyPress || type === EVENT.keyRelease) {
      const { keysym, text } = lookUp(client, event, xkb.symbols.xkb_keysym_to_utf32);
      const down = type === EVENT.keyPress;
      if (down && size.flash === true) flash();
      say({ event: "key", down, keycode: detail, keysym, text, state });
    } else if (type === EVENT.buttonPress || type === EVENT.buttonRelease) {
      const down = type === EVENT.buttonPress;
      say({ event: "button", down, button: detail, ...place, state });
    } else if (type === EVENT.motion) say({ event: "motion", ...place });
    else if (type === EVENT.focusOut) say({ event: "focus-out" });
    else if (type === EVENT.mappingNotify) x.XRefreshKeyboardMapping(event);
    else if (type === EVENT.mapNotify) {
      // There is no window manager here that would give the focus.
      x.XSetInputFocus(display, window, REVERT_TO_PARENT, 0n);
      x.XSync(display, 0);
      say({ ready: true, ...client.size(), window: { x: 40, y: 40, width, height } });
    }
  };

  let open = true;
  const closed = untilStdinEnds().then(() => open = false);
  // struct pollfd: fd, events, revents.
  const descriptor = new Int32Array([x.XConnectionNumber(display), POLLIN]);
  while (open) {
    while (x.XPending(display) > 0) {
      x.XNextEvent(display, event);
      onEvent();
    }
    await libc.symbols.poll(descriptor, 1n, 200);
  }
  await closed;
}

/** What the key event types at the server's present keymap. */
function lookUp(
  client: XClient,
  event: Uint8Array<ArrayBuffer>,
  toUtf32: (keysym: number) => number,
): { readonly keysym: number; readonly text: string } {
  const keysymOut = new BigUint64Array(1);
  const bytes = new Uint8Array(32);
  client.x.XLookupString(event, bytes, bytes.length, keysymOut, null);
  const keysym = Number(keysymOut[0]);
  const codePoint = toUtf32(keysym);
  return { keysym, text: codePoint === 0 ? "" : String.fromCodePoint(codePoint) };
}

async function untilStdinEnds(): Promise<void> {
  for await (const _ of Deno.stdin.readable) {
    // Only its end counts.
  }
}
