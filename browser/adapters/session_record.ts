/** Reads the server's record of a session. */
import { recordIn, recordPath, type SessionRecord } from "../core/mod.ts";

/** The record, or null when the server has none or cannot be reached. */
export async function readRecord(sessionId: string): Promise<SessionRecord | null> {
  try {
    const answer = await fetch(recordPath(sessionId));
    return recordIn(await answer.json());
  } catch {
    // No network, or no JSON: the picture says that there is none.
    return null;
  }
}
