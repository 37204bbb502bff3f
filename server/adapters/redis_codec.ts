/**
 * Desktops as fields of a Redis hash. What comes back is checked: anybody may have written there,
 * and a value that is not ours must end one session, never the process.
 */
import * as v from "valibot";
import {
  agentInfoSchema,
  candidatePairSchema,
  desktopCapsSchema,
  signalSchema,
  STAGES,
  TRANSPORTS,
} from "@farglass/protocol";
import type { CorruptSession, Stored } from "../core/ports.ts";
import type { DesktopState, EndedRecord, EndedSession, SessionState } from "../core/state.ts";

const time = v.number();
const when = v.nullable(time);
const id = v.pipe(v.string(), v.minLength(1), v.maxLength(128));
const stage = v.picklist(STAGES);
const transport = v.picklist(TRANSPORTS);
const operator = v.looseObject({ operatorId: v.string(), name: v.string() });
const events = v.array(v.looseObject({ type: v.string(), at: time }));
const end = v.variant("at", [
  v.looseObject({ at: v.literal("unattached"), sinceMs: time }),
  v.looseObject({ at: v.literal("online"), linkId: id }),
  v.looseObject({ at: v.literal("away"), linkId: id, sinceMs: time }),
]);
const hex = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)));
const trace = v.optional(v.looseObject({
  traceId: hex(32),
  callerSpanId: v.nullable(hex(16)),
  spanId: hex(16),
  sampled: v.boolean(),
}));
const marks = v.array(v.nullable(v.string()));
/** Unknown fields are kept: a newer node may have written them. */
const sessionSchema = v.looseObject({
  sessionId: id,
  desktopId: id,
  requestId: v.string(),
  operator,
  source: v.optional(v.looseObject({
    address: v.optional(v.string()),
    userAgent: v.optional(v.string()),
  })),
  console: end,
  stage,
  createdAtMs: time,
  stageSinceMs: time,
  transport,
  selected: transport,
  retries: v.number(),
  viewOnly: v.boolean(),
  listening: v.optional(v.boolean()),
  candidatePair: v.nullable(candidatePairSchema),
  negotiation: v.looseObject({
    generation: v.number(),
    answered: v.number(),
    startedAtMs: time,
    fromAgent: marks,
    fromConsole: marks,
    lastCandidate: v.optional(v.looseObject({ from: v.string(), type: v.string(), at: time })),
  }),
  toAgent: v.array(signalSchema),
  toConsole: v.array(signalSchema),
  consentByMs: when,
  negotiateByMs: when,
  rotateAtMs: when,
  events,
  trace,
});
const endedSchema = v.looseObject({
  sessionId: id,
  desktopId: id,
  operator,
  stage,
  createdAtMs: time,
  endedAtMs: time,
  reason: v.string(),
  by: v.string(),
  retries: v.number(),
  events,
  trace,
});
const headSchema = v.looseObject({
  desktopId: id,
  agent: agentInfoSchema,
  caps: desktopCapsSchema,
  link: v.variant("at", [
    v.looseObject({ at: v.picklist(["online", "away"]), linkId: id, sinceMs: time }),
    v.looseObject({ at: v.literal("gone"), sinceMs: time }),
  ]),
  /** Live sessions, oldest first: a hash has no order. */
  live: v.array(id),
  /** Ended ones, newest last. */
  past: v.array(id),
});

const recordSchema = v.looseObject({
  session: endedSchema,
  agent: agentInfoSchema,
  caps: desktopCapsSchema,
});

/** Reads the record of an ended session; null when it is none. */
export function decodeRecord(text: string): EndedRecord | null {
  const record = parse(text);
  return v.is(recordSchema, record) ? record as unknown as EndedRecord : null;
}

/**
 * Version of what is stored, in the field `v`; absent means 1. Raised when a node of the old version
 * would misread or destroy a value: it then leaves the value alone and says so. New fields alone
 * raise nothing: whoever does not know them keeps them.
 */
export const STORE_VERSION = 1;

/** Whether a value says that it is of a newer version. */
const isNewer = (version: string | undefined): boolean =>
  version !== undefined && /^\d{1,9}$/.test(version) && Number(version) > STORE_VERSION;

export type Fields = Readonly<Record<string, string>>;

/** What a write changes: fields to set and fields to delete. */
export interface Change {
  readonly set: readonly (readonly [string, string])[];
  readonly drop: readonly string[];
}

/**
 * The fields that differ; what is the same object as in `before` is not even looked at. `head`
 * writes what is not a session in any case.
 */
export function changeOf(
  before: DesktopState | null,
  after: DesktopState,
  options: { readonly head?: boolean } = {},
): Change {
  if (before === after && options.head !== true) return UNCHANGED;
  const set: [string, string][] = [];
  const drop: string[] = [];
  for (const [key, session] of Object.entries(after.sessions)) {
    if (before?.sessions[key] !== session) set.push([`s:${key}`, JSON.stringify(session)]);
  }
  for (const key of Object.keys(before?.sessions ?? {})) {
    if (after.sessions[key] === undefined) drop.push(`s:${key}`);
  }
  if (before?.ended !== after.ended) {
    const endedBefore = new Map(before?.ended.map((s) => [s.sessionId, s]));
    for (const session of after.ended) {
      const { sessionId } = session;
      if (endedBefore.get(sessionId) !== session) {
        set.push([`e:${sessionId}`, JSON.stringify(session)]);
      }
      endedBefore.delete(sessionId);
    }
    for (const key of endedBefore.keys()) drop.push(`e:${key}`);
  }
  const { sessions, ended, ...head } = after;
  // Links, caps and the lists change seldom; a signal changes its session only.
  const same = before !== null && set.every(([field]) => field.startsWith("s:")) &&
    drop.length === 0 && before.link === after.link && before.caps === after.caps &&
    before.agent === after.agent &&
    Object.keys(before.sessions).length === Object.keys(sessions).length &&
    Object.keys(sessions).every((key) => before.sessions[key] !== undefined);
  if (!same || options.head === true) {
    const past = ended.map((s) => s.sessionId);
    set.push(["d", JSON.stringify({ ...head, live: Object.keys(sessions), past })]);
  }
  return { set, drop };
}

const UNCHANGED: Change = { set: [], drop: [] };

const toldSchema = v.looseObject({
  v: v.number(),
  rev: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  set: v.record(v.string(), v.unknown()),
});

/** A write as it is told to other nodes: the fields it has set, as values. */
export interface Told {
  readonly v: number;
  /** The revision it has made. */
  readonly rev: number;
  readonly set: Readonly<Record<string, unknown>>;
}

/** Checks the envelope only; null when it is none or a newer node's, which is for that to read. */
export const toldOf = (told: unknown): Told | null =>
  v.is(toldSchema, told) && told.v <= STORE_VERSION ? told : null;

/** What `known` is after the write that follows it; null where the store itself has to be read. */
export function applyTold({ revision, desktop, corrupt }: Stored, told: Told): Stored | null {
  const { rev, set } = told;
  if (rev !== revision + 1 || corrupt !== undefined) return null;
  const head = set.d;
  if (head !== undefined) {
    if (!isNext(headSchema, head, desktop) || head.desktopId !== desktop.desktopId) return null;
  }
  const sessions: Record<string, SessionState> = {};
  for (const key of head?.live ?? Object.keys(desktop.sessions)) {
    const before = desktop.sessions[key];
    const session = set[`s:${key}`] ?? before;
    if (session !== before) {
      if (!isNext(sessionSchema, session, before) || session.sessionId !== key) return null;
    }
    if (session === undefined) return null;
    sessions[key] = session as SessionState;
  }
  if (head === undefined) return { revision: rev, desktop: { ...desktop, sessions } };
  const { live: _live, past, ...rest } = head;
  const before = new Map(desktop.ended.map((s) => [s.sessionId, s]));
  const ended: EndedSession[] = [];
  for (const key of past) {
    const session = set[`e:${key}`] ?? before.get(key);
    if (!before.has(key) && !v.is(endedSchema, session)) return null;
    ended.push(session as EndedSession);
  }
  return { revision: rev, desktop: { ...rest, sessions, ended } as unknown as DesktopState };
}

type Shape = v.LooseObjectSchema<v.ObjectEntries, undefined>;

/** As `v.is`; what is as it was in `before`, which was checked, is not checked once more. */
function isNext<S extends Shape>(
  schema: S,
  value: unknown,
  before: object | undefined,
): value is v.InferInput<S> {
  if (before === undefined || typeof value !== "object" || value === null) {
    return v.is(schema, value);
  }
  const old = before as Readonly<Record<string, unknown>>;
  const now = value as Readonly<Record<string, unknown>>;
  return Object.entries(schema.entries).every(([key, entry]) =>
    key in old && isSameJson(old[key], now[key]) || v.is(entry, now[key])
  );
}

/** Whether two values are the same as JSON. */
function isSameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [a, b] as Readonly<Record<string, unknown>>[];
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length &&
    keys.every((key) => key in right && isSameJson(left[key], right[key]));
}

export type Decoded =
  | { readonly kind: "none" }
  | { readonly kind: "desktop"; readonly stored: Stored }
  /** A newer node's. */
  | { readonly kind: "newer" }
  /** Nothing of it can be used. */
  | { readonly kind: "broken" };

/**
 * Reads a hash; sessions that are no sessions are left out and named. Ended sessions in `known`
 * are taken from there: they never change.
 */
export function decodeDesktop(
  desktopId: string,
  fields: Fields,
  known: ReadonlyMap<string, EndedSession> = new Map(),
): Decoded {
  if (Object.keys(fields).length === 0) return { kind: "none" };
  if (isNewer(fields.v)) return { kind: "newer" };
  const revision = Number(fields.rev);
  const head = parse(fields.d);
  if (!Number.isSafeInteger(revision) || revision < 1) return { kind: "broken" };
  if (!v.is(headSchema, head) || head.desktopId !== desktopId) return { kind: "broken" };
  const { live, past, ...rest } = head;
  const corrupt: CorruptSession[] = [];
  const sessions: Record<string, SessionState> = {};
  for (const key of live) {
    const session = parse(fields[`s:${key}`]);
    if (v.is(sessionSchema, session) && session.sessionId === key) {
      sessions[key] = session as unknown as SessionState;
    } else corrupt.push({ sessionId: key, consoleLinkId: linkIn(session) });
  }
  const ended: EndedSession[] = [];
  for (const key of past) {
    const read = known.get(key);
    if (read !== undefined) {
      ended.push(read);
      continue;
    }
    const session = parse(fields[`e:${key}`]);
    // History that cannot be read is only left out.
    if (v.is(endedSchema, session)) ended.push(session as unknown as EndedSession);
  }
  const desktop = { ...rest, sessions, ended } as unknown as DesktopState;
  return {
    kind: "desktop",
    stored: { revision, desktop, ...(corrupt.length === 0 ? {} : { corrupt }) },
  };
}

function parse(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON, so not ours; the schema refuses it.
    return undefined;
  }
}

/** What can still be read of a broken session: who has to be told. */
function linkIn(session: unknown): string | null {
  const found = v.safeParse(v.looseObject({ console: v.looseObject({ linkId: id }) }), session);
  return found.success ? found.output.console.linkId : null;
}

/** HGETALL as an object; the library gives an object or a flat list by the protocol's version. */
export function toFields(answer: unknown): Fields {
  if (!Array.isArray(answer)) return answer as Fields;
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < answer.length; i += 2) fields[answer[i]] = answer[i + 1];
  return fields;
}
