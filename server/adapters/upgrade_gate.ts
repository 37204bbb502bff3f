/** Authenticates a WebSocket before its handshake is finished. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type ErrorCode, type EventSource, SUBPROTOCOL } from "@farglass/protocol";
import { isHostAllowed, isOriginAllowed, type OriginPolicy } from "../core/origins.ts";
import { eventSource } from "../core/telemetry/drafts.ts";
import type { Identities } from "./identity.ts";
import type { LinkHub } from "./link_hub.ts";
import type { Identity, LinkSocket } from "./link_types.ts";
import { refuseUpgrade } from "./node_http.ts";
import type { WsServer } from "./ws_server.ts";

/** Path of the signalling WebSocket. */
export const SIGNAL_PATH = "/ws/rd-signal";

/** Who was turned away, as far as it is known. */
export interface RefusedUpgrade {
  /** What it said to be; a console says nothing. */
  readonly role: Identity["role"];
  readonly source: EventSource;
}

export interface UpgradeGateOptions {
  readonly identities: Identities;
  readonly sockets: WsServer;
  readonly hub: LinkHub;
  readonly origins: () => OriginPolicy;
  readonly maxSockets: number;
  readonly addressOf: (request: IncomingMessage) => string | undefined;
  readonly stopping: () => boolean;
  readonly rejected: (code: ErrorCode, refused: RefusedUpgrade) => void;
}

/** An agent by its proof; a console by cookie, exact Origin and Host. */
export class UpgradeGate {
  readonly #options: UpgradeGateOptions;

  constructor(options: UpgradeGateOptions) {
    this.#options = options;
  }

  async upgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> {
    const { sockets, hub, rejected, addressOf } = this.#options;
    const { headers } = request;
    const source = eventSource(addressOf(request), headers["user-agent"]);
    const identity = await this.#check(request);
    if (typeof identity === "string") {
      rejected(identity, {
        role: headers.authorization === undefined ? "console" : "agent",
        source,
      });
      return refuseUpgrade(socket, identity);
    }
    if (socket.destroyed) return;
    const accept = (ws: LinkSocket) => hub.accept(ws, { ...identity, source });
    sockets.upgrade(request, socket, { head, source, accept });
  }

  async #check(request: IncomingMessage): Promise<Identity | ErrorCode> {
    const { identities, sockets, origins, maxSockets, stopping } = this.#options;
    const { headers, url = "" } = request;
    if (url.split("?", 1)[0] !== SIGNAL_PATH) return "not-found";
    if (stopping()) return "server-stopping";
    if (sockets.count >= maxSockets) return "too-many-connections";
    const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((p) => p.trim());
    if (!offered.includes(SUBPROTOCOL)) return "wrong-version";
    if (headers.authorization !== undefined) {
      const agentId = await identities.checkAgent(headers.authorization);
      return agentId === null ? "unauthorized" : { role: "agent", agentId };
    }
    if (!isHostAllowed(origins(), headers.host ?? null)) return "bad-origin";
    if (!isOriginAllowed(origins(), headers.origin ?? null)) return "bad-origin";
    const operator = identities.operatorOf(headers.cookie ?? null);
    return operator === null ? "unauthorized" : { role: "console", operator };
  }
}
