/** Reads what the server remembers of sessions. */
import {
  type KnownSession,
  recordIn,
  recordPath,
  sessionIn,
  sessionPath,
  type SessionRecord,
  sessionsIn,
  sessionsPath,
} from "../core/mod.ts";

/** An answer of the server as `take` reads it, or null when it cannot be reached. */
async function read<T>(path: string, take: (answer: unknown) => T | null): Promise<T | null> {
  try {
    const answer = await fetch(path);
    return take(await answer.json());
  } catch {
    // No network, or no JSON: the page says that there is nothing.
    return null;
  }
}

/** The course of a session, or null when the server has none or cannot be reached. */
export const readRecord = (sessionId: string): Promise<SessionRecord | null> =>
  read(recordPath(sessionId), recordIn);

/** A desktop's sessions, newest first. */
export const readSessions = (desktopId: string): Promise<readonly KnownSession[] | null> =>
  read(sessionsPath(desktopId), sessionsIn);

/** One session. */
export const readSession = (sessionId: string): Promise<KnownSession | null> =>
  read(sessionPath(sessionId), sessionIn);
