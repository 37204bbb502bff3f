/** The server's record of a session's course, checked like everything that comes from outside. */
import * as v from "valibot";

const time = v.pipe(v.number(), v.finite());
const spanSchema = v.object({
  from: time,
  to: time,
  label: v.pipe(v.string(), v.maxLength(64)),
  cause: v.nullable(v.pipe(v.string(), v.maxLength(64))),
});
const LANES = [
  "signalling",
  "connection",
  "ice-console",
  "ice-agent",
  "dtls-console",
  "dtls-agent",
  "first-frame",
  "transport",
] as const;
const timelineSchema = v.object({
  success: v.literal(true),
  data: v.object({
    timeline: v.object({
      startedAt: time,
      endedAt: v.nullable(time),
      lanes: v.pipe(
        v.array(v.object({
          lane: v.picklist(LANES),
          spans: v.pipe(v.array(spanSchema), v.maxLength(200)),
        })),
        v.maxLength(LANES.length),
      ),
    }),
  }),
});

/** What the server knows of a session's course; times are Unix ms. */
export type SessionRecord = v.InferOutput<typeof timelineSchema>["data"]["timeline"];

const path = (sessionId: string, what: "timeline" | "bundle"): string =>
  `/api/v1/remote-desktop/sessions/${sessionId}/${what}`;

/** Where the record is read. */
export const recordPath = (sessionId: string): string => path(sessionId, "timeline");
/** Where the server's part of the support bundle is read. */
export const bundlePath = (
  sessionId: string,
  { addresses }: { readonly addresses: boolean },
): string => `${path(sessionId, "bundle")}${addresses ? "?addresses=include" : ""}`;

/** The record in an answer of the server, or null when it says something else. */
export function recordIn(answer: unknown): SessionRecord | null {
  const parsed = v.safeParse(timelineSchema, answer);
  return parsed.success ? parsed.output.data.timeline : null;
}
