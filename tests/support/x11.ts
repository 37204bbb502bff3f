/** The few Xlib calls that test clients need, by FFI. Xlib's handles stay inside this folder. */

const LIBRARY = "libX11.so.6";

const SYMBOLS = {
  XOpenDisplay: { parameters: ["buffer"], result: "pointer" },
  XCloseDisplay: { parameters: ["pointer"], result: "i32" },
  XDefaultScreen: { parameters: ["pointer"], result: "i32" },
  XRootWindow: { parameters: ["pointer", "i32"], result: "u64" },
  XDefaultDepth: { parameters: ["pointer", "i32"], result: "i32" },
  XConnectionNumber: { parameters: ["pointer"], result: "i32" },
  XGetGeometry: {
    parameters: [
      ...["pointer", "u64", "buffer", "buffer", "buffer"] as const,
      ...["buffer", "buffer", "buffer", "buffer"] as const,
    ],
    result: "i32",
  },
  XCreateSimpleWindow: {
    parameters: ["pointer", "u64", "i32", "i32", "u32", "u32", "u32", "u64", "u64"],
    result: "u64",
  },
  XSelectInput: { parameters: ["pointer", "u64", "i64"], result: "i32" },
  XMapRaised: { parameters: ["pointer", "u64"], result: "i32" },
  XSetInputFocus: { parameters: ["pointer", "u64", "i32", "u64"], result: "i32" },
  XCreateGC: { parameters: ["pointer", "u64", "u64", "pointer"], result: "pointer" },
  XSetForeground: { parameters: ["pointer", "pointer", "u64"], result: "i32" },
  XSetGraphicsExposures: { parameters: ["pointer", "pointer", "i32"], result: "i32" },
  XCreatePixmap: { parameters: ["pointer", "u64", "u32", "u32", "u32"], result: "u64" },
  XFillRectangle: {
    parameters: ["pointer", "u64", "pointer", "i32", "i32", "u32", "u32"],
    result: "i32",
  },
  XFillRectangles: {
    parameters: ["pointer", "u64", "pointer", "buffer", "i32"],
    result: "i32",
  },
  XDrawLine: {
    parameters: ["pointer", "u64", "pointer", "i32", "i32", "i32", "i32"],
    result: "i32",
  },
  XDrawArc: {
    parameters: ["pointer", "u64", "pointer", "i32", "i32", "u32", "u32", "i32", "i32"],
    result: "i32",
  },
  XDrawString: {
    parameters: ["pointer", "u64", "pointer", "i32", "i32", "buffer", "i32"],
    result: "i32",
  },
  XCopyArea: {
    parameters: [
      ...["pointer", "u64", "u64", "pointer", "i32", "i32"] as const,
      ...["u32", "u32", "i32", "i32"] as const,
    ],
    result: "i32",
  },
  XFlush: { parameters: ["pointer"], result: "i32" },
  XSync: { parameters: ["pointer", "i32"], result: "i32" },
  XPending: { parameters: ["pointer"], result: "i32" },
  XNextEvent: { parameters: ["pointer", "buffer"], result: "i32" },
  XLookupString: {
    parameters: ["buffer", "buffer", "i32", "buffer", "pointer"],
    result: "i32",
  },
  XRefreshKeyboardMapping: { parameters: ["buffer"], result: "i32" },
  XGetImage: {
    parameters: ["pointer", "u64", "i32", "i32", "u32", "u32", "u64", "i32"],
    result: "pointer",
  },
  XDefaultVisual: { parameters: ["pointer", "i32"], result: "pointer" },
  XCreateImage: {
    parameters: [
      ...["pointer", "pointer", "u32", "i32", "i32", "buffer"] as const,
      ...["u32", "u32", "i32", "i32"] as const,
    ],
    result: "pointer",
  },
  XPutImage: {
    parameters: [
      ...["pointer", "u64", "pointer", "pointer", "i32", "i32"] as const,
      ...["i32", "i32", "u32", "u32"] as const,
    ],
    result: "i32",
  },
  XFree: { parameters: ["pointer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

export type Xlib = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
/** A Display*. */
export type XDisplay = Deno.PointerObject;

export interface XClient extends Disposable {
  readonly x: Xlib;
  readonly display: XDisplay;
  readonly root: bigint;
  readonly screen: number;
  /** Width and height of the screen now. */
  size(): { readonly width: number; readonly height: number };
}

/** Connects to an X server. */
export function openX(display: string): XClient {
  const library = Deno.dlopen(LIBRARY, SYMBOLS);
  const x = library.symbols;
  const opened = x.XOpenDisplay(new TextEncoder().encode(`${display}\0`));
  if (opened === null) {
    library.close();
    throw new Error(`No X server at "${display}"`);
  }
  const screen = x.XDefaultScreen(opened);
  const root = x.XRootWindow(opened, screen);
  return {
    x,
    display: opened,
    root,
    screen,
    size: () => geometry(x, opened, root),
    [Symbol.dispose]: () => {
      x.XCloseDisplay(opened);
      library.close();
    },
  };
}

function geometry(x: Xlib, display: XDisplay, window: bigint) {
  const [root, posX, posY, width, height, border, depth] = Array.from(
    { length: 7 },
    () => new Uint8Array(8),
  );
  if (x.XGetGeometry(display, window, root, posX, posY, width, height, border, depth) === 0) {
    throw new Error("XGetGeometry failed");
  }
  const u32 = (bytes: Uint8Array) => new DataView(bytes.buffer).getUint32(0, true);
  return { width: u32(width), height: u32(height) };
}
