/** The C functions that the X11 adapter calls, by library. */

const D = "pointer"; // Display*
const XID = "u64"; // unsigned long on LP64 (x86-64, aarch64)

export const X11_SYMBOLS = {
  XOpenDisplay: { parameters: ["buffer"], result: "pointer" },
  XCloseDisplay: { parameters: [D], result: "i32" },
  XConnectionNumber: { parameters: [D], result: "i32" },
  XDefaultScreen: { parameters: [D], result: "i32" },
  XDefaultRootWindow: { parameters: [D], result: XID },
  XDefaultVisual: { parameters: [D, "i32"], result: "pointer" },
  XDefaultDepth: { parameters: [D, "i32"], result: "i32" },
  XGetGeometry: {
    parameters: [D, XID, "buffer", "buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  XSelectInput: { parameters: [D, XID, "i64"], result: "i32" },
  XPending: { parameters: [D], result: "i32" },
  XNextEvent: { parameters: [D, "buffer"], result: "i32" },
  XSync: { parameters: [D, "i32"], result: "i32" },
  XFlush: { parameters: [D], result: "i32" },
  XGetAtomName: { parameters: [D, XID], result: "pointer" },
  XFree: { parameters: ["pointer"], result: "i32" },
  XDestroyImage: { parameters: ["pointer"], result: "i32" },
  XQueryExtension: {
    parameters: [D, "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  XQueryPointer: {
    parameters: [D, XID, "buffer", "buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  XSetErrorHandler: { parameters: ["function"], result: "pointer" },
  XSetIOErrorHandler: { parameters: ["function"], result: "pointer" },
  // libX11 1.7 and newer; without it a lost server ends the process.
  XSetIOErrorExitHandler: {
    parameters: [D, "function", "pointer"],
    result: "void",
    optional: true,
  },
  XChangeKeyboardMapping: { parameters: [D, "i32", "i32", "buffer", "i32"], result: "i32" },
  XkbQueryExtension: {
    parameters: [D, "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  XkbSelectEvents: { parameters: [D, "u32", "u32", "u32"], result: "i32" },
  XkbGetMap: { parameters: [D, "u32", "u32"], result: "pointer" },
  XkbFreeKeyboard: { parameters: ["pointer", "u32", "i32"], result: "void" },
  XkbTranslateKeyCode: {
    parameters: ["pointer", "u8", "u32", "buffer", "buffer"],
    result: "i32",
  },
  XkbGetState: { parameters: [D, "u32", "buffer"], result: "i32" },
  XkbLockGroup: { parameters: [D, "u32", "u32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

export const XEXT_SYMBOLS = {
  XShmQueryExtension: { parameters: [D], result: "i32" },
  XShmCreateImage: {
    parameters: [D, "pointer", "u32", "i32", "pointer", "buffer", "u32", "u32"],
    result: "pointer",
  },
  XShmAttach: { parameters: [D, "buffer"], result: "i32" },
  XShmDetach: { parameters: [D, "buffer"], result: "i32" },
  XShmGetImage: { parameters: [D, XID, "pointer", "i32", "i32", "u64"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

export const XDAMAGE_SYMBOLS = {
  XDamageQueryExtension: { parameters: [D, "buffer", "buffer"], result: "i32" },
  XDamageQueryVersion: { parameters: [D, "buffer", "buffer"], result: "i32" },
  XDamageCreate: { parameters: [D, XID, "i32"], result: XID },
  XDamageDestroy: { parameters: [D, XID], result: "void" },
  XDamageSubtract: { parameters: [D, XID, XID, XID], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

export const XFIXES_SYMBOLS = {
  XFixesQueryExtension: { parameters: [D, "buffer", "buffer"], result: "i32" },
  XFixesQueryVersion: { parameters: [D, "buffer", "buffer"], result: "i32" },
  XFixesCreateRegion: { parameters: [D, "pointer", "i32"], result: XID },
  XFixesDestroyRegion: { parameters: [D, XID], result: "void" },
  XFixesFetchRegion: { parameters: [D, XID, "buffer"], result: "pointer" },
  XFixesSelectCursorInput: { parameters: [D, XID, "u64"], result: "void" },
  XFixesGetCursorImage: { parameters: [D], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

/** `optional`: they came with RandR 1.5 (libXrandr 1.5). */
export const XRANDR_SYMBOLS = {
  XRRQueryExtension: { parameters: [D, "buffer", "buffer"], result: "i32" },
  XRRQueryVersion: { parameters: [D, "buffer", "buffer"], result: "i32" },
  XRRSelectInput: { parameters: [D, XID, "i32"], result: "void" },
  XRRUpdateConfiguration: { parameters: ["buffer"], result: "i32" },
  XRRGetMonitors: {
    parameters: [D, XID, "i32", "buffer"],
    result: "pointer",
    optional: true,
  },
  XRRFreeMonitors: { parameters: ["pointer"], result: "void", optional: true },
  XRRGetScreenResourcesCurrent: { parameters: [D, XID], result: "pointer" },
  XRRFreeScreenResources: { parameters: ["pointer"], result: "void" },
  XRRGetOutputInfo: { parameters: [D, "pointer", XID], result: "pointer" },
  XRRFreeOutputInfo: { parameters: ["pointer"], result: "void" },
  XRRGetCrtcInfo: { parameters: [D, "pointer", XID], result: "pointer" },
  XRRFreeCrtcInfo: { parameters: ["pointer"], result: "void" },
  XRRGetOutputPrimary: { parameters: [D, XID], result: XID },
} as const satisfies Deno.ForeignLibraryInterface;

export const XINERAMA_SYMBOLS = {
  XineramaIsActive: { parameters: [D], result: "i32" },
  XineramaQueryScreens: { parameters: [D, "buffer"], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

export const XTST_SYMBOLS = {
  XTestQueryExtension: {
    parameters: [D, "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  XTestGrabControl: { parameters: [D, "i32"], result: "i32" },
  XTestFakeKeyEvent: { parameters: [D, "u32", "i32", "u64"], result: "i32" },
  XTestFakeButtonEvent: { parameters: [D, "u32", "i32", "u64"], result: "i32" },
  XTestFakeMotionEvent: { parameters: [D, "i32", "i32", "i32", "u64"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

export const XI_SYMBOLS = {
  XIQueryVersion: { parameters: [D, "buffer", "buffer"], result: "i32" },
  XISelectEvents: { parameters: [D, XID, "buffer", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

export const C_SYMBOLS = {
  shmget: { parameters: ["i32", "usize", "i32"], result: "i32" },
  shmat: { parameters: ["i32", "pointer", "i32"], result: "pointer" },
  shmdt: { parameters: ["pointer"], result: "i32" },
  shmctl: { parameters: ["i32", "i32", "pointer"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  // On a thread of its own: JavaScript goes on while it waits.
  ppoll: {
    parameters: ["buffer", "u64", "buffer", "pointer"],
    result: "i32",
    nonblocking: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;
