/** What the server asks of the world. Each has one contract suite for all its implementations. */
import type { DecisionCounts, DesktopSummary, Draft, ErrorCode } from "@farglass/protocol";
import type { DesktopState, EndedRecord, SessionEvent } from "./state.ts";

export interface Stored {
  /** Counts the writes of this desktop, from 1. */
  readonly revision: number;
  readonly desktop: DesktopState;
  /** Sessions that could not be read: a foreign or broken value. The next write removes them. */
  readonly corrupt?: readonly CorruptSession[];
}

export interface CorruptSession {
  readonly sessionId: string;
  /** Its console, where that much could be read. */
  readonly consoleLinkId: string | null;
}

/** What leaves the controller with a write: stored with it or not at all. */
export type Outgoing =
  /** For one link: kept until the link has numbered it, and published as LinkMail. */
  | { readonly kind: "mail"; readonly linkId: string; readonly draft: Draft }
  /** For every node that is there: published, not kept. */
  | { readonly kind: "notice"; readonly topic: string; readonly message: unknown };

/** Bus topic that says that the desktop list has changed, by a DesktopNotice or a list of them. */
export const DESKTOPS_TOPIC = "desktops";

/** Null of an older node. */
export type DesktopNotice = {
  readonly desktopId: string;
  /** Null when it is forgotten. */
  readonly revision: number | null;
  /** Its entry in the list, so that nobody has to read the desktop for it. */
  readonly summary?: DesktopSummary;
} | null;

/** Bus topic of a link: its LinkMail, and diff relay frames as bytes. */
export const linkTopic = (linkId: string): string => `link:${linkId}`;

/** What a link's topic carries. */
export type LinkMail =
  /** `n` counts the mail of this desktop for this link from 1, without a gap. */
  | {
    readonly desktopId: string;
    readonly n: number;
    /** Several in a row, the first of them number `n`. */
    readonly drafts: readonly Draft[];
    /** What the write has changed, for another node than the writer's; the store reads it. */
    readonly change?: unknown;
  }
  /** The same for an owner that takes them one by one, and so from an older node. */
  | {
    readonly desktopId: string;
    readonly n: number;
    readonly draft: Draft;
    readonly change?: unknown;
  }
  /** Nothing is lost when this is: not kept anywhere. */
  | { readonly draft: Draft }
  /** Another node took the link over. */
  | { readonly movedTo: string };

/** Only servers publish to a link's topic, but one of another version may publish something new. */
export const isMail = (mail: unknown): mail is LinkMail =>
  typeof mail === "object" && mail !== null && ("movedTo" in mail ||
    "draft" in mail && isDraft(mail.draft) ||
    "drafts" in mail && Array.isArray(mail.drafts) && mail.drafts.every(isDraft));

const isDraft = (draft: unknown): boolean =>
  typeof draft === "object" && draft !== null && "type" in draft;

/** Bus topic of a node: lists of mail for its links, what several desktops have sent at once. */
export const nodeTopic = (nodeId: string): string => `node:${nodeId}`;

/** What a node's topic carries a list of. */
export type BoxedMail = LinkMail & { readonly linkId: string };

/** The numbered message of a link that a write deals with. */
export interface Handled {
  readonly linkId: string;
  readonly seq: number;
}

/**
 * Mail for a link of this node that has its numbers already: kept as the link's own messages with
 * the write itself, where the store can do that in one step and no other mail is on its way.
 */
export interface Direct extends Pick<LinkBatch, "acked"> {
  readonly linkId: string;
  readonly owner: string;
  /** Whole messages with their numbers, in order. */
  readonly entries: readonly { readonly seq: number; readonly text: string }[];
  /** Called once or more, the first counts: false when they went as mail, or perhaps nowhere. */
  settle(kept: boolean): void;
}

export interface DesktopWrite {
  /** Null deletes it. */
  readonly desktop: DesktopState | null;
  readonly out?: readonly Outgoing[];
  /** The store settles with true what it has kept so; the caller the rest with false. */
  readonly direct?: readonly Direct[];
  /** Links of other nodes among the receivers: those nodes are told what has changed. */
  readonly away?: readonly string[];
  /** Of each link in ascending order. */
  readonly handled?: readonly Handled[];
}

/** `duplicate`: one of the messages was dealt with before, perhaps by a node that has died since. */
export type Saved = "saved" | "conflict" | "duplicate";

/** The store cannot be reached or takes no writes now; the message is a word, not a sentence. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
}

/** A stored value of a newer version than this node knows: it is left alone. */
export class StoreNewer extends Error {
  override readonly name = "StoreNewer";
}

/** A store in the memory of this process: it answers without a wait. */
export interface AtOnce {
  /** As DesktopStore.recall. */
  recall(desktopId: string): Stored | null;
  /** As DesktopStore.save; nothing comes between a decision and its write, so it always is written. */
  save(desktopId: string, write: DesktopWrite): void;
}

/** Live state of all desktops, shared by all nodes. Every method may reject with StoreUnavailable. */
export interface DesktopStore {
  /** Left out where the state is somewhere else. */
  readonly atOnce?: AtOnce | undefined;
  load(desktopId: string): Promise<Stored | null>;
  /** What this node last knew, perhaps outdated: `save` finds out, and then it is newer. */
  recall(desktopId: string): Promise<Stored | null>;
  /**
   * Writes if the stored revision is still `revision` (0: there is none), and with it, in one
   * step, the index of its sessions and what leaves. `conflict` when another writer was quicker:
   * recall and decide again.
   */
  save(desktopId: string, revision: number, write: DesktopWrite): Promise<Saved>;
  list(): Promise<readonly DesktopState[]>;
  /** Of `list`; what another node has done may be missing until its DesktopNotice has come. */
  summaries(): Promise<readonly DesktopSummary[]>;
  /** How many desktops are known. */
  size(): Promise<number>;
  /** The desktop of a live or recently ended session. */
  desktopOf(sessionId: string): Promise<string | null>;
  /** An ended session, also after its desktop was forgotten; null when it is older than kept. */
  recordOf(sessionId: string): Promise<EndedRecord | null>;
  /** Resolves when the store can be tried again. */
  whenUp(): Promise<void>;
}

/** How much of ended sessions stays: whatever is reached first. */
export interface HistoryLimits {
  /** From a session's end. */
  readonly keepMs: number;
  /** The newest ones of each desktop. */
  readonly perDesktop: number;
}

/** Sessions that `after` has ended and `before` had not. */
export const newlyEnded = (
  before: DesktopState | null,
  after: DesktopState | null,
): readonly EndedRecord[] => {
  if (after === null || after.ended === before?.ended) return [];
  const known = new Set(before?.ended.map((s) => s.sessionId));
  const { agent, caps } = after;
  return after.ended.filter((s) => !known.has(s.sessionId))
    .map((session) => ({ session, agent, caps }));
};

/** Messages between nodes. A topic's messages arrive in the order published. */
export interface Bus {
  /** A JSON value. */
  publish(topic: string, message: unknown): Promise<void>;
  /** Bytes, for a topic's subscribers with `onBytes`. */
  publishBytes(topic: string, bytes: Uint8Array): Promise<void>;
  /** Returns the way to stop. */
  subscribe(
    topic: string,
    handler: (message: unknown) => void,
    onBytes?: (bytes: Uint8Array) => void,
  ): () => void;
  /** Resolves when a subscription made before is sure to get what is published from now on. */
  settled(topic: string): Promise<void>;
}

/** Mail as a link has taken it: number `n` of this desktop. */
export interface MailRef {
  readonly desktopId: string;
  readonly n: number;
}

/** What a node needs to go on with a link of another. */
export interface LinkRecord {
  readonly sent: number;
  readonly unacked: readonly { readonly seq: number; readonly text: string }[];
  /** The desktops of the link, with the last mail taken of each. */
  readonly taken: ReadonlyMap<string, number>;
}

export interface LinkBatch {
  readonly entries: readonly {
    readonly seq: number;
    readonly text: string;
    readonly mail: MailRef | null;
  }[];
  /** The client has everything up to this number. */
  readonly acked: number;
}

/**
 * Signalling links that any node may go on with. `owner` is a fresh name for each time a node
 * takes a link: whoever took it last owns it, and every write of an earlier owner is refused.
 * Every method may reject with StoreUnavailable.
 */
export interface LinkStore {
  /** `identity` is compared when the link is claimed. */
  create(linkId: string, owner: string, identity: string): Promise<void>;
  /** Takes the link over; null when it is not known or another's. Tells the last owner. */
  claim(linkId: string, owner: string, identity: string): Promise<LinkRecord | null>;
  /** Keeps numbered messages before they are sent; false when the link has another owner. */
  append(linkId: string, owner: string, batch: LinkBatch): Promise<boolean>;
  /**
   * Keeps fillers under numbers whose messages may or may not have been kept; resolves with the
   * texts that now stand there, or null when the link has another owner.
   */
  fill(
    linkId: string,
    owner: string,
    fillers: readonly { readonly seq: number; readonly text: string }[],
  ): Promise<readonly string[] | null>;
  /** The link has to do with this desktop from now on. */
  addDesktop(linkId: string, owner: string, desktopId: string): Promise<void>;
  /** Mail after number `after`, oldest first. */
  missed(
    linkId: string,
    desktopId: string,
    after: number,
  ): Promise<readonly { readonly n: number; readonly draft: Draft }[]>;
  /** Forgets mail that was not worth a number. */
  drop(linkId: string, mail: MailRef): Promise<void>;
  /** Nobody will resume it; false when it has another owner. */
  remove(linkId: string, owner: string): Promise<boolean>;
  owns(linkId: string, owner: string): Promise<boolean>;
  /** Keeps a link that is alive but quiet. */
  touch(linkId: string, desktopIds: Iterable<string>): Promise<void>;
  whenUp(): Promise<void>;
}

export interface PlaceHolder {
  readonly sessionId: string;
  /** Taken so lately that its session may not be stored yet. */
  readonly young: boolean;
}

/** Which sessions count for an operator. Every method may reject with StoreUnavailable. */
export interface OperatorPlaces {
  /** Takes a place in one step, or says who has them all. Taking it again is taking it. */
  take(
    operatorId: string,
    sessionId: string,
    limit: number,
  ): Promise<{ readonly taken: boolean; readonly holders: readonly PlaceHolder[] }>;
  free(operatorId: string, sessionIds: readonly string[]): Promise<void>;
}

/** Secrets that are good for one use: sign-in links, tickets, challenges. */
export interface OnceStore {
  /** False when too many are waiting. */
  put(token: string, value: string, ttlMs: number): Promise<boolean>;
  /** Returns the value once; null when it is unknown, used or expired. */
  take(token: string): Promise<string | null>;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** The structured log. Every value passes a redactor. */
export interface Log {
  write(level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** `link-gone`: its client never came back; `link-full`: it took nothing in for too long. */
export type DropReason = "link-gone" | "link-full";

/** Counters and gauges; no ids. */
export interface Metrics {
  message(type: string, direction: "in" | "out"): void;
  rejected(code: ErrorCode): void;
  /** With its trace, where one is known: a histogram points to it. */
  sessionEvent(event: SessionEvent, traceId?: string): void;
  connections(role: "agent" | "console", count: number): void;
  relayed(bytes: number): void;
  relaySkipped(frames: number): void;
  dropped(reason: DropReason, messages: number): void;
  /** What agents and consoles decided about their media. */
  mediaDecisions(counts: DecisionCounts): void;
}
