/** What the server asks of the world. Each has one contract suite for all its implementations. */
import type { ErrorCode } from "@farglass/protocol";
import type { DesktopState, SessionEvent } from "./state.ts";

export interface Stored {
  /** Counts the writes of this desktop, from 1. */
  readonly revision: number;
  readonly desktop: DesktopState;
}

/** Live state of all desktops, shared by all nodes. */
export interface DesktopStore {
  load(desktopId: string): Promise<Stored | null>;
  /**
   * Writes `desktop` (null deletes it) if the stored revision is still `revision` (0: there is
   * none) and keeps the index of its sessions in the same step. False when another writer was
   * quicker: load and decide again.
   */
  save(desktopId: string, revision: number, desktop: DesktopState | null): Promise<boolean>;
  list(): Promise<readonly DesktopState[]>;
  /** The desktop of a live or recently ended session. */
  desktopOf(sessionId: string): Promise<string | null>;
}

/** Messages between nodes. JSON values only; a topic's messages arrive in the order published. */
export interface Bus {
  publish(topic: string, message: unknown): Promise<void>;
  /** Returns the way to stop. */
  subscribe(topic: string, handler: (message: unknown) => void): () => void;
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

/** Counters and gauges; no ids. */
export interface Metrics {
  message(type: string, direction: "in" | "out"): void;
  rejected(code: ErrorCode): void;
  sessionEvent(event: SessionEvent): void;
  connections(role: "agent" | "console", count: number): void;
  relayed(bytes: number): void;
  relaySkipped(frames: number): void;
}
