import {
  chooseKey,
  type Keymap,
  type KeyRequest,
  modifierOps,
  spareKeycodes,
} from "../../core/keymap.ts";
import { lend, lentKeycodes, type SpareKeys, spareKeys } from "../../core/spare_keys.ts";
import type { XConnection } from "./connection.ts";
import { EVENT, MAPPING_NOTIFY } from "./layout.ts";
import { changeKey, KeyStateQuery, lockGroup, readKeymap } from "./keyboard_map.ts";
import type { X11Libraries } from "./libraries.ts";

/** What came of a press; `waitMs` when every spare key is still in use. */
export type PressOutcome =
  | { readonly kind: "pressed"; readonly keycode: number }
  | { readonly kind: "wait"; readonly waitMs: number }
  | { readonly kind: "unknown" };

/** Presses keys on the X server by XTest and remembers which are down. */
export class XKeyboard {
  readonly #libraries: X11Libraries;
  readonly #connection: XConnection;
  readonly #stateQuery = new KeyStateQuery();
  /** Keycodes that are down, with the number of those who hold them. */
  readonly #held = new Map<number, number>();
  #map: Keymap | null = null;
  #spare: SpareKeys = spareKeys([]);

  constructor(libraries: X11Libraries, connection: XConnection) {
    this.#libraries = libraries;
    this.#connection = connection;
  }

  /** Presses the key for `request` and leaves it down. */
  press(request: KeyRequest): PressOutcome {
    this.#readEvents();
    const map = this.#map ??= this.#load();
    if (map === null) return { kind: "unknown" };
    const state = this.#stateQuery.read(this.#libraries, this.#connection);
    const choice = chooseKey(map, state, request);
    if (choice.kind === "none") return { kind: "unknown" };
    let keycode: number;
    if (choice.kind === "spare") {
      const now = performance.now();
      const [spare, loan] = lend(this.#spare, choice.keysym, new Set(this.#held.keys()), now);
      this.#spare = spare;
      if (loan.kind === "none") return { kind: "unknown" };
      if (loan.kind === "wait") return { kind: "wait", waitMs: loan.untilMs - now };
      keycode = loan.keycode;
      if (loan.changed) changeKey(this.#libraries, this.#connection, keycode, choice.keysym);
    } else keycode = choice.keycode;
    const around = modifierOps(
      map,
      { lift: choice.lift, press: choice.kind === "key" ? choice.press : [] },
      this.#held.keys(),
    );
    const group = choice.kind === "key" ? choice.group : null;
    if (group !== null) lockGroup(this.#libraries, this.#connection, group);
    for (const op of around.before) this.#fake(op.keycode, op.down);
    const holders = this.#held.get(keycode) ?? 0;
    // Somebody else holds it: the character must still be typed.
    if (holders > 0) this.#fake(keycode, false);
    this.#fake(keycode, true);
    this.#held.set(keycode, holders + 1);
    for (const op of around.after) this.#fake(op.keycode, op.down);
    if (group !== null) lockGroup(this.#libraries, this.#connection, state.group);
    return { kind: "pressed", keycode };
  }

  /** Takes one hold off a key that `press` returned; the last one lifts it. */
  release(keycode: number): void {
    const holders = this.#held.get(keycode) ?? 0;
    if (holders > 1) this.#held.set(keycode, holders - 1);
    else if (holders === 1) {
      this.#held.delete(keycode);
      this.#fake(keycode, false);
    }
  }

  /** Lifts everything and gives the lent keys back. */
  close(): void {
    for (const keycode of this.#held.keys()) this.#fake(keycode, false);
    this.#held.clear();
    for (const keycode of lentKeycodes(this.#spare)) {
      changeKey(this.#libraries, this.#connection, keycode, 0);
    }
  }

  #fake(keycode: number, down: boolean): void {
    this.#libraries.test.XTestFakeKeyEvent(this.#connection.display, keycode, down ? 1 : 0, 0n);
  }

  #load(): Keymap | null {
    const map = readKeymap(this.#libraries, this.#connection);
    if (map !== null) this.#spare = spareKeys(spareKeycodes(map));
    return map;
  }

  /** Notices a change of the layout; our own loans are no such change. */
  #readEvents(): void {
    const connection = this.#connection;
    while (connection.nextEvent()) {
      const { event } = connection;
      if (event.getInt32(EVENT.type, true) !== MAPPING_NOTIFY) continue;
      this.#libraries.x.XRefreshKeyboardMapping(new Uint8Array(event.buffer));
      const first = event.getInt32(EVENT.mapping.firstKeycode, true);
      const count = event.getInt32(EVENT.mapping.count, true);
      const own = count === 1 && this.#spare.keys.some((key) => key.keycode === first);
      if (!own) this.#map = null;
    }
  }
}
