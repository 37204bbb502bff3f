/** The server's record of a session's course, checked like everything that comes from outside. */
import * as v from "valibot";

const time = v.pipe(v.number(), v.finite());
const spanSchema = v.object({
  from: time,
  to: time,
  label: v.pipe(v.string(), v.maxLength(64)),
  cause: v.nullable(v.pipe(v.string(), v.maxLength(64))),
});
const timelineSchema = v.object({
  success: v.literal(true),
  data: v.object({
    timeline: v.object({
      startedAt: time,
      endedAt: v.nullable(time),
      lanes: v.pipe(
        v.array(v.object({
          lane: v.picklist(["signalling", "connection", "first-frame", "transport"]),
          spans: v.pipe(v.array(spanSchema), v.maxLength(200)),
        })),
        v.maxLength(8),
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
/** Where the support bundle is downloaded. */
export const bundlePath = (sessionId: string): string => path(sessionId, "bundle");

/** The record in an answer of the server, or null when it says something else. */
export function recordIn(answer: unknown): SessionRecord | null {
  const parsed = v.safeParse(timelineSchema, answer);
  return parsed.success ? parsed.output.data.timeline : null;
}
