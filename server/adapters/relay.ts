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

export interface RelayRemote {
  /** Rejects when too much is on its way. */
  readonly forward: (linkId: string, bytes: Uint8Array) => Promise<void>;
  readonly findRoute: (sessionId: string) => Promise<Route | null>;
}

export interface RelayOptions {
  readonly metrics: Metrics;
  readonly clock: () => number;
  readonly socketOf: (linkId: string) => LinkSocket | null;
  readonly send: (linkId: string, draft: Draft) => void;
  /** The way to links of other nodes, and to routes that other nodes decided; null when alone. */
  readonly remote?: RelayRemote | null;
  /** Pixels of one session; what is beyond is skipped like the frames of a slow console. */
  readonly bytesPerSecond?: number;
}

/** Input and acknowledgements of one console: a fast mouse makes 1000 moves a second. */
const UPSTREAM_RATE: BucketRate = { perSecond: 2_000, burst: 4_000 };
/** A stream of bad frames is answered by at most one ERROR in this time. */
const ERROR_NOTICE_MS = 1_000;
/** Frames of one session that may wait until its way is known. */
const MAX_WAITING_FRAMES = 64;
/** Sessions whose way is being looked up at once. */
const MAX_LOOKUPS = 256;
/** A forwarded frame begins with the UUID of the link it comes from. */
const LINK_ID_BYTES = 36;

/** Forwards frames; nothing is ever queued beyond the sockets' own bounded buffers. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #routes = new Map<string, Relayed>();
  /** When each link was last told of an error, in Unix ms. */
  readonly #erroredAt = new Map<string, number>();
  /** Flow towards consoles of this node whose agents are elsewhere, by session. */
  readonly #flows = new Map<string, RelayFlow>();
  readonly #lookups = new Map<string, (() => void)[]>();

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
    this.#flows.delete(sessionId);
  }

  /** Another node changed the way: it is looked up with the next frame. */
  forgetRoute(sessionId: string): void {
    if ((this.#options.remote ?? null) !== null) this.unroute(sessionId);
  }

  forgetRoutes(): void {
    for (const sessionId of [...this.#routes.keys()]) this.forgetRoute(sessionId);
  }

  /** A frame that another node passed on to a link of this one; that node has checked it. */
  onForwarded(linkId: string, bytes: Uint8Array): void {
    const target = this.#options.socketOf(linkId);
    if (target === null || bytes.length <= LINK_ID_BYTES) return;
    const fromLinkId = new TextDecoder().decode(bytes.subarray(0, LINK_ID_BYTES));
    const frameBytes = bytes.subarray(LINK_ID_BYTES);
    const decoded = decodeRelay(frameBytes);
    if (!decoded.ok) return;
    const { kind, sessionId, payload } = decoded.value;
    if (kind !== "diff") {
      if (target.bufferedBytes() > RELAY_BUFFER_BYTES) return;
      return this.#deliver(target, frameBytes);
    }
    const diff = decodeDiff(payload);
    if (!diff.ok) return;
    const { frame, last } = diff.value;
    const bufferedBytes = target.bufferedBytes();
    const flow = this.#flows.get(sessionId) ?? newRelayFlow;
    const decision = relayDiff(flow, { frame, last, bufferedBytes }, this.#options.clock());
    this.#flows.set(sessionId, decision.flow);
    if (decision.forward) this.#deliver(target, frameBytes);
    if (decision.notifySkipped) {
      this.#options.metrics.relaySkipped(1);
      const notice = encodeDiffAck({ frame, outcome: "skipped" });
      this.#pass({ from: linkId, to: fromLinkId }, encodeRelay("skipped", sessionId, notice));
    }
    if (!decision.notifyCongestion) return;
    const { congested, skippedFrames } = decision.flow;
    this.#options.remote?.findRoute(sessionId).then((route) => {
      if (route === null) return;
      const { desktopId } = route;
      const content = { congested, skippedFrames, bufferedBytes };
      const draft: Draft = { type: "RELAY_CONGESTION", desktopId, sessionId, payload: content };
      this.#options.send(fromLinkId, draft);
    }, () => {
      // The store is away; the skipped frames themselves tell as much.
    });
  }

  #deliver(target: LinkSocket, bytes: Uint8Array): void {
    target.sendBinary(bytes);
    this.#options.metrics.relayed(bytes.length);
  }

  /** To a link of another node; false when there is none, or no room on the way. */
  #pass(ends: { readonly from: string; readonly to: string }, bytes: Uint8Array): void {
    const { remote = null } = this.#options;
    if (remote === null) return;
    const framed = new Uint8Array(LINK_ID_BYTES + bytes.length);
    framed.set(new TextEncoder().encode(ends.from).subarray(0, LINK_ID_BYTES));
    framed.set(bytes, LINK_ID_BYTES);
    remote.forward(ends.to, framed).catch(() => {
      // Like a network that lost it: the agent's own timeout sends the pixels anew.
      this.#options.metrics.relaySkipped(1);
    });
  }

  /** Asks the store for the way, then takes the frame as if it had come now. */
  #lookUp(sessionId: string, again: () => void): boolean {
    const { remote = null } = this.#options;
    if (remote === null) return false;
    const waiting = this.#lookups.get(sessionId);
    if (waiting !== undefined) {
      if (waiting.length < MAX_WAITING_FRAMES) waiting.push(again);
      return true;
    }
    if (this.#lookups.size >= MAX_LOOKUPS) return false;
    const list = [again];
    this.#lookups.set(sessionId, list);
    const done = () => {
      this.#lookups.delete(sessionId);
      for (const run of list) run();
    };
    remote.findRoute(sessionId).then((route) => {
      if (route !== null) this.route(route);
      done();
    }, done);
    return true;
  }

  /** The link is gone for good. */
  forget(linkId: string): void {
    this.#erroredAt.delete(linkId);
  }

  /** One binary frame of a link. */
  onBinary(linkId: string, role: "agent" | "console", bytes: Uint8Array, known = false): void {
    const decoded = decodeRelay(bytes);
    if (!decoded.ok) return this.#reject(linkId, decoded.error);
    const { sessionId } = decoded.value;
    const relayed = this.#routes.get(sessionId);
    if (relayed === undefined && !known) {
      const again = () => this.onBinary(linkId, role, bytes, true);
      if (this.#lookUp(sessionId, again)) return;
    }
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
    if (target === null) {
      // Elsewhere, or away, and then the agent was told so by PEER_PRESENCE.
      this.#pass({ from: route.agentLinkId, to: route.consoleLinkId }, bytes);
      return null;
    }
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
    if (target === null) {
      const { consoleLinkId, agentLinkId } = relayed.route;
      this.#pass({ from: consoleLinkId, to: agentLinkId }, bytes);
      return null;
    }
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
