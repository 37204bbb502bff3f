/** The diff path through the server: binary frames between the two ends of a session. */
import {
  type CodedError,
  codedError,
  decodeDiff,
  decodeDiffAck,
  decodeInput,
  decodeRelay,
  type Draft,
  encodeDiffAck,
  encodeRelay,
  never,
  type RelayFrame,
  retryLater,
} from "@farglass/protocol";
import type { Effect } from "../core/events.ts";
import type { Metrics } from "../core/ports.ts";
import { type Bucket, type BucketRate, fullBucket, takeToken } from "../core/rate_limit.ts";
import { newRelayFlow, RELAY_BUFFER_BYTES, relayDiff, type RelayFlow } from "../core/relay_flow.ts";
import type { LinkSocket } from "./link_types.ts";

type Route = Extract<Effect, { kind: "route" }>;

interface Relayed {
  readonly route: Route;
  flow: RelayFlow;
  upstream: Bucket;
  downstream: Bucket;
}

export interface RelayOptions {
  readonly metrics: Metrics;
  readonly clock: () => number;
  readonly socketOf: (linkId: string) => LinkSocket | null;
  readonly send: (linkId: string, draft: Draft) => void;
  /** Pixels of one session; what is beyond is skipped like the frames of a slow console. */
  readonly bytesPerSecond?: number;
}

/** Input and acknowledgements of one console: a fast mouse makes 1000 moves a second. */
const UPSTREAM_RATE: BucketRate = { perSecond: 2_000, burst: 4_000 };
/** A stream of bad frames is answered by at most one ERROR in this time. */
const ERROR_NOTICE_MS = 1_000;

/** Forwards frames; nothing is ever queued beyond the sockets' own bounded buffers. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #routes = new Map<string, Relayed>();
  /** When each link was last told of an error, in Unix ms. */
  readonly #erroredAt = new Map<string, number>();

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  route(route: Route): void {
    const old = this.#routes.get(route.sessionId);
    const now = this.#options.clock();
    this.#routes.set(route.sessionId, {
      route,
      flow: old?.flow ?? newRelayFlow,
      upstream: old?.upstream ?? fullBucket(UPSTREAM_RATE, now),
      downstream: old?.downstream ?? fullBucket(this.#downstreamRate(), now),
    });
  }

  #downstreamRate(): BucketRate {
    const { bytesPerSecond = Number.MAX_SAFE_INTEGER } = this.#options;
    return { perSecond: bytesPerSecond, burst: bytesPerSecond };
  }

  unroute(sessionId: string): void {
    this.#routes.delete(sessionId);
  }

  /** The link is gone for good. */
  forget(linkId: string): void {
    this.#erroredAt.delete(linkId);
  }

  /** One binary frame of a link. */
  onBinary(linkId: string, role: "agent" | "console", bytes: Uint8Array): void {
    const decoded = decodeRelay(bytes);
    if (!decoded.ok) return this.#reject(linkId, decoded.error);
    const relayed = this.#routes.get(decoded.value.sessionId);
    const owner = role === "agent" ? relayed?.route.agentLinkId : relayed?.route.consoleLinkId;
    if (relayed === undefined || owner !== linkId) {
      return this.#reject(linkId, codedError("session-not-found"));
    }
    const error = role === "agent"
      ? this.#fromAgent(relayed, decoded.value, bytes)
      : this.#fromConsole(relayed, decoded.value, bytes);
    if (error !== null) this.#reject(linkId, error);
  }

  #fromAgent(relayed: Relayed, frame: RelayFrame, bytes: Uint8Array): CodedError | null {
    if (frame.kind !== "diff") return codedError("wrong-direction", frame.kind);
    const decoded = decodeDiff(frame.payload);
    if (!decoded.ok) return decoded.error;
    const { route } = relayed;
    const target = this.#options.socketOf(route.consoleLinkId);
    // The console is away and the agent was told so by PEER_PRESENCE.
    if (target === null) return null;
    // Beyond the rate a frame is skipped just as if the console had not read the last ones.
    const taken = takeToken(
      relayed.downstream,
      this.#downstreamRate(),
      this.#options.clock(),
      bytes.length,
    );
    const bufferedBytes = taken.ok ? target.bufferedBytes() : RELAY_BUFFER_BYTES + 1;
    const { frame: number, last } = decoded.value;
    const decision = relayDiff(
      relayed.flow,
      { frame: number, last, bufferedBytes },
      this.#options.clock(),
    );
    relayed.flow = decision.flow;
    if (decision.forward) {
      relayed.downstream = taken.bucket;
      target.sendBinary(bytes);
      this.#options.metrics.relayed(bytes.length);
    }
    if (decision.notifySkipped) this.#tellSkipped(route, number);
    if (decision.notifyCongestion) this.#tellCongestion(relayed, bufferedBytes);
    return null;
  }

  #fromConsole(relayed: Relayed, frame: RelayFrame, bytes: Uint8Array): CodedError | null {
    const taken = takeToken(relayed.upstream, UPSTREAM_RATE, this.#options.clock());
    relayed.upstream = taken.bucket;
    if (!taken.ok) return retryLater("rate-limited", { ms: taken.waitMs });
    switch (frame.kind) {
      case "ack": {
        const decoded = decodeDiffAck(frame.payload);
        if (!decoded.ok) return decoded.error;
        break;
      }
      case "input": {
        if (relayed.route.viewOnly) return codedError("view-only");
        const decoded = decodeInput(frame.payload);
        if (!decoded.ok) return decoded.error;
        break;
      }
      case "diff":
      case "skipped":
        return codedError("wrong-direction", frame.kind);
      default:
        return never(frame.kind);
    }
    const target = this.#options.socketOf(relayed.route.agentLinkId);
    if (target === null) return null;
    if (target.bufferedBytes() > RELAY_BUFFER_BYTES) return codedError("buffer-full");
    target.sendBinary(bytes);
    this.#options.metrics.relayed(bytes.length);
    return null;
  }

  #tellSkipped(route: Route, frame: number): void {
    this.#options.metrics.relaySkipped(1);
    const agent = this.#options.socketOf(route.agentLinkId);
    if (agent === null || agent.bufferedBytes() > RELAY_BUFFER_BYTES) return;
    const notice = encodeDiffAck({ frame, outcome: "skipped" });
    agent.sendBinary(encodeRelay("skipped", route.sessionId, notice));
  }

  #tellCongestion(relayed: Relayed, bufferedBytes: number): void {
    const { desktopId, sessionId, agentLinkId } = relayed.route;
    const { congested, skippedFrames } = relayed.flow;
    this.#options.send(agentLinkId, {
      type: "RELAY_CONGESTION",
      desktopId,
      sessionId,
      payload: { congested, skippedFrames, bufferedBytes },
    });
  }

  #reject(linkId: string, error: CodedError): void {
    const { metrics, clock, send } = this.#options;
    metrics.rejected(error.code);
    const now = clock();
    if (now - (this.#erroredAt.get(linkId) ?? 0) < ERROR_NOTICE_MS) return;
    this.#erroredAt.set(linkId, now);
    send(linkId, { type: "ERROR", payload: { ...error, refSeq: 0, refType: "relay frame" } });
  }
}
