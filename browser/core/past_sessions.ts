/** Sessions that the server remembers, checked like everything that comes from outside. */
import * as v from "valibot";
import { type Reason, REASONS } from "@farglass/protocol";

const id = v.pipe(v.string(), v.uuid());
const time = v.pipe(v.number(), v.finite());
const sessionSchema = v.object({
  sessionId: id,
  desktopId: id,
  operator: v.pipe(v.string(), v.maxLength(256)),
  /** A newer server may know more stages and reasons. */
  stage: v.pipe(v.string(), v.maxLength(64)),
  createdAt: time,
  ended: v.nullable(v.object({
    at: time,
    reason: v.pipe(v.string(), v.maxLength(64)),
  })),
});
const listSchema = v.object({
  success: v.literal(true),
  data: v.pipe(v.array(sessionSchema), v.maxLength(1000)),
});
const oneSchema = v.object({ success: v.literal(true), data: sessionSchema });

/** A session, live or over; times are Unix ms. */
export type KnownSession = v.InferOutput<typeof sessionSchema>;

const API = "/api/v1/remote-desktop/sessions";

/** Where a desktop's sessions are read. */
export const sessionsPath = (desktopId: string): string => `${API}?desktopId=${desktopId}`;
/** Where one of them is. */
export const sessionPath = (sessionId: string): string => `${API}/${sessionId}`;

/** The sessions in an answer of the server, newest first; null when it says something else. */
export function sessionsIn(answer: unknown): readonly KnownSession[] | null {
  const parsed = v.safeParse(listSchema, answer);
  return parsed.success ? parsed.output.data.toSorted((a, b) => b.createdAt - a.createdAt) : null;
}

/** The one session in an answer of the server, or null. */
export function sessionIn(answer: unknown): KnownSession | null {
  const parsed = v.safeParse(oneSchema, answer);
  return parsed.success ? parsed.output.data : null;
}

/** How a session went, in a plain sentence. */
export function outcomeWords({ stage, ended }: KnownSession): string {
  if (ended !== null) {
    const { reason } = ended;
    return Object.hasOwn(REASONS, reason) ? REASONS[reason as Reason] : reason;
  }
  return stage === "requested" ? "Waits for the owner's decision" : "Still open";
}
