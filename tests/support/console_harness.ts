/**
 * The console's machine with a server, an agent and a browser that a test plays by hand. Time
 * stands still but for `advance`, which stops at every deadline of the machine.
 */
import {
  type ChannelName,
  type ControlMessage,
  decodeControl,
  decodeMessage,
  type DesktopCaps,
  type DesktopSummary,
  type Draft,
  linkReceive,
  linkSend,
  type Message,
  type MessageOf,
  type MessageType,
  newLink,
  type Reason,
} from "@farglass/protocol";
import {
  type ConsoleEffect,
  type ConsoleEvent,
  type ConsoleState,
  type Environment,
  initialState,
  nextDeadline,
  type SessionView,
  step,
  surfaceOf,
  viewOf,
} from "../../browser/core/mod.ts";

export const DESKTOP_ID = "0b36df0b-7c59-4b5e-9e6c-52f6a4d2a001";
const AGENT_ID = "0b36df0b-7c59-4b5e-9e6c-52f6a4d2a002";
const uuid = (n: number) => `0b36df0b-7c59-4b5e-9e6c-${n.toString(16).padStart(12, "0")}`;
const CHANNEL_NAMES: readonly ChannelName[] = ["control", "input", "motion", "diff"];

export const summary = (patch: Partial<DesktopSummary> = {}): DesktopSummary => ({
  desktopId: DESKTOP_ID,
  agentId: AGENT_ID,
  name: "Office",
  hostname: "office",
  os: "linux",
  online: true,
  viewers: 0,
  width: 1920,
  height: 1080,
  capture: "synthetic",
  policy: { viewOnly: false, diffOnly: false, videoOnly: false, consent: "allow" },
  since: 1,
  ...patch,
});

export const caps = (patch: Partial<DesktopCaps> = {}): DesktopCaps => ({
  name: "Office",
  transports: ["webrtc", "diff"],
  encoders: [{
    name: "libx264",
    codec: "h264",
    hardware: false,
    minBitrateKbps: 100,
    defaultBitrateKbps: 8_000,
    maxBitrateKbps: 20_000,
    maxFps: 60,
    defaultFps: 30,
  }],
  displays: [{ id: "0", name: "Screen", width: 1920, height: 1080, primary: true }],
  input: { pointer: true, keyboard: true },
  audio: { available: false },
  capture: "synthetic",
  policy: { viewOnly: false, diffOnly: false, videoOnly: false, consent: "allow" },
  webrtc: { enabled: true, iceServers: [], iceTransportPolicy: "all" },
  ...patch,
});

/** What the played world does by itself. */
export interface World {
  /** The agent answers heartbeats on these peers' channels. */
  readonly beating: Set<number>;
  /** The agent confirms `select`, and the browser paints at once. */
  paints: boolean;
  /** The server answers PING. */
  serverLives: boolean;
  captured: number;
  rtpFrames: number;
}

export class ConsoleHarness {
  state: ConsoleState;
  now = 1_700_000_000_000;
  readonly world: World = {
    beating: new Set(),
    paints: true,
    serverLives: true,
    captured: 0,
    rtpFrames: 0,
  };
  /** Everything the console sent to the server, in order. */
  readonly sent: Message[] = [];
  /** Control messages by peer id; null is the relay. */
  readonly controls: { readonly peerId: number | null; readonly message: ControlMessage }[] = [];
  readonly effects: ConsoleEffect[] = [];
  /** Every transport that was on the screen, in order, with the time since start. */
  readonly shownHistory: string[] = [];
  readonly openPeers = new Set<number>();
  #serverLink = newLink;
  #linkId = 1;
  #sessions = 0;
  readonly #startedAt = this.now;
  readonly #reactions: ConsoleEffect[] = [];
  #reacting = false;

  constructor(environment: Environment = { webrtc: true, videoCodecs: ["h264"] }) {
    this.state = initialState(environment, [1, 2, 3, 4]);
  }

  get elapsedMs(): number {
    return this.now - this.#startedAt;
  }

  get session(): SessionView {
    const { session } = viewOf(this.state);
    if (session === null) throw new Error("There is no session");
    return session;
  }

  /** The id of the peer that was opened last. */
  get lastPeer(): number {
    return this.state.nextPeerId - 1;
  }

  messages<T extends MessageType>(type: T): MessageOf<T>[] {
    return this.sent.filter((m): m is MessageOf<T> & Message => m.type === type);
  }

  /** Selects that the agent received, as `transport@epoch`. */
  get selects(): string[] {
    return this.controls.flatMap(({ message: m }) => m.op === "select" ? [m.transport] : []);
  }

  do(event: ConsoleEvent): void {
    const [state, effects] = step(this.state, event, this.now);
    this.state = state;
    this.effects.push(...effects);
    const shown = state.session?.transport.shown.transport ?? "none";
    if (this.shownHistory.at(-1) !== shown) this.shownHistory.push(shown);
    if (!["video", "canvas", "both"].includes(surfaceOf(state))) {
      throw new Error("No surface is visible");
    }
    // What the world answers comes after everything the console did.
    this.#reactions.push(...effects);
    if (this.#reacting) return;
    this.#reacting = true;
    try {
      for (let next = this.#reactions.shift(); next; next = this.#reactions.shift()) {
        this.#react(next);
      }
    } finally {
      this.#reacting = false;
    }
  }

  /** Lets time pass, stopping wherever the machine wants to. */
  advance(ms: number): void {
    const until = this.now + ms;
    for (let steps = 0;; steps++) {
      if (steps > 10_000) throw new Error("Time does not get on");
      const deadline = nextDeadline(this.state);
      if (deadline === null || deadline > until) break;
      this.now = Math.max(this.now, deadline);
      this.do({ type: "tick" });
    }
    this.now = until;
  }

  #react(effect: ConsoleEffect): void {
    switch (effect.type) {
      case "peer-open":
        this.openPeers.add(effect.peerId);
        return;
      case "peer-close":
        this.openPeers.delete(effect.peerId);
        this.world.beating.delete(effect.peerId);
        return;
      case "send-text": {
        const decoded = decodeMessage(effect.text, "console");
        if (!decoded.ok) throw new Error(`The console sent nonsense: ${effect.text}`);
        return this.#receive(decoded.value);
      }
      case "peer-send": {
        const decoded = decodeControl(effect.text);
        if (!decoded.ok) throw new Error(`The console sent nonsense: ${effect.text}`);
        return this.#control(effect.peerId, decoded.value);
      }
    }
  }

  #receive(message: Message): void {
    if (message.seq > 0) {
      const receipt = linkReceive(this.#serverLink, message);
      if (receipt.kind === "gap") throw new Error("The console left a gap");
      this.#serverLink = receipt.link;
      if (receipt.kind === "duplicate") return;
    }
    this.sent.push(message);
    if (message.type === "PING" && this.world.serverLives) {
      this.server({ type: "PONG", payload: {} });
    } else if (message.type === "VIEWER_CONTROL") this.#control(null, message.payload);
  }

  #control(peerId: number | null, message: ControlMessage): void {
    this.controls.push({ peerId, message });
    if (message.op === "ping") {
      if (peerId === null || this.world.beating.has(peerId)) {
        const { captured, rtpFrames } = this.world;
        this.agent(peerId, {
          ...message,
          op: "pong",
          agentAt: 0,
          captured,
          rtpFrames,
          diffFrames: 0,
        });
      }
    } else if (message.op === "select" && this.world.paints) {
      this.agent(peerId, { ...message, op: "selected" });
      this.do({ type: "painted", epoch: message.epoch });
    }
  }

  /** A control message from the agent. */
  agent(peerId: number | null, message: ControlMessage): void {
    if (peerId !== null) {
      this.do({ type: "control-text", peerId, text: JSON.stringify(message) });
    } else if (this.state.session?.sessionId != null) {
      this.server({
        type: "VIEWER_CONTROL",
        desktopId: DESKTOP_ID,
        sessionId: this.state.session.sessionId,
        payload: message,
      });
    }
  }

  /** A message from the server. */
  server(draft: Draft): void {
    const sent = linkSend(this.#serverLink, draft, this.now);
    if (!sent.ok) throw new Error("The server's link is full");
    this.#serverLink = sent.value.link;
    this.text(sent.value.text);
  }

  text(text: string): void {
    this.do({ type: "socket-text", epoch: this.state.link.epoch, text });
  }

  /** A message of the session, from the server. */
  inSession(draft: { readonly type: MessageType; readonly payload: unknown }): void {
    const { session } = this.state;
    if (session?.sessionId == null) throw new Error("There is no session");
    this.server({ ...draft, desktopId: DESKTOP_ID, sessionId: session.sessionId } as Draft);
  }

  /** The ticket, the socket and the greeting; `resumed` keeps the link. */
  online(resumed = false): void {
    const epoch = () => this.state.link.epoch;
    if (this.state.link.phase.kind === "idle") this.do({ type: "start" });
    this.do({ type: "ticket", epoch: epoch(), ticket: "t" });
    this.do({ type: "socket-open", epoch: epoch() });
    if (!resumed) {
      this.#serverLink = newLink;
      this.#linkId++;
    }
    this.server({
      type: "WELCOME",
      payload: {
        version: 1,
        software: "test",
        linkId: uuid(this.#linkId),
        resumed,
        lastSeq: this.#serverLink.received,
        heartbeatMs: 1_500,
      },
    });
  }

  offline(code = 1006): void {
    this.do({ type: "socket-closed", epoch: this.state.link.epoch, code });
  }

  list(...desktops: readonly DesktopSummary[]): void {
    this.server({ type: "DESKTOP_LIST", payload: { desktops: [...desktops] } });
  }

  /** The server makes the session that was asked for. */
  accepted(): void {
    const request = this.messages("SESSION_REQUEST").at(-1);
    if (request === undefined) throw new Error("Nothing was asked for");
    this.#sessions++;
    this.server({ ...request, sessionId: uuid(0x5000 + this.#sessions) });
  }

  /** The policy allows the session and its description follows. */
  approved(description: DesktopCaps = caps(), viewOnly = false): void {
    this.inSession({
      type: "SESSION_DECISION",
      payload: { decision: "accept", by: "policy", reason: "approved-by-policy", viewOnly },
    });
    this.inSession({ type: "DESKTOP_CAPS", payload: description });
  }

  /** Offer, answer, connection and channels of the peer that was opened last. */
  connected(peerId = this.lastPeer): void {
    this.do({ type: "peer-offer", peerId, sdp: "v=0" });
    const generation = this.state.session?.generation ?? 0;
    this.inSession({
      type: "DESKTOP_WEBRTC_SIGNAL",
      payload: { kind: "answer", generation, sdp: "v=0" },
    });
    this.do({ type: "peer-state", peerId, state: "connecting" });
    this.do({ type: "peer-state", peerId, state: "connected" });
    this.world.beating.add(peerId);
    for (const channel of CHANNEL_NAMES) this.do({ type: "channel", peerId, channel, open: true });
  }

  /** From nothing to the first video picture. */
  live(description: DesktopCaps = caps()): void {
    this.online();
    this.list(summary());
    this.do({ type: "connect", desktopId: DESKTOP_ID });
    this.accepted();
    this.approved(description);
    this.connected();
  }

  stats(framesDecoded: number, peerId = this.lastPeer): void {
    this.do({
      type: "peer-stats",
      peerId,
      stats: {
        rttMs: 1,
        videoCodec: "H264",
        candidatePair: { local: "host", remote: "host", protocol: "udp" },
        sound: null,
        video: {
          framesReceived: framesDecoded,
          framesDecoded,
          framesDropped: 0,
          keyFramesDecoded: 1,
          bytesReceived: framesDecoded * 1000,
          packetsReceived: framesDecoded,
          packetsLost: 0,
          totalDecodeTimeS: framesDecoded * 0.002,
          jitterBufferDelayS: framesDecoded * 0.004,
          jitterBufferEmittedCount: framesDecoded,
        },
      },
    });
  }

  ended(reason: Reason): void {
    this.inSession({ type: "SESSION_ENDED", payload: { reason, by: "server" } });
  }
}
