/** What a row of the negotiation's table is, and how it is run. */
import { type Stage, STAGES } from "@farglass/protocol";
import type { ControllerEvent } from "../core/events.ts";
import type { ControllerPolicy } from "../core/policy.ts";
import { ControllerDriver, on, SCRIPTS } from "./controller_driver.ts";

/** One kind of event. */
export interface Row {
  readonly name: string;
  /** One sentence on what happens. */
  readonly text: string;
  /**
   * `g` is the session's generation, 1 before the first offer. All but the last only prepare the
   * state; a preparation that is refused leaves the stage as it is.
   */
  readonly events: (g: number) => ControllerEvent | readonly ControllerEvent[];
  /**
   * What becomes of a session in each of STAGES, in their order: a new stage, `=` for the same
   * one, `!code` for a rejection that changes nothing; `*n` repeats a cell.
   */
  readonly cells: string;
  /** Other limits than the defaults. */
  readonly policy?: Partial<ControllerPolicy>;
  /** Time that passes before the last event. */
  readonly afterMs?: number;
}

/** Rows that belong together. */
export interface Group {
  readonly title: string;
  readonly text: string;
  readonly rows: readonly Row[];
}

/** Writes one row. */
export const row = (
  name: string,
  text: string,
  events: Row["events"],
  cells: string,
  more: Pick<Row, "policy" | "afterMs"> = {},
): Row => ({ name, text, events, cells, ...more });

/** What brings a session to each stage. */
export const SCRIPT_OF = {
  ...SCRIPTS,
  closed: [...SCRIPTS.connected, on.kill()],
  failed: [...SCRIPTS.requested, on.decision("deny")],
} as const;

/** A session in that stage, and the row's events run on it but for the last, which is given back. */
export function prepare(row: Row, stage: Stage) {
  const driver = new ControllerDriver(row.policy).run(...SCRIPT_OF[stage]);
  const events = [row.events(Math.max(1, driver.session?.negotiation.generation ?? 1))].flat();
  driver.run(...events.slice(0, -1));
  driver.now += row.afterMs ?? 0;
  return { driver, last: events[events.length - 1] };
}

/** The cells of a row, one for each of STAGES. */
export function expand(cells: string): readonly string[] {
  const all = cells.split(" ").flatMap((cell) => {
    const [value, times = "1"] = cell.split("*");
    return Array.from({ length: Number(times) }, () => value);
  });
  if (all.length !== STAGES.length) throw new Error(`${all.length} cells: ${cells}`);
  return all;
}
