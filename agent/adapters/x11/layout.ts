/**
 * Where fields stand in the C structures that cross the FFI border, in bytes. LP64: the same on
 * x86-64 and aarch64 (checked against Xlib.h, Xutil.h, XShm.h, XKBstr.h by offsetof).
 */

/** XEvent is `long pad[24]`. */
export const XEVENT_BYTES = 192;
export const EVENT = {
  type: 0,
  configure: { window: 40 },
  xkb: { xkbType: 40, firstKeySym: 66, keySymCount: 72 },
  generic: { extension: 32, evtype: 36 },
} as const;

/** Core event types (X.h). */
export const CONFIGURE_NOTIFY = 22;
export const GENERIC_EVENT = 35;

export const XERROR = { errorCode: 32, requestCode: 33, minorCode: 34 } as const;

export const VISUAL = { redMask: 24, greenMask: 32, blueMask: 40, bytes: 56 } as const;

export const XIMAGE = {
  height: 4,
  data: 16,
  byteOrder: 24,
  bytesPerLine: 44,
  bitsPerPixel: 48,
  bytes: 136,
} as const;

export const SHM_INFO = { shmid: 8, shmaddr: 16, readOnly: 24, bytes: 32 } as const;

/** XFixesCursorImage; `pixels` are premultiplied ARGB, each in an 8-byte unsigned long. */
export const CURSOR_IMAGE = {
  width: 4,
  height: 6,
  hotX: 8,
  hotY: 10,
  pixels: 24,
  bytes: 48,
} as const;

/** XRRMonitorInfo; `outputs` points to `outputCount` XIDs. */
export const XRR_MONITOR = {
  name: 0,
  primary: 8,
  outputCount: 16,
  x: 20,
  y: 24,
  width: 28,
  height: 32,
  outputs: 48,
  bytes: 56,
} as const;
/** XRRScreenResources. */
export const XRR_RESOURCES = { outputCount: 32, outputs: 40, bytes: 72 } as const;
/** XRROutputInfo. */
export const XRR_OUTPUT = { crtc: 8, name: 16, nameBytes: 24, bytes: 96 } as const;
/** XRRCrtcInfo; `rotation` is a set of one bit of 1, 2, 4, 8 (anticlockwise) and reflections. */
export const XRR_CRTC = {
  x: 8,
  y: 12,
  width: 16,
  height: 20,
  rotation: 32,
  bytes: 64,
} as const;
/** XineramaScreenInfo. */
export const XINERAMA_SCREEN = { x: 4, y: 6, width: 8, height: 10, bytes: 12 } as const;

export const XKB_DESC = { minKeycode: 12, maxKeycode: 13, map: 32, bytes: 40 } as const;
export const XKB_CLIENT_MAP = { keySymMap: 32, modmap: 40, bytes: 48 } as const;
/** XkbSymMapRec; the low four bits of groupInfo count the groups. */
export const XKB_SYM_MAP = { groupInfo: 4, bytes: 8 } as const;
export const XKB_STATE = { group: 0, mods: 6, bytes: 18 } as const;

/** XIEventMask. */
export const XI_EVENT_MASK = { deviceid: 0, maskLen: 4, mask: 8, bytes: 16 } as const;

/**
 * A buffer whose address never changes: small typed arrays may live on V8's moving heap, an
 * ArrayBuffer made first does not.
 */
export const fixedBytes = (length: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(new ArrayBuffer(length));

/** A view of the C memory behind a pointer. */
export const viewAt = (pointer: Deno.PointerObject, bytes: number): DataView<ArrayBuffer> =>
  new DataView(Deno.UnsafePointerView.getArrayBuffer(pointer, bytes));

/** The pointer stored at `offset`; a null one is a broken invariant of the library. */
export function pointerAt(view: DataView, offset: number): Deno.PointerObject {
  const pointer = Deno.UnsafePointer.create(view.getBigUint64(offset, true));
  if (pointer === null) throw new Error(`Null pointer at offset ${offset}`);
  return pointer;
}
