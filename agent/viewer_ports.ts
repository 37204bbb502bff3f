/** What one viewer's shell asks of the agent. */
import type { CodedError, ControlMessage, ViewerChoice } from "@farglass/protocol";
import type { Pipeline } from "./pipeline.ts";
import type { ViewerTrace } from "./session_trace.ts";
import type { Sound } from "./sound.ts";

/** The viewer's ways out that do not belong to its peer. */
export interface ViewerPorts {
  readonly pipeline: Pipeline;
  /** Null where there is none to share. */
  readonly sound?: Sound | null;
  /** The operator began or ceased to hear the desktop. */
  onListening?(listening: boolean): void;
  /** What the operator listens to or looks at has changed. */
  onChoice?(choice: ViewerChoice): void;
  now(): number;
  deflate(bytes: Uint8Array): Uint8Array;
  base64(bytes: Uint8Array): string;
  /** Runs `task` after pending IO had its turn; returns the way to cancel it. */
  soon(task: () => void): () => void;
  /** VIEWER_CONTROL through the server. */
  relayControl(message: ControlMessage): void;
  /** A diff message through the server; false when there is no link. */
  relayDiff(message: Uint8Array): boolean;
  /** Bytes that wait in the link's socket. */
  relayBufferedBytes(): number;
  refuse(error: CodedError, refType: string): void;
  /** Follows the viewer to its first frame, where somebody records that. */
  readonly trace?: ViewerTrace | null;
}
