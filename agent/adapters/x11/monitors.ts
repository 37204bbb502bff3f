/**
 * The displays of an X screen: monitors of RandR 1.5, else RandR's outputs, else Xinerama's
 * screens. An empty list where nothing tells: the screen is one display then.
 */
import { MAX_DISPLAYS } from "@farglass/protocol";
import type { Display, Rotation } from "../../core/displays.ts";
import type { XConnection } from "./connection.ts";
import {
  EVENT,
  fixedBytes,
  pointerAt,
  viewAt,
  XINERAMA_SCREEN,
  XRR_CRTC,
  XRR_MONITOR,
  XRR_OUTPUT,
  XRR_RESOURCES,
} from "./layout.ts";
import type { X11Libraries } from "./libraries.ts";

/** RRScreenChangeNotify, RRCrtcChangeNotify, RROutputChangeNotify (randr.h). */
const CHANGE_MASK = 1 | 2 | 4;
/** Event numbers from RandR's first: RRScreenChangeNotify and RRNotify. */
const EVENT_COUNT = 2;
const MONITORS_SINCE = { major: 1, minor: 5 } as const;
const OUTPUTS_SINCE = { major: 1, minor: 3 } as const;
const MAX_NAME_BYTES = 64;
/** RandR turns anticlockwise. */
const ROTATIONS = new Map<number, Rotation>([[1, 0], [2, 270], [4, 180], [8, 90]]);
const ROTATION_BITS = 15;

type Randr = NonNullable<X11Libraries["randr"]>;

/** Reads the displays and knows the events that say that they changed. */
export class DisplayReader {
  readonly #libraries: X11Libraries;
  readonly #connection: XConnection;
  readonly #randr: Randr | null = null;
  readonly #monitors: boolean = false;
  #firstEvent = -1;

  constructor(libraries: X11Libraries, connection: XConnection) {
    this.#libraries = libraries;
    this.#connection = connection;
    const { randr } = libraries;
    const { display, root } = connection;
    const [a, b] = [fixedBytes(4), fixedBytes(4)];
    if (randr === null || randr.XRRQueryExtension(display, a, b) === 0) return;
    this.#firstEvent = int(a);
    if (randr.XRRQueryVersion(display, a, b) === 0) return;
    const version = { major: int(a), minor: int(b) };
    if (!atLeast(version, OUTPUTS_SINCE)) return;
    this.#randr = randr;
    this.#monitors = atLeast(version, MONITORS_SINCE) && randr.XRRGetMonitors !== null;
    randr.XRRSelectInput(display, root, CHANGE_MASK);
  }

  /** Whether displays may have changed by this event; it has been read from the queue. */
  isChange(event: DataView<ArrayBuffer>): boolean {
    const type = event.getInt32(EVENT.type, true);
    if (this.#randr === null || type < this.#firstEvent) return false;
    if (type >= this.#firstEvent + EVENT_COUNT) return false;
    this.#randr.XRRUpdateConfiguration(new Uint8Array(event.buffer));
    return true;
  }

  read(): Display[] {
    this.#connection.takeError();
    const found = this.#randr === null
      ? this.#readXinerama()
      : this.#monitors
      ? this.#readMonitors(this.#randr)
      : this.#readOutputs(this.#randr);
    // A display that went away while it was asked about: its event comes, too.
    this.#connection.takeError();
    return found.slice(0, MAX_DISPLAYS);
  }

  #readMonitors(randr: Randr): Display[] {
    const { display, root } = this.#connection;
    const count = fixedBytes(4);
    const list = randr.XRRGetMonitors?.(display, root, 1, count) ?? null;
    if (list === null) return [];
    const displays: Display[] = [];
    const rotations = this.#readRotations(randr);
    const all = viewAt(list, Math.max(0, int(count)) * XRR_MONITOR.bytes);
    for (let at = 0; at < all.byteLength; at += XRR_MONITOR.bytes) {
      const i32 = (offset: number) => all.getInt32(at + offset, true);
      const name = this.#atomName(all.getBigUint64(at + XRR_MONITOR.name, true));
      const output = i32(XRR_MONITOR.outputCount) === 0
        ? null
        : viewAt(pointerAt(all, at + XRR_MONITOR.outputs), 8).getBigUint64(0, true);
      displays.push({
        id: name,
        name,
        x: i32(XRR_MONITOR.x),
        y: i32(XRR_MONITOR.y),
        width: i32(XRR_MONITOR.width),
        height: i32(XRR_MONITOR.height),
        primary: i32(XRR_MONITOR.primary) !== 0,
        rotation: output === null ? 0 : rotations.get(output) ?? 0,
      });
    }
    randr.XRRFreeMonitors?.(list);
    return displays;
  }

  #readRotations(randr: Randr): Map<bigint, Rotation> {
    const rotations = new Map<bigint, Rotation>();
    this.#eachOutput(randr, (output, _name, crtc) => {
      rotations.set(output, rotationOf(crtc));
    });
    return rotations;
  }

  #readOutputs(randr: Randr): Display[] {
    const { display, root } = this.#connection;
    const primary = randr.XRRGetOutputPrimary(display, root);
    const displays: Display[] = [];
    this.#eachOutput(randr, (output, name, crtc) => {
      displays.push({
        id: name,
        name,
        x: crtc.getInt32(XRR_CRTC.x, true),
        y: crtc.getInt32(XRR_CRTC.y, true),
        width: crtc.getUint32(XRR_CRTC.width, true),
        height: crtc.getUint32(XRR_CRTC.height, true),
        primary: output === primary,
        rotation: rotationOf(crtc),
      });
    });
    return displays;
  }

  /** Every output that shows something. */
  #eachOutput(
    randr: Randr,
    take: (output: bigint, name: string, crtc: DataView<ArrayBuffer>) => void,
  ): void {
    const { display, root } = this.#connection;
    const resources = randr.XRRGetScreenResourcesCurrent(display, root);
    if (resources === null) return;
    const head = viewAt(resources, XRR_RESOURCES.bytes);
    const count = head.getInt32(XRR_RESOURCES.outputCount, true);
    const outputs = count <= 0 ? null : viewAt(pointerAt(head, XRR_RESOURCES.outputs), count * 8);
    for (let i = 0; i < count && outputs !== null; i++) {
      const id = outputs.getBigUint64(i * 8, true);
      const output = randr.XRRGetOutputInfo(display, resources, id);
      if (output === null) continue;
      const info = viewAt(output, XRR_OUTPUT.bytes);
      const crtcId = info.getBigUint64(XRR_OUTPUT.crtc, true);
      const crtc = crtcId === 0n ? null : randr.XRRGetCrtcInfo(display, resources, crtcId);
      if (crtc !== null) {
        const bytes = viewAt(
          pointerAt(info, XRR_OUTPUT.name),
          Math.min(MAX_NAME_BYTES, info.getInt32(XRR_OUTPUT.nameBytes, true)),
        );
        take(id, printable(new TextDecoder().decode(bytes)), viewAt(crtc, XRR_CRTC.bytes));
        randr.XRRFreeCrtcInfo(crtc);
      }
      randr.XRRFreeOutputInfo(output);
    }
    randr.XRRFreeScreenResources(resources);
  }

  #atomName(atom: bigint): string {
    const { x } = this.#libraries;
    const name = x.XGetAtomName(this.#connection.display, atom);
    if (name === null) return printable("");
    const text = new Deno.UnsafePointerView(name).getCString();
    x.XFree(name);
    return printable(text);
  }

  #readXinerama(): Display[] {
    const { xinerama, x } = this.#libraries;
    const { display } = this.#connection;
    if (xinerama === null || xinerama.XineramaIsActive(display) === 0) return [];
    const count = fixedBytes(4);
    const list = xinerama.XineramaQueryScreens(display, count);
    if (list === null) return [];
    const all = viewAt(list, int(count) * XINERAMA_SCREEN.bytes);
    const displays: Display[] = [];
    for (let at = 0, n = 0; at < all.byteLength; at += XINERAMA_SCREEN.bytes, n++) {
      const i16 = (offset: number) => all.getInt16(at + offset, true);
      displays.push({
        id: `screen-${n}`,
        name: `Screen ${n}`,
        x: i16(XINERAMA_SCREEN.x),
        y: i16(XINERAMA_SCREEN.y),
        width: i16(XINERAMA_SCREEN.width),
        height: i16(XINERAMA_SCREEN.height),
        primary: n === 0,
        rotation: 0,
      });
    }
    x.XFree(list);
    return displays;
  }
}

const int = (bytes: Uint8Array<ArrayBuffer>): number =>
  new DataView(bytes.buffer).getInt32(0, true);

const rotationOf = (crtc: DataView<ArrayBuffer>): Rotation =>
  ROTATIONS.get(crtc.getUint16(XRR_CRTC.rotation, true) & ROTATION_BITS) ?? 0;

interface Version {
  readonly major: number;
  readonly minor: number;
}
const atLeast = (version: Version, needed: Version): boolean =>
  version.major > needed.major ||
  (version.major === needed.major && version.minor >= needed.minor);

/** Anybody can name a monitor: what a console could not show is left out. */
function printable(name: string): string {
  const clean = name.replaceAll(/\p{C}/gu, "").slice(0, MAX_NAME_BYTES).trim();
  return clean === "" ? "display" : clean;
}
