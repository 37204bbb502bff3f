/**
 * One viewer at work: carries out what core/viewer.ts decides, on the peer's channels or through
 * the server.
 */
import {
  codedError,
  type ControlMessage,
  type DecisionCounts,
  decodeControl,
  decodeDiffAck,
  type DesktopPolicy,
  never,
  type Reason,
  type Transport,
} from "@farglass/protocol";
import { DecisionTally } from "./core/decision_tally.ts";
import { DiffEngine } from "./core/diff_engine.ts";
import { FrameLog } from "./core/frame_log.ts";
import { HybridRegions } from "./core/hybrid_regions.ts";
import type {
  CursorShape,
  EncodedFrame,
  Frame,
  Peer,
  PeerChannel,
  VideoTarget,
} from "./core/ports.ts";
import { type PeerSlot, PeerSlots, UNBOUND } from "./core/peer_slots.ts";
import type { KeyframeReason } from "./core/video_pacer.ts";
import {
  type ControlPath,
  diffByChannel,
  isDiff,
  newViewer,
  type ScreenTold,
  stepViewer,
  usesVideo,
  viewerDeadline,
  type ViewerEffect,
  type ViewerEvent,
  type ViewerState,
} from "./core/viewer.ts";
import { CursorFeed } from "./cursor_feed.ts";
import { DiffCarrier } from "./diff_carrier.ts";
import { DiffPump } from "./diff_pump.ts";
import type { PlaceOnDisplay } from "./display_view.ts";
import type { PipelineViewer } from "./pipeline.ts";
import { ViewerChoices } from "./viewer_choices.ts";
import { addDecisions, pongOf, type ViewerFacts } from "./viewer_facts.ts";
import { type Greeted, greeting, screenTold } from "./viewer_greeting.ts";
import type { ViewerPorts } from "./viewer_ports.ts";
import { ViewerSound } from "./viewer_sound.ts";

export type { ViewerPorts };

const MIN_TIMER_MS = 4;
/** Hybrid: the encoder runs on for so long, so that the next motion needs no keyframe. */
const VIDEO_LINGER_MS = 2_000;

/** One session's viewer. */
export class ViewerSession implements PipelineViewer {
  readonly #ports: ViewerPorts;
  readonly #engine: DiffEngine;
  readonly #hybrid: HybridRegions;
  readonly #pump: DiffPump;
  readonly #log = new FrameLog();
  readonly #peers = new PeerSlots();
  readonly #tally = new DecisionTally();
  readonly #cursor: CursorFeed;
  readonly #sound: ViewerSound;
  readonly #choices: ViewerChoices;
  #state: ViewerState;
  /** The peer whose message is being answered. */
  #replyTo: PeerSlot | null = null;
  #rtpFrames = 0;
  #byRelay = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #videoTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(ports: ViewerPorts, policy: DesktopPolicy, readonly operator: string) {
    this.#ports = ports;
    const { pipeline } = ports;
    this.#engine = new DiffEngine({
      deflate: (bytes) => ports.deflate(bytes),
      source: () => pipeline.patches(this),
      hash: (picture) => pipeline.hash(this, picture),
      observe: (...patch) => this.#hybrid.sent(...patch),
    });
    this.#hybrid = new HybridRegions({
      engine: this.#engine,
      rtpTimeOf: (capturedAtMs) => this.#peers.active?.peer.videoTime(capturedAtMs) ?? 0,
      network: () => this.#peers.active?.peer.network ?? null,
    });
    const carrier = new DiffCarrier(this.#peers, ports);
    this.#pump = new DiffPump({
      engine: this.#engine,
      hybrid: this.#hybrid,
      log: this.#log,
      now: () => ports.now(),
      soon: (task) => ports.soon(task),
      picture: () => this.#closed || !isDiff(this.#state.transport) ? null : pipeline.picture(this),
      planned: () => this.#followRegions(),
      hasRoom: () => carrier.hasRoom(diffByChannel(this.#state.transport)),
      send: (message) => carrier.send(message, diffByChannel(this.#state.transport)),
      trace: ports.trace ?? null,
    });
    pipeline.attach(this);
    this.#state = newViewer(policy, pipeline.videoAvailable(this), pipeline.shown(this));
    this.#cursor = new CursorFeed({
      now: () => ports.now(),
      base64: (bytes) => ports.base64(bytes),
      send: (message) => this.#sendControl(message, null),
      shown: () => this.#state.transport !== "none",
      byChannel: () => this.#peers.hasControlChannel,
    });
    this.#choices = new ViewerChoices(ports, pipeline.shown(this).id);
    this.#sound = new ViewerSound(ports, {
      peer: () => this.#peers.active?.peer,
      changed: (listening) => {
        this.#applyTarget();
        this.#choices.sound(listening);
      },
    });
    if (pipeline.picture(this) !== null) this.#ports.trace?.captured();
  }

  get transport(): Transport {
    return this.#state.transport;
  }
  get knownVideoKbps(): number | undefined {
    return this.#peers.knownKbps;
  }
  get listening(): boolean {
    return this.#sound.listening;
  }

  /** Decisions about this viewer's media since the last call, or null. */
  takeDecisions(): DecisionCounts | null {
    addDecisions(this.#tally, this.#facts);
    return this.#tally.take();
  }

  // --- what the session's shell tells ---------------------------------------------------------

  addPeer(generation: number, peer: Peer): void {
    this.#peers.add(generation, peer);
  }

  /** The peer is closed by whoever opened it. */
  removePeer(generation: number): void {
    const slot = this.#peers.get(generation);
    if (slot === undefined) return;
    const active = this.#peers.active === slot;
    this.#tally.add(slot.peer, slot.peer.network?.decisions ?? {});
    this.#peers.delete(generation);
    if (active) this.#applyTarget();
    if (active && slot.open.has("control")) this.#step({ kind: "console-away" });
  }

  onPeerConnected(generation: number, connected: boolean): void {
    const slot = this.#peers.get(generation);
    if (slot === undefined) return;
    slot.connected = connected;
    this.#applyTarget();
    if (connected && usesVideo(this.#state.transport)) {
      this.#ports.pipeline.requestKeyframe(this, "viewer-joined");
    }
    this.#pump.run();
  }

  onChannelOpen(generation: number, channel: PeerChannel): void {
    this.#peers.get(generation)?.open.add(channel);
    if (channel === "diff") this.#pump.run();
  }

  onChannelClose(generation: number, channel: PeerChannel): void {
    const slot = this.#peers.get(generation);
    if (slot === undefined || !slot.open.delete(channel)) return;
    if (channel === "control" || channel === "input") this.#step({ kind: "console-away" });
  }

  onChannelDrain(channel: PeerChannel): void {
    if (channel === "diff") this.#pump.run();
  }

  onChannelMessage(generation: number, channel: PeerChannel, data: string | Uint8Array): void {
    const slot = this.#peers.get(generation);
    if (slot === undefined || this.#closed) return;
    switch (channel) {
      case "control":
        if (typeof data === "string") this.#onControlText(data, slot);
        break;
      case "input":
      case "motion":
        if (typeof data !== "string") this.#step({ kind: "input", bytes: data });
        break;
      case "diff":
        if (typeof data !== "string" && diffByChannel(this.#state.transport)) this.onAck(data);
        break;
      default:
        never(channel);
    }
  }

  onKeyframeRequest(reason: KeyframeReason): void {
    if (usesVideo(this.#state.transport)) this.#ports.pipeline.requestKeyframe(this, reason);
  }

  onVideoTarget(generation: number, target: VideoTarget): void {
    this.#peers.setTarget(generation, target);
    this.#applyTarget();
  }

  /** The pictures go to the newest peer that is connected: what an older one said is over. */
  #applyTarget(): void {
    const { target = UNBOUND, peer } = this.#peers.active ?? {};
    const codecs = peer?.videoCodecs ?? [];
    this.#ports.pipeline.setVideoTarget(this, { ...this.#sound.reserve(target), codecs });
    if (Number.isFinite(target.bitrateKbps)) this.#engine.hint(target.bitrateKbps);
  }

  onRelayControl(message: ControlMessage): void {
    this.#step({ kind: "control", path: "relay", message });
  }

  onRelayInput(bytes: Uint8Array): void {
    this.#step({ kind: "input", bytes });
  }

  /** An answer of the console, or a relay's notice of a skipped frame. */
  onAck(bytes: Uint8Array): void {
    const ack = decodeDiffAck(bytes);
    if (!ack.ok) {
      this.#ports.refuse(ack.error, "ack");
      return;
    }
    this.#engine.ack(ack.value, this.#ports.now());
    this.#pump.run();
  }

  onRelayAck(bytes: Uint8Array): void {
    if (this.#state.transport === "diff-ws") this.onAck(bytes);
  }

  onRelayDrain(): void {
    if (this.#state.transport === "diff-ws") this.#pump.run();
  }

  onRelayCongestion(congested: boolean): void {
    // A hint, no stop sign: the relay tells us of its relief only when it is asked again.
    if (congested) this.#engine.slowDown(this.#ports.now());
    this.#pump.run();
  }

  onConsolePresence(online: boolean): void {
    if (!online && !this.#peers.hasControlChannel) this.#step({ kind: "console-away" });
  }

  setPolicy(policy: DesktopPolicy): void {
    this.#step({ kind: "policy", policy });
  }

  /** Takes the viewer off the desktop; nothing stays pressed. Its peers are not closed here. */
  close(): void {
    if (this.#closed) return;
    this.#step({ kind: "ended" });
    this.#sound.set(false);
    this.#closed = true;
    this.#choices.close();
    this.#pump.close();
    clearTimeout(this.#timer);
    this.#cursor.close();
    clearTimeout(this.#videoTimer);
    this.#ports.pipeline.detach(this);
    this.#peers.clear();
  }

  // --- what the pipeline tells ----------------------------------------------------------------

  onFrame(frame: Frame): void {
    this.#log.captured(frame);
    this.#ports.trace?.captured();
    if (!isDiff(this.#state.transport)) return;
    const now = this.#ports.now();
    this.#engine.damage(frame.damage, now);
    this.#hybrid.damage(frame.damage, now);
    this.#pump.run();
  }

  onVideo(frame: EncodedFrame): void {
    if (!usesVideo(this.#state.transport)) return;
    this.#ports.trace?.encoded();
    const encodedAtMs = this.#ports.now();
    const peer = this.#peers.active?.peer;
    if (peer === undefined || peer.sendVideo(frame) === 0) return;
    this.#rtpFrames++;
    this.#log.video(frame.capturedAtMs, peer.videoTime(frame.capturedAtMs) ?? 0, encodedAtMs);
    this.#ports.trace?.sent();
  }

  onScreen(): void {
    this.#step({ kind: "screen", screen: this.#screen(), path: null });
  }

  onMoved(removed: boolean): void {
    this.#step({ kind: "moved" });
    const { id } = this.#ports.pipeline.shown(this);
    this.#choices.display(id, removed ? "display-removed" : undefined);
    const screen = this.#screen(removed ? "display-removed" : undefined);
    this.#step({ kind: "screen", screen, path: null });
    this.#engine.begin(this.#ports.now());
    if (this.#state.transport === "hybrid") this.#hybrid.begin();
    // None of the displays that may be seen is connected.
    if (id === null) this.onFault("capture-failed");
    // The display is another one, and so is the cursor's place on it.
    const cursor = this.#ports.pipeline.cursor(this);
    if (cursor !== null) this.#cursor.position(cursor.place);
    this.#pump.run();
  }

  onCursorShape(shape: CursorShape): void {
    this.#cursor.shape(shape);
  }

  onCursorPosition(place: PlaceOnDisplay): void {
    this.#cursor.position(place);
  }

  onFault(code: "capture-failed"): void {
    // Before its first choice a console hears of it with the answer to that.
    if (this.#state.epoch >= 0) this.#sendControl({ op: "fault", code }, null);
  }

  onVideoAvailable(available: boolean): void {
    this.#step({ kind: "video", available });
  }

  // --- effects --------------------------------------------------------------------------------

  #onControlText(text: string, slot: PeerSlot): void {
    const decoded = decodeControl(text);
    if (!decoded.ok) {
      this.#ports.refuse(decoded.error, "control");
      return;
    }
    this.#replyTo = slot;
    this.#step({ kind: "control", path: "channel", message: decoded.value });
    this.#replyTo = null;
  }

  #step(event: ViewerEvent): void {
    if (this.#closed) return;
    const [state, effects] = stepViewer(this.#state, event, this.#ports.now());
    this.#state = state;
    for (const effect of effects) this.#run(effect);
    const due = viewerDeadline(this.#state);
    clearTimeout(this.#timer);
    if (due !== null && !this.#closed) {
      this.#timer = setTimeout(
        () => this.#step({ kind: "tick" }),
        Math.max(MIN_TIMER_MS, due - this.#ports.now()),
      );
    }
  }

  #run(effect: ViewerEffect): void {
    const { pipeline } = this.#ports;
    switch (effect.kind) {
      case "control":
        this.#sendControl(effect.message, effect.path);
        break;
      case "pong": {
        const facts = {
          now: this.#ports.now(),
          transport: this.#state.transport,
          rtpFrames: this.#rtpFrames,
          log: this.#log,
          sound: this.#sound,
        };
        this.#sendControl(pongOf(effect.ping, this.#facts, facts), effect.path);
        break;
      }
      case "display":
        this.#showDisplay(effect.display, effect.path);
        break;
      case "greet":
        for (
          const message of greeting(this.#greeted, {
            input: !this.#state.policy.viewOnly,
            cursorFeed: this.#cursor,
          })
        ) this.#sendControl(message, effect.path);
        break;
      case "transport":
        this.#ports.trace?.selected(effect.transport);
        this.#setTransport(effect.transport);
        break;
      case "playout":
        (this.#replyTo ?? this.#peers.active)?.peer.setPlayout(effect.minMs);
        break;
      case "keyframe":
        pipeline.requestKeyframe(this, "console");
        break;
      case "preset": {
        const { bitrateKbps, maxFps } = pipeline.setPreset(this, effect.preset);
        const { preset } = effect;
        this.#sendControl({ op: "video", preset, bitrateKbps, maxFps }, effect.path);
        break;
      }
      case "sound":
        this.#sound.set(effect.on);
        break;
      case "refresh":
        this.#engine.reset(this.#ports.now());
        this.#pump.run();
        break;
      case "regions-shown":
        this.#hybrid.shown(effect.version);
        this.#pump.run();
        break;
      case "play":
        pipeline.play(this, effect.input);
        break;
      case "refuse":
        this.#ports.refuse(effect.error, effect.refType);
        break;
      default:
        never(effect);
    }
  }

  #setTransport(transport: Transport): void {
    if (transport === "hybrid") this.#hybrid.begin();
    else this.#hybrid.end();
    clearTimeout(this.#videoTimer);
    this.#videoTimer = undefined;
    const hybrid = transport === "hybrid";
    this.#ports.pipeline.setVideo(this, hybrid || transport === "rtp", hybrid);
    this.#engine.reset(this.#ports.now());
    // Nothing that was measured of the server's way holds for the direct one.
    if ((transport === "diff-ws") !== this.#byRelay) this.#engine.changeCarrier();
    this.#byRelay = transport === "diff-ws";
    this.#pump.run();
  }

  #screen(reason?: Reason): ScreenTold {
    return screenTold(this.#greeted, reason);
  }

  get #greeted(): Greeted {
    const { pipeline } = this.#ports;
    return { pipeline, viewer: this, peer: this.#peers.active?.peer ?? null };
  }
  get #facts(): ViewerFacts {
    return { ...this.#greeted, engine: this.#engine, hybrid: this.#hybrid };
  }

  /** The operator chose; the picture begins anew with the transport that was chosen along. */
  #showDisplay(display: string, path: ControlPath): void {
    const { pipeline } = this.#ports;
    const before = pipeline.shown(this).id;
    const known = pipeline.setDisplay(this, display);
    const { id } = pipeline.shown(this);
    if (id !== before) this.#engine.begin(this.#ports.now());
    this.#choices.display(id, "operator-choice");
    this.#step({ kind: "screen", screen: this.#screen(), path });
    if (!known) this.#ports.refuse(codedError("display-unknown"), "VIEWER_CONTROL");
  }

  #sendControl(message: ControlMessage, path: ControlPath | null): void {
    if (this.#closed) return;
    if (path !== "relay") {
      const slot = this.#replyTo ?? this.#peers.active;
      if (
        slot !== null && slot.open.has("control") &&
        slot.peer.send("control", JSON.stringify(message))
      ) return;
    }
    this.#ports.relayControl(message);
  }

  // --- what carries the picture ----------------------------------------------------------------

  /** Hybrid: no picture is encoded while the patches show everything. */
  #followRegions(): void {
    if (this.#state.transport !== "hybrid") return;
    const { pipeline } = this.#ports;
    if (this.#hybrid.wantsVideo) {
      clearTimeout(this.#videoTimer);
      this.#videoTimer = undefined;
      pipeline.setVideo(this, true, true);
    } else {
      this.#videoTimer ??= setTimeout(() => pipeline.setVideo(this, false), VIDEO_LINGER_MS);
    }
  }
}
