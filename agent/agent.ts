/**
 * The running agent: one desktop, its link, its sessions and their viewers. Shell: the decisions
 * are made by core/session_table.ts, core/viewer.ts and core/link_client.ts.
 */
import {
  type AgentInfo,
  type CodedError,
  decodeRelay,
  type DesktopCaps,
  type DesktopPolicy,
  type Draft,
  encodeRelay,
  type Message,
  never,
  type Transport,
  VIDEO_PRESETS,
  type VideoCodec,
} from "@farglass/protocol";
import type { ConsentAnswer, ConsentRequest } from "./core/consent.ts";
import type { DisplayLayout } from "./core/displays.ts";
import type { Peer, PeerFactory } from "./core/ports.ts";
import { sessionsDeadline, stepSessions } from "./core/session_table.ts";
import { newSessionTable, type SessionEffect, type SessionEvent } from "./core/session_types.ts";
import type { Tracer } from "./core/trace.ts";
import { Link, type LinkPorts } from "./link.ts";
import { limited } from "./encoder_bounds.ts";
import { MediaReports } from "./media_reports.ts";
import type { Pipeline } from "./pipeline.ts";
import { NO_SOUND, type Sound, type SoundStatus } from "./sound.ts";
import type { VideoStatus } from "./video_pool.ts";
import { SessionTraces } from "./session_trace.ts";
import { type ViewerPorts, ViewerSession } from "./viewer_session.ts";

export interface AgentOptions {
  readonly info: AgentInfo;
  readonly desktopId: string;
  readonly desktopName: string;
  readonly capture: string;
  readonly input: { readonly pointer: boolean; readonly keyboard: boolean };
  readonly encoders: readonly DesktopCaps["encoders"][number][];
  /** Consoles may have video and patches on one screen. */
  readonly hybrid: boolean;
  readonly policy: DesktopPolicy;
  readonly loopbackOnly: boolean;
  /** The server is on this machine, so the browser may be, too. */
  readonly loopbackToo: boolean;
  readonly relayOnly: boolean;
}

export interface AgentPorts extends LinkPorts {
  readonly pipeline: Pipeline;
  /** Null where there is none to share. */
  readonly sound?: Sound | null;
  readonly createPeer: PeerFactory;
  /** Null when nobody can be asked. */
  readonly consent: {
    ask(id: string, request: ConsentRequest, onAnswer: (answer: ConsentAnswer) => void): void;
    cancel(id: string): void;
  } | null;
  deflate(bytes: Uint8Array): Uint8Array;
  base64(bytes: Uint8Array): string;
  soon(task: () => void): () => void;
  probes?(): readonly EncoderProbe[];
  /** Null when nobody collects traces. */
  readonly tracer?: Tracer | null;
}

/** What `farglass status` shows. */
export interface AgentStatus {
  readonly agentId: string;
  readonly desktopId: string;
  readonly connected: boolean;
  readonly desktop: { readonly name: string; readonly width: number; readonly height: number };
  /** Names of the displays that operators may see. */
  readonly displays: readonly string[];
  readonly viewers: readonly {
    readonly operator: string;
    readonly transport: Transport;
    /** Hears the desktop's sound. */
    readonly listening: boolean;
  }[];
  readonly sound: SoundStatus;
  readonly video: VideoStatus;
  /** What became of each encoder's probe; empty for those whose probe is not over. */
  readonly probes: readonly EncoderProbe[];
}

/** An encoder's name, and why it does not work here; null when it does. */
export interface EncoderProbe {
  readonly name: string;
  readonly refused: string | null;
}

interface OpenPeer {
  readonly peer: Peer;
  readonly sessionId: string;
  readonly generation: number;
}

/** Before the server's clock and network have answered, candidates have to be complete. */
const GATHER_TIMEOUT_MS = 300;

/** One agent with one desktop. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #ports: AgentPorts;
  readonly #link: Link;
  #sessions: ReturnType<typeof newSessionTable>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #viewers = new Map<string, ViewerSession>();
  readonly #peers = new Map<string, OpenPeer>();
  /** Peers in a row that never connected, by session. */
  readonly #peerFailures = new Map<string, number>();
  readonly #traces: SessionTraces | null;
  #reports: MediaReports | null = null;
  readonly #closing = new Set<Promise<void>>();
  /** Sessions whose owner is about to be asked. */
  readonly #toAsk = new Set<string>();
  readonly #registered = Promise.withResolvers<void>();
  #stopped = false;
  #encoders: AgentOptions["encoders"];

  constructor(options: AgentOptions, ports: AgentPorts) {
    this.#options = options;
    this.#encoders = options.encoders;
    this.#ports = ports;
    const { tracer = null, now } = ports;
    this.#traces = tracer === null ? null : new SessionTraces(tracer, now);
    this.#sessions = newSessionTable({
      desktopId: options.desktopId,
      policy: options.policy,
      canAsk: ports.consent !== null,
      loopbackOnly: options.loopbackOnly,
      loopbackToo: options.loopbackToo,
      relayOnly: options.relayOnly,
      videoCodecs: codecsOf(options),
    });
    this.#link = new Link(options.info, ports, {
      onUp: (resumed) => this.#onLinkUp(resumed),
      onDown: () => this.#step({ kind: "link-lost" }),
      onMessage: (message) => this.#onMessage(message),
      onBinary: (bytes) => this.#onRelay(bytes),
      onDrain: () => this.#viewers.forEach((viewer) => viewer.onRelayDrain()),
    });
    ports.pipeline.onScreen = () => this.#sendCaps();
    if (ports.sound) {
      ports.sound.onChange = () => {
        if (this.#link.online) this.#sendCaps();
      };
    }
  }

  /** Resolves when the server knows this agent and its desktop. */
  get registered(): Promise<void> {
    return this.#registered.promise;
  }

  start(): void {
    this.#link.start();
    const { desktopId } = this.#options;
    this.#reports = new MediaReports(this.#viewers, (sessionId, decisions) => {
      this.#link.send({ type: "MEDIA_REPORT", desktopId, sessionId, payload: { decisions } });
    });
  }

  get #displayNames(): readonly string[] {
    return this.#ports.pipeline.layout.displays.map(({ name }) => name);
  }

  status(): AgentStatus {
    return {
      agentId: this.#options.info.agentId,
      desktopId: this.#options.desktopId,
      connected: this.#link.online,
      desktop: { name: this.#options.desktopName, ...this.#ports.pipeline.screen },
      displays: this.#displayNames,
      viewers: [...this.#viewers.values()].map(({ operator, transport, listening }) => ({
        operator,
        transport,
        listening,
      })),
      sound: this.#ports.sound?.status ?? NO_SOUND,
      video: this.#ports.pipeline.videoStatus,
      probes: this.#ports.probes?.() ?? [],
    };
  }

  /** Ends every session, says goodbye, and gives everything back. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#step({ kind: "stop", sessionId: null, reason: "owner-stopped" });
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#reports?.stop();
    await this.#link.stop();
    await Promise.all(this.#closing);
    await this.#ports.pipeline.close();
    await this.#ports.sound?.close();
  }

  /** The owner's switch for the desktop's sound. */
  setMuted(muted: boolean): void {
    this.#ports.sound?.setMuted(muted);
  }

  // --- link -----------------------------------------------------------------------------------

  #onLinkUp(resumed: boolean): void {
    this.#ports.log("info", resumed ? "Connected to the server again" : "Connected to the server");
    this.#step({ kind: "link-up", resumed });
    if (!resumed) this.#sendCaps();
    this.#registered.resolve();
  }

  /** What the probes have found since the start. */
  setEncoders(encoders: AgentOptions["encoders"]): void {
    this.#encoders = encoders;
    this.#step({ kind: "video-codecs", codecs: codecsOf({ ...this.#options, encoders }) });
    if (this.#link.online) this.#sendCaps();
  }

  #sendCaps(): void {
    if (!this.#stopped) this.#link.send(this.#caps());
  }

  #caps(): Draft {
    const { desktopId, desktopName, hybrid, input, capture, policy } = this.#options;
    const encoders = this.#encoders;
    const bounds = this.#ports.pipeline.settings;
    const video = encoders.length > 0;
    return {
      type: "DESKTOP_CAPS",
      desktopId,
      payload: {
        name: desktopName,
        // Diff messages travel by data channel, too: only the encoders say whether there is video.
        transports: policy.videoOnly ? ["webrtc"] : ["webrtc", "diff"],
        hybrid: hybrid && video && !policy.diffOnly && !policy.videoOnly,
        encoders: policy.diffOnly || !video ? [] : encoders.map((one) => limited(one, bounds)),
        video: policy.diffOnly || !video
          ? undefined
          : { presets: [...VIDEO_PRESETS], preset: bounds.preset ?? "balanced" },
        ...displayCaps(this.#ports.pipeline.layout),
        input: policy.viewOnly ? { pointer: false, keyboard: false } : input,
        audio: this.#ports.sound?.caps ?? { available: false },
        capture,
        policy,
      },
    };
  }

  #onMessage(message: Message): void {
    if (message.type === "ERROR") {
      const { code, refType } = message.payload;
      this.#ports.log("warn", `The server refused a message: ${code} (${refType ?? "none"})`);
      return;
    }
    this.#traces?.onMessage(message);
    this.#step({ kind: "message", message });
  }

  #onRelay(bytes: Uint8Array): void {
    const frame = decodeRelay(bytes);
    if (!frame.ok) {
      this.#ports.log("warn", `Ignored a relay frame: ${frame.error.message}`);
      return;
    }
    const { kind, sessionId, payload } = frame.value;
    const viewer = this.#viewers.get(sessionId);
    if (viewer === undefined) return;
    switch (kind) {
      case "ack":
      case "skipped":
        viewer.onRelayAck(payload);
        break;
      case "input":
        viewer.onRelayInput(payload);
        break;
      case "diff":
        this.#ports.log("warn", "Ignored a relay frame: diff messages come from the agent");
        break;
      default:
        never(kind);
    }
  }

  // --- sessions -------------------------------------------------------------------------------

  #step(event: SessionEvent): void {
    if (this.#stopped) return;
    const [table, effects] = stepSessions(this.#sessions, event, this.#ports.now());
    this.#sessions = table;
    for (const effect of effects) this.#run(effect);
    clearTimeout(this.#timer);
    const due = sessionsDeadline(this.#sessions);
    if (due === null) return;
    this.#timer = setTimeout(
      () => this.#step({ kind: "tick" }),
      Math.max(0, due - this.#ports.now()),
    );
  }

  #run(effect: SessionEffect): void {
    switch (effect.kind) {
      case "send":
        this.#link.send(this.#traces?.outgoing(effect.draft) ?? effect.draft);
        break;
      case "ask":
        void this.#ask(effect);
        break;
      case "stop-asking":
        if (!this.#toAsk.delete(effect.sessionId)) this.#ports.consent?.cancel(effect.sessionId);
        break;
      case "open-viewer":
        this.#openViewer(effect.sessionId, effect.operator);
        break;
      case "close-viewer":
        this.#closeViewer(effect.sessionId, effect.reason);
        break;
      case "open-peer":
        this.#openPeer(effect);
        break;
      case "add-candidate":
        this.#addCandidate(effect);
        break;
      case "close-peer":
        this.#closePeer(effect.sessionId, effect.generation);
        break;
      case "console-presence":
        this.#viewers.get(effect.sessionId)?.onConsolePresence(effect.online);
        break;
      case "viewer-message":
        this.#onViewerMessage(effect.sessionId, effect.message);
        break;
      case "desktop-killed":
        this.#ports.log("warn", `The server ended all sessions: ${effect.reason}`);
        break;
      case "log":
        this.#ports.log(effect.level, effect.text);
        break;
      default:
        never(effect);
    }
  }

  /** Asks the owner, with the displays that are there now. */
  async #ask({ sessionId, operator }: Extract<SessionEffect, { kind: "ask" }>): Promise<void> {
    this.#toAsk.add(sessionId);
    await this.#ports.pipeline.refreshScreen();
    if (!this.#toAsk.delete(sessionId) || this.#stopped) return;
    this.#ports.consent?.ask(sessionId, { operator, displays: this.#displayNames }, (answer) => {
      this.#step({ kind: "consent", sessionId, answer });
    });
  }

  #openViewer(sessionId: string, operator: string): void {
    const { pipeline, sound = null, now, deflate, base64, soon, log } = this.#ports;
    const ids = { desktopId: this.#options.desktopId, sessionId };
    const ports: ViewerPorts = {
      pipeline,
      sound,
      onListening: (yes) =>
        log("info", `${operator} ${yes ? "hears this desktop" : "does not hear it any more"}`),
      onChoice: (payload) => this.#sendFor({ type: "VIEWER_CHOICE", ...ids, payload }),
      now,
      deflate,
      base64,
      soon,
      trace: this.#traces?.viewer(sessionId) ?? null,
      relayControl: (payload) => this.#sendFor({ type: "VIEWER_CONTROL", ...ids, payload }),
      relayDiff: (message) => this.#link.sendBinary(encodeRelay("diff", sessionId, message)),
      relayBufferedBytes: () => this.#link.bufferedBytes,
      refuse: (error: CodedError, refType) =>
        this.#sendFor({ type: "ERROR", ...ids, payload: { ...error, refType } }),
    };
    this.#viewers.set(sessionId, new ViewerSession(ports, this.#options.policy, operator));
    this.#ports.log("info", `${operator} sees this screen`);
  }

  /** A session that the server has forgotten must not be mentioned to it. */
  #sendFor(draft: Draft & { readonly sessionId?: string | undefined }): void {
    const session = this.#sessions.sessions.get(draft.sessionId ?? "");
    if (session !== undefined && session.orphanUntilMs === null) this.#link.send(draft);
  }

  #closeViewer(sessionId: string, reason: string): void {
    const viewer = this.#viewers.get(sessionId);
    if (viewer === undefined) return;
    this.#reports?.report(sessionId);
    this.#viewers.delete(sessionId);
    this.#traces?.forget(sessionId);
    viewer.close();
    if (this.#viewers.size === 0) this.#ports.pipeline.releaseAll();
    this.#ports.log("info", `${viewer.operator} does not see this screen any more: ${reason}`);
  }

  #onViewerMessage(
    sessionId: string,
    message: Extract<SessionEffect, { kind: "viewer-message" }>["message"],
  ): void {
    const viewer = this.#viewers.get(sessionId);
    if (message.type === "VIEWER_CONTROL") viewer?.onRelayControl(message.payload);
    else viewer?.onRelayCongestion(message.payload.congested);
  }

  // --- peers ----------------------------------------------------------------------------------

  #openPeer(effect: Extract<SessionEffect, { kind: "open-peer" }>): void {
    const { sessionId, generation } = effect;
    const at = { sessionId, generation };
    const viewer = this.#viewers.get(sessionId);
    if (viewer === undefined) return;
    const live = () => this.#viewers.get(sessionId) === viewer;
    const peer = this.#ports.createPeer({
      iceServers: effect.iceServers,
      videoCodecs: this.#sessions.videoCodecs,
      relayOnly: effect.relayOnly,
      loopbackOnly: this.#options.loopbackOnly,
      loopbackToo: this.#options.loopbackToo,
      failures: this.#peerFailures.get(sessionId) ?? 0,
      gatherTimeoutMs: GATHER_TIMEOUT_MS,
      sound: this.#ports.sound?.allowed ?? false,
      maxVideoKbps: this.#ports.pipeline.maxBitrateKbps,
      startVideoKbps: viewer.knownVideoKbps,
    }, {
      onState: (state) => {
        if (!live()) return;
        if (state === "connected") this.#peerFailures.delete(sessionId);
        // First the viewer, so that a new peer is in use before the old one goes.
        viewer.onPeerConnected(generation, state === "connected");
        this.#traces?.onPeerState(sessionId, generation, state);
        this.#step({ kind: "peer-state", ...at, state });
      },
      onLayer: (change) => live() && this.#step({ kind: "peer-layer", ...at, change }),
      onCandidate: (candidate) => this.#step({ kind: "local-candidate", ...at, candidate }),
      onChannelOpen: (channel) => live() && viewer.onChannelOpen(generation, channel),
      onChannelClose: (channel) => live() && viewer.onChannelClose(generation, channel),
      onMessage: (channel, data) => live() && viewer.onChannelMessage(generation, channel, data),
      onDrain: (channel) => live() && viewer.onChannelDrain(channel),
      onKeyframeRequest: (reason) => live() && viewer.onKeyframeRequest(reason),
      onVideoTarget: (target) => live() && viewer.onVideoTarget(generation, target),
    });
    this.#peerFailures.set(sessionId, (this.#peerFailures.get(sessionId) ?? 0) + 1);
    this.#peers.set(peerKey(sessionId, generation), { peer, ...at });
    viewer.addPeer(generation, peer);
    peer.answer(effect.sdp).then(
      (sdp) => this.#step({ kind: "answered", ...at, sdp }),
      (error) => {
        // A peer that was closed while it was answering says so by failing.
        if (!this.#peers.has(peerKey(sessionId, generation))) return;
        this.#ports.log("warn", `A peer could not answer: ${messageOf(error)}`);
        this.#step({ kind: "peer-error", ...at });
      },
    );
  }

  #addCandidate(effect: Extract<SessionEffect, { kind: "add-candidate" }>): void {
    const open = this.#peers.get(peerKey(effect.sessionId, effect.generation));
    open?.peer.addCandidate(effect.candidate).catch((error) => {
      this.#ports.log("warn", `A candidate was not taken: ${messageOf(error)}`);
    });
  }

  #closePeer(sessionId: string, generation: number): void {
    const key = peerKey(sessionId, generation);
    const open = this.#peers.get(key);
    if (open === undefined) return;
    this.#peers.delete(key);
    this.#viewers.get(sessionId)?.removePeer(generation);
    const closing = open.peer.close().catch((error) => {
      this.#ports.log("warn", `A peer did not close cleanly: ${messageOf(error)}`);
    }).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

const peerKey = (sessionId: string, generation: number): string => `${sessionId}/${generation}`;

const messageOf = (error: unknown): string => error instanceof Error ? error.message : "unknown";

/** What can be answered with, the best first. */
const codecsOf = (
  { encoders, policy }: Pick<AgentOptions, "encoders" | "policy">,
): readonly VideoCodec[] => policy.diffOnly ? [] : [...new Set(encoders.map(({ codec }) => codec))];

/** What of the displays may be seen. */
function displayCaps({ displays, all }: DisplayLayout): Pick<DesktopCaps, "displays"> & {
  readonly allDisplays: boolean;
} {
  const list = displays.map(({ id, name, width, height, x, y, primary, rotation }, i) => ({
    ...{ id, name, width, height, x, y, rotation },
    // Where the system names none, the first one is.
    primary: primary || (i === 0 && !displays.some((one) => one.primary)),
  }));
  const none = { id: "0", name: "No shared display", width: 1, height: 1, primary: true };
  return { displays: list.length === 0 ? [none] : list, allDisplays: all !== null };
}
