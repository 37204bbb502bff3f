/** What the hub of the links needs from its server. */
import type { ErrorCode } from "@farglass/protocol";
import type { LinkLimits } from "../core/link_machine.ts";
import type { Bus, Log, Metrics } from "../core/ports.ts";
import type { Operator } from "../core/state.ts";
import type { LinkSharing } from "./link_sharing.ts";
import type { HubLink, Identity, LinkHandlers } from "./link_types.ts";

/** Whose message was answered with an error; `type` is `HELLO`, or `link` for any later one. */
export interface RejectedLink {
  readonly identity: Identity;
  readonly agent?: HubLink["agent"];
  readonly type: string;
}

export interface LinkHubOptions {
  readonly bus: Bus;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: () => number;
  readonly newId: () => string;
  readonly limits: { readonly agent: LinkLimits; readonly console: LinkLimits };
  /** Heartbeats of all agents together; with more agents each beats slower, down to one in 20 s. */
  readonly agentHeartbeatsPerSecond?: number;
  /** Bytes that may wait in all sockets together before the slowest peers are cut off. */
  readonly maxBufferedBytes?: number;
  /** Uses up a console's ticket. */
  readonly checkTicket: (ticket: string, operator: Operator) => Promise<boolean>;
  readonly handlers: LinkHandlers;
  /** A message was answered with an error, or a link was cut off. */
  readonly onRejected?: (code: ErrorCode, link: RejectedLink) => void;
  /** Where other nodes find the links; null or left out when this is the only one. */
  readonly sharing?: LinkSharing | null;
}
