import { buildKeymap, type Keymap, type KeyState } from "../../core/keymap.ts";
import type { XConnection } from "./connection.ts";
import {
  EVENT,
  fixedBytes,
  pointerAt,
  viewAt,
  XKB_CLIENT_MAP,
  XKB_DESC,
  XKB_STATE,
  XKB_SYM_MAP,
} from "./layout.ts";
import type { X11Libraries } from "./libraries.ts";

const XKB_USE_CORE_KEYBOARD = 0x100;
/** Key types, symbols and the modifier map. */
const XKB_ALL_CLIENT_INFO = 7;
/** The group's place in the core protocol's 16-bit state (XkbBuildCoreState). */
const GROUP_SHIFT = 13;

/** Reads the whole keyboard map from the server; null when it is gone. */
export function readKeymap({ x }: X11Libraries, connection: XConnection): Keymap | null {
  const description = x.XkbGetMap(
    connection.display,
    XKB_ALL_CLIENT_INFO,
    XKB_USE_CORE_KEYBOARD,
  );
  if (description === null || connection.lost) return null;
  const head = viewAt(description, XKB_DESC.bytes);
  const minKeycode = head.getUint8(XKB_DESC.minKeycode);
  const maxKeycode = head.getUint8(XKB_DESC.maxKeycode);
  const client = viewAt(pointerAt(head, XKB_DESC.map), XKB_CLIENT_MAP.bytes);
  const symMaps = viewAt(
    pointerAt(client, XKB_CLIENT_MAP.keySymMap),
    (maxKeycode + 1) * XKB_SYM_MAP.bytes,
  );
  const modmap = viewAt(pointerAt(client, XKB_CLIENT_MAP.modmap), maxKeycode + 1);
  const modifiersOf = new Uint8Array(256);
  let groups = 1;
  for (let keycode = minKeycode; keycode <= maxKeycode; keycode++) {
    modifiersOf[keycode] = modmap.getUint8(keycode);
    const info = symMaps.getUint8(keycode * XKB_SYM_MAP.bytes + XKB_SYM_MAP.groupInfo);
    groups = Math.max(groups, info & 0x0f);
  }
  const unused = fixedBytes(4);
  const keysym = fixedBytes(8);
  const keysymView = new DataView(keysym.buffer);
  const map = buildKeymap({
    minKeycode,
    maxKeycode,
    groups,
    modifiersOf,
    symbolAt(keycode, group, modifiers) {
      const state = modifiers | (group << GROUP_SHIFT);
      const found = x.XkbTranslateKeyCode(description, keycode, state, unused, keysym);
      return found === 0 ? 0 : keysymView.getUint32(0, true);
    },
  });
  x.XkbFreeKeyboard(description, 0, 1);
  return map;
}

const XKB_NEW_KEYBOARD_NOTIFY_MASK = 1;
const XKB_MAP_NOTIFY_MASK = 2;
const XKB_MAP_NOTIFY = 1;

/** Asks for an event at each change of the keyboard map. */
export function selectMapEvents({ x }: X11Libraries, connection: XConnection): void {
  const mask = XKB_NEW_KEYBOARD_NOTIFY_MASK | XKB_MAP_NOTIFY_MASK;
  x.XkbSelectEvents(connection.display, XKB_USE_CORE_KEYBOARD, mask, mask);
}

/** The only keycode that a keyboard event is about, or null when it is about more. */
export function onlyKeyOf(event: DataView): number | null {
  const isMapChange = event.getInt32(EVENT.xkb.xkbType, true) === XKB_MAP_NOTIFY;
  if (!isMapChange || event.getInt32(EVENT.xkb.keySymCount, true) !== 1) return null;
  return event.getUint8(EVENT.xkb.firstKeySym);
}

/** Asks the server for group and modifiers. */
export class KeyStateQuery {
  readonly #out = fixedBytes(XKB_STATE.bytes);
  readonly #view = new DataView(this.#out.buffer);

  read({ x }: X11Libraries, connection: XConnection): KeyState {
    x.XkbGetState(connection.display, XKB_USE_CORE_KEYBOARD, this.#out);
    return {
      group: this.#view.getUint8(XKB_STATE.group),
      modifiers: this.#view.getUint8(XKB_STATE.mods),
    };
  }
}

/** Makes a group the locked one. */
export function lockGroup({ x }: X11Libraries, connection: XConnection, group: number): void {
  x.XkbLockGroup(connection.display, XKB_USE_CORE_KEYBOARD, group);
}

/** Gives a key one keysym on both its levels, or nothing at all for 0. */
export function changeKey(
  { x }: X11Libraries,
  connection: XConnection,
  keycode: number,
  keysym: number,
): void {
  const perKey = 2;
  const keysyms = fixedBytes(8 * perKey);
  const view = new DataView(keysyms.buffer);
  for (let i = 0; i < perKey; i++) view.setBigUint64(i * 8, BigInt(keysym), true);
  x.XChangeKeyboardMapping(connection.display, keycode, perKey, keysyms, 1);
}
