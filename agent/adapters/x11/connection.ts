/**
 * One connection to the X server. Xlib's error handlers belong to the whole process and by
 * default end it; here they only take notes, one per connection.
 */
import { fixedBytes, viewAt, XERROR, XEVENT_BYTES } from "./layout.ts";
import type { X11Libraries } from "./libraries.ts";

/** A protocol error of the server (X Window System Protocol, section 4). */
export interface XProtocolError {
  readonly errorCode: number;
  readonly requestCode: number;
  readonly minorCode: number;
}

interface Notes {
  lastError: XProtocolError | null;
  lost: boolean;
}

const notesOf = new Map<bigint, Notes>();

const ERROR_HANDLER = { parameters: ["pointer", "pointer"], result: "i32" } as const;
const IO_ERROR_HANDLER = { parameters: ["pointer"], result: "i32" } as const;
const EXIT_HANDLER = { parameters: ["pointer", "pointer"], result: "void" } as const;

interface Handlers {
  readonly error: Deno.UnsafeCallback<typeof ERROR_HANDLER>;
  readonly io: Deno.UnsafeCallback<typeof IO_ERROR_HANDLER>;
  readonly exit: Deno.UnsafeCallback<typeof EXIT_HANDLER>;
  readonly previousError: Deno.PointerValue;
  readonly previousIo: Deno.PointerValue;
}
let handlers: Handlers | null = null;

/** Puts our handlers in place before the first connection. */
function installHandlers({ x }: X11Libraries): Handlers {
  const error = new Deno.UnsafeCallback(
    ERROR_HANDLER,
    (display, event) => {
      const notes = notesOf.get(Deno.UnsafePointer.value(display));
      if (notes !== undefined && event !== null) {
        const view = viewAt(event, XERROR.minorCode + 1);
        notes.lastError = {
          errorCode: view.getUint8(XERROR.errorCode),
          requestCode: view.getUint8(XERROR.requestCode),
          minorCode: view.getUint8(XERROR.minorCode),
        };
      }
      return 0;
    },
  );
  const markLost = (display: Deno.PointerValue) => {
    const notes = notesOf.get(Deno.UnsafePointer.value(display));
    if (notes !== undefined) notes.lost = true;
  };
  const io = new Deno.UnsafeCallback(
    IO_ERROR_HANDLER,
    (display) => (markLost(display), 0),
  );
  // Xlib ends the process after the IO handler unless the display has its own exit handler.
  const exit = new Deno.UnsafeCallback(
    EXIT_HANDLER,
    markLost,
  );
  return {
    error,
    io,
    exit,
    previousError: x.XSetErrorHandler(error.pointer),
    previousIo: x.XSetIOErrorHandler(io.pointer),
  };
}

function removeHandlers({ x }: X11Libraries, installed: Handlers): void {
  x.XSetErrorHandler(installed.previousError);
  x.XSetIOErrorHandler(installed.previousIo);
  installed.error.close();
  installed.io.close();
  installed.exit.close();
}

/** A Display* with what is known about its health. */
export class XConnection {
  readonly display: Deno.PointerObject;
  readonly descriptor: number;
  readonly screen: number;
  readonly root: bigint;
  /** The event that `nextEvent` read last. */
  readonly event: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(XEVENT_BYTES));
  readonly #eventBytes = new Uint8Array(this.event.buffer);
  readonly #libraries: X11Libraries;
  readonly #notes: Notes = { lastError: null, lost: false };
  #closed = false;

  private constructor(libraries: X11Libraries, display: Deno.PointerObject) {
    this.#libraries = libraries;
    this.display = display;
    const { x } = libraries;
    this.descriptor = x.XConnectionNumber(display);
    this.screen = x.XDefaultScreen(display);
    this.root = x.XDefaultRootWindow(display);
    notesOf.set(Deno.UnsafePointer.value(display), this.#notes);
  }

  /** Null when no X server answers at `name`. */
  static open(libraries: X11Libraries, name: string): XConnection | null {
    const { x } = libraries;
    const installed = handlers ?? installHandlers(libraries);
    const display = x.XOpenDisplay(new TextEncoder().encode(`${name}\0`));
    if (display === null) {
      if (handlers === null) removeHandlers(libraries, installed);
      return null;
    }
    handlers = installed;
    x.XSetIOErrorExitHandler?.(display, installed.exit.pointer, null);
    return new XConnection(libraries, display);
  }

  /** True when the server went away; nothing may be asked of it any more. */
  get lost(): boolean {
    return this.#notes.lost;
  }

  /** The last protocol error since the last call. */
  takeError(): XProtocolError | null {
    const error = this.#notes.lastError;
    this.#notes.lastError = null;
    return error;
  }

  /** Sends everything, waits for the server to have done it, and returns the error if there was one. */
  sync(): XProtocolError | null {
    this.#libraries.x.XSync(this.display, 0);
    return this.takeError();
  }

  /** Reads the next waiting event into `event`; false when there is none. Sends what is buffered. */
  nextEvent(): boolean {
    const { x } = this.#libraries;
    if (this.lost || x.XPending(this.display) <= 0 || this.lost) return false;
    x.XNextEvent(this.display, this.#eventBytes);
    return !this.lost;
  }

  /** The extension's major opcode, or null. */
  opcodeOf(extension: string): number | null {
    const [opcode, event, error] = [fixedBytes(4), fixedBytes(4), fixedBytes(4)];
    const name = new TextEncoder().encode(`${extension}\0`);
    if (this.#libraries.x.XQueryExtension(this.display, name, opcode, event, error) === 0) {
      return null;
    }
    return new DataView(opcode.buffer).getInt32(0, true);
  }

  /** Width and height of the root window now, or null when the server went away. */
  screenSize(): { readonly width: number; readonly height: number } | null {
    const out = Array.from({ length: 7 }, () => fixedBytes(8));
    const [root, x, y, width, height, border, depth] = out;
    const { XGetGeometry } = this.#libraries.x;
    const done = XGetGeometry(
      this.display,
      this.root,
      root,
      x,
      y,
      width,
      height,
      border,
      depth,
    );
    if (done === 0 || this.lost) return null;
    const u32 = (bytes: Uint8Array<ArrayBuffer>) => new DataView(bytes.buffer).getUint32(0, true);
    return { width: u32(width), height: u32(height) };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#libraries.x.XCloseDisplay(this.display);
    notesOf.delete(Deno.UnsafePointer.value(this.display));
    if (notesOf.size === 0 && handlers !== null) {
      removeHandlers(this.#libraries, handlers);
      handlers = null;
    }
  }
}
