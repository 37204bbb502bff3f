import type { Rect } from "@farglass/protocol";
import type { XConnection } from "./connection.ts";
import { fixedBytes, viewAt } from "./layout.ts";
import type { X11Libraries } from "./libraries.ts";

const XDAMAGE_REPORT_NON_EMPTY = 3;
const XRECTANGLE_BYTES = 8;

/**
 * Damage of the root window and all on it. The server sends one event when something changes and
 * is then silent until `take`, however much is drawn.
 */
export class RootDamage {
  readonly #libraries: X11Libraries;
  readonly #connection: XConnection;
  readonly #damage: bigint;
  readonly #region: bigint;
  readonly #count = fixedBytes(4);

  constructor(libraries: X11Libraries, connection: XConnection) {
    this.#libraries = libraries;
    this.#connection = connection;
    const { display, root } = connection;
    this.#damage = libraries.damage.XDamageCreate(display, root, XDAMAGE_REPORT_NON_EMPTY);
    this.#region = libraries.fixes.XFixesCreateRegion(display, null, 0);
  }

  /**
   * What changed since the last call. Read the pixels after it: a change in between is then in
   * the pixels and reported once more, never lost.
   */
  take(): Rect[] {
    const { damage, fixes, x } = this.#libraries;
    const { display } = this.#connection;
    damage.XDamageSubtract(display, this.#damage, 0n, this.#region);
    const list = fixes.XFixesFetchRegion(display, this.#region, this.#count);
    if (list === null) return [];
    const count = new DataView(this.#count.buffer).getInt32(0, true);
    const rects: Rect[] = [];
    if (count > 0) {
      const view = viewAt(list, count * XRECTANGLE_BYTES);
      for (let at = 0; at < view.byteLength; at += XRECTANGLE_BYTES) {
        rects.push({
          x: view.getInt16(at, true),
          y: view.getInt16(at + 2, true),
          width: view.getUint16(at + 4, true),
          height: view.getUint16(at + 6, true),
        });
      }
    }
    x.XFree(list);
    return rects;
  }

  close(): void {
    if (this.#connection.lost) return;
    this.#libraries.damage.XDamageDestroy(this.#connection.display, this.#damage);
    this.#libraries.fixes.XFixesDestroyRegion(this.#connection.display, this.#region);
  }
}
