/** The support bundle: the server's record of a session and what this console saw of it. */
import * as v from "valibot";
import { PROTOCOL_VERSION, SOFTWARE_VERSION } from "@farglass/protocol";
import {
  bundlePath,
  type CandidateAddress,
  type ConsoleReport,
  type TimelineEntry,
} from "../core/mod.ts";

export interface ConsolePart extends ConsoleReport {
  readonly timeline: readonly TimelineEntry[];
  readonly addresses: readonly CandidateAddress[] | null;
}

const answerSchema = v.object({
  success: v.literal(true),
  data: v.looseObject({ versions: v.looseObject({}) }),
});

/** Makes the bundle's JSON; `complete` is false when the server's part could not be read. */
export async function makeBundle(
  sessionId: string,
  part: ConsolePart,
  now: number,
): Promise<{ readonly text: string; readonly complete: boolean }> {
  const server = await readServerPart(sessionId, part.addresses !== null);
  const versions = {
    ...server?.versions,
    console: SOFTWARE_VERSION,
    consoleProtocol: PROTOCOL_VERSION,
    browser: navigator.userAgent,
  };
  const { samples, decisions, timeline, addresses } = part;
  const bundle = {
    madeAt: Math.round(now),
    sessionId,
    ...server,
    versions,
    console: {
      statistics: samples,
      decisions,
      timeline: timeline.map(({ id: _id, ...entry }) => entry),
      ...(addresses === null ? {} : { addresses }),
    },
  };
  return { text: JSON.stringify(bundle, null, 2), complete: server !== null };
}

async function readServerPart(sessionId: string, addresses: boolean) {
  try {
    const answer = await fetch(bundlePath(sessionId, { addresses }));
    const parsed = v.safeParse(answerSchema, await answer.json());
    return parsed.success ? parsed.output.data : null;
  } catch {
    // No network, or no JSON: the console's part is worth having alone.
    return null;
  }
}
