import {
  chooseKey,
  type Keymap,
  type KeyRequest,
  modifierOps,
  plainSymbol,
  spareKeycodes,
} from "../../core/keymap.ts";
import { lend, lentKeycodes, revise, type SpareKeys, spareKeys } from "../../core/spare_keys.ts";
import type { XConnection } from "./connection.ts";
import { EVENT } from "./layout.ts";
import {
  changeKey,
  KeyStateQuery,
  lockGroup,
  onlyKeyOf,
  readKeymap,
  selectMapEvents,
} from "./keyboard_map.ts";
import type { X11Libraries } from "./libraries.ts";

/** `waitMs` until a spare key is free again. */
type NotPressed =
  | { readonly kind: "wait"; readonly waitMs: number }
  | { readonly kind: "unknown" };

/** What came of a press. */
export type PressOutcome = { readonly kind: "pressed"; readonly keycode: number } | NotPressed;

/** Presses keys on the X server by XTest and remembers which are down. */
export class XKeyboard {
  readonly #libraries: X11Libraries;
  readonly #connection: XConnection;
  readonly #xkbEvent: number;
  readonly #stateQuery = new KeyStateQuery();
  /** Keycodes that are down, with the number of those who hold them. */
  readonly #held = new Map<number, number>();
  #map: Keymap | null = null;
  #spare: SpareKeys = spareKeys([]);

  /** `xkbEvent` is the number of the X Keyboard Extension's events. */
  constructor(libraries: X11Libraries, connection: XConnection, xkbEvent: number) {
    this.#libraries = libraries;
    this.#connection = connection;
    this.#xkbEvent = xkbEvent;
    selectMapEvents(libraries, connection);
  }

  /**
   * Lends keys to the foreign characters of a text before its first key is pressed: Xlib misses a
   * change of the map that comes while a client reads it for its first key event.
   */
  prepare(keysyms: readonly number[]): void {
    const map = this.#currentMap();
    if (map === null) return;
    const state = this.#stateQuery.read(this.#libraries, this.#connection);
    for (const keysym of new Set(keysyms)) {
      const choice = chooseKey(map, state, { usage: 0, keysym, text: true });
      if (choice.kind === "spare" && this.#lend(choice.keysym).kind !== "key") return;
    }
  }

  /** Presses the key for `request` and leaves it down. */
  press(request: KeyRequest): PressOutcome {
    const map = this.#currentMap();
    if (map === null) return { kind: "unknown" };
    const state = this.#stateQuery.read(this.#libraries, this.#connection);
    const choice = chooseKey(map, state, request);
    if (choice.kind === "none") return { kind: "unknown" };
    const key = choice.kind === "key" ? choice : this.#lend(choice.keysym);
    if (key.kind !== "key") return key;
    const { keycode } = key;
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

  #currentMap(): Keymap | null {
    this.#readEvents();
    return this.#map ??= this.#load();
  }

  #lend(keysym: number): { readonly kind: "key"; readonly keycode: number } | NotPressed {
    const now = performance.now();
    const [spare, loan] = lend(this.#spare, keysym, new Set(this.#held.keys()), now);
    this.#spare = spare;
    if (loan.kind === "none") return { kind: "unknown" };
    if (loan.kind === "wait") return { kind: "wait", waitMs: loan.untilMs - now };
    if (loan.changed) changeKey(this.#libraries, this.#connection, loan.keycode, keysym);
    return { kind: "key", keycode: loan.keycode };
  }

  #fake(keycode: number, down: boolean): void {
    this.#libraries.test.XTestFakeKeyEvent(this.#connection.display, keycode, down ? 1 : 0, 0n);
  }

  #load(): Keymap | null {
    const map = readKeymap(this.#libraries, this.#connection);
    if (map !== null) {
      this.#spare = revise(this.#spare, spareKeycodes(map), (code) => plainSymbol(map, code));
    }
    return map;
  }

  /** Notices a change of the layout; our own loans are no such change. */
  #readEvents(): void {
    while (this.#connection.nextEvent()) {
      const { event } = this.#connection;
      if (event.getInt32(EVENT.type, true) !== this.#xkbEvent) continue;
      const only = onlyKeyOf(event);
      if (!this.#spare.keys.some((key) => key.keycode === only)) this.#map = null;
    }
  }
}
