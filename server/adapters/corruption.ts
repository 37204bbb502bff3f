/** Tells of values in the shared store that are not ours: a log line and an event each. */
import type { EventDraft, StoredValue } from "@farglass/protocol";
import type { Log } from "../core/ports.ts";
import { SERVER_ORIGIN } from "../core/telemetry/drafts.ts";

/** A value that was given up, and whose it was. */
export interface Corrupt {
  readonly value: StoredValue;
  readonly desktopId?: string;
  readonly sessionId?: string;
  /** For the log: the key, or what a reader said of it. */
  readonly detail?: string;
}

export type OnCorrupt = (found: Corrupt) => void;

/** Writes the log line and hands on. */
export const corruptionReporter = (log: Log, onCorrupt: OnCorrupt): OnCorrupt => (found) => {
  log.write("error", "store-corrupt", { code: "malformed", ...found });
  onCorrupt(found);
};

/** The event of it. */
export const corruptionDraft = (
  at: number,
  { value, desktopId, sessionId }: Corrupt,
): EventDraft => ({
  action: "stored-value-refused",
  ...SERVER_ORIGIN,
  at: Math.round(at),
  outcome: "failure",
  reason: "malformed",
  ...(desktopId === undefined ? {} : { target: { desktopId } }),
  ...(sessionId === undefined ? {} : { sessionId }),
  details: { value, count: 1 },
});
