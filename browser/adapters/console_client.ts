/**
 * The console's engine: one pure machine, and the sockets, peers, surfaces and one timer that
 * carry out what it decides. The UI sees only snapshots and actions.
 */
import {
  decodeRelay,
  encodeInput,
  encodeRelay,
  type IceServer,
  type InputMessage,
  never,
} from "@farglass/protocol";
import {
  compareViews,
  type ConsoleClient,
  type ConsoleEffect,
  type ConsoleEvent,
  type ConsoleState,
  type ConsoleView,
  controls,
  type DiffSource,
  heardPeer,
  initialState,
  inputPath,
  nextDeadline,
  type PictureRect,
  type Rng,
  specialMessages,
  step,
  surfaceOf,
  takesPointer,
  viewOf,
} from "../core/mod.ts";
import { CursorView } from "./cursor_view.ts";
import { DiffCanvas } from "./diff_canvas.ts";
import { openUnpackWorker } from "./diff_unpacker.ts";
import { readDisplay, writeDisplay } from "./display_choice.ts";
import { FrameTimes } from "./frame_times.ts";
import { InputListener } from "./input_listener.ts";
import { PeerConnection, peerEnvironment } from "./peer_connection.ts";
import { readRecord, readSession, readSessions } from "./session_record.ts";
import { SignallingSocket } from "./signalling_socket.ts";
import { SoundPlayer } from "./sound_player.ts";
import { makeBundle } from "./support_bundle.ts";
import { VideoSurface } from "./video_surface.ts";

/** Settings of `createConsoleClient`. */
export interface ConsoleClientOptions {
  /** Where the server is; by default the page's own origin. */
  readonly origin?: string;
}

/** Live facts are published at most this often; everything else at once. */
const HUD_PUBLISH_MS = 250;
/** Binary frames count as a sign of life at most this often. */
const ALIVE_GAP_MS = 1_000;

/** Unix milliseconds that never go back, whatever happens to the system's clock. */
const now = (): number => performance.timeOrigin + performance.now();

function randomSeed(): Rng {
  const [a, b, c, d] = crypto.getRandomValues(new Uint32Array(4));
  return [a, b, c, d];
}

interface Surfaces {
  readonly stage: HTMLElement;
  readonly video: HTMLVideoElement;
  readonly canvas: HTMLCanvasElement;
}

class Client {
  #state: ConsoleState = initialState(peerEnvironment(), randomSeed());
  #view: ConsoleView = viewOf(this.#state);
  readonly #listeners = new Set<() => void>();
  /** Events that came while one was handled. */
  readonly #queue: ConsoleEvent[] = [];
  #running = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #publishedAt = 0;
  #publishDue: number | null = null;
  #aliveAt = 0;
  #surfaces: Surfaces | null = null;
  /** The canvas holds the old video's last frame until the new one has painted. */
  #frozen = false;
  readonly #peers = new Map<number, PeerConnection>();
  readonly #socket: SignallingSocket;
  readonly #diff: DiffCanvas;
  readonly #video = new VideoSurface(() => this.dispatch({ type: "video-fault" }));
  readonly #sound = new SoundPlayer(() => this.dispatch({ type: "sound-blocked" }));
  readonly #times = new FrameTimes();
  readonly #cursor = new CursorView();
  readonly input: InputListener;

  constructor(origin: string) {
    this.#socket = new SignallingSocket(origin, {
      onTicket: (epoch, ticket) => this.dispatch({ type: "ticket", epoch, ticket }),
      onTicketFailed: (epoch, signedOut) =>
        this.dispatch({ type: "ticket-failed", epoch, signedOut }),
      onOpen: (epoch) => this.dispatch({ type: "socket-open", epoch }),
      onText: (epoch, text) => this.dispatch({ type: "socket-text", epoch, text }),
      onBinary: (epoch, frame) => this.#relayFrame(epoch, frame),
      onClosed: (epoch, code) => this.dispatch({ type: "socket-closed", epoch, code }),
    });
    this.#diff = new DiffCanvas({
      onAck: (source, ack) => this.#acknowledge(source, ack),
      onPainted: (epoch) => this.dispatch({ type: "painted", epoch }),
      onSize: (width, height) => this.dispatch({ type: "screen-size", width, height }),
      onExact: (proved) => this.dispatch({ type: "exact", proved }),
      onFault: (code) => this.dispatch({ type: "diff-fault", code }),
      onFrame: (frame) => this.#times.painted(frame),
      onRegions: (version) => this.dispatch({ type: "regions", version }),
      onVideoArea: (area, screen) => this.#video.clip(area, screen),
      onVideoNeeded: (needed) => this.dispatch({ type: "video-needed", needed }),
    }, { composes: this.#state.environment.hybrid, openWorker: openUnpackWorker });
    this.input = new InputListener({
      picture: () => ({ rect: this.#pictureRect(), screen: this.#screen() }),
      controls: () => inputPath(this.#state) !== null,
      send: (input) => this.#sendInput(input),
    });
    globalThis.addEventListener?.("online", () => this.dispatch({ type: "retry-now" }));
    globalThis.document?.addEventListener("visibilitychange", () => {
      this.dispatch({ type: "visibility", hidden: document.hidden });
    });
    globalThis.addEventListener?.("pagehide", () => this.input.release());
  }

  get view(): ConsoleView {
    return this.#view;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes an event; those that come meanwhile wait for their turn. */
  dispatch(event: ConsoleEvent): void {
    this.#queue.push(event);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const [state, effects] = step(this.#state, next, now());
        this.#state = state;
        for (const effect of effects) this.#run(effect);
      }
    } finally {
      this.#running = false;
    }
    this.#applySurfaces();
    this.#applySound();
    this.#publish();
    this.#arm();
  }

  attach(surfaces: Surfaces, overlay: HTMLElement): () => void {
    this.#surfaces = surfaces;
    this.#video.attach(surfaces.video);
    this.#times.watch(surfaces.video);
    this.#diff.attach(surfaces.canvas);
    this.#cursor.attach(surfaces.stage, overlay);
    const stopInput = this.input.attach(surfaces.stage);
    this.#applySurfaces();
    return () => {
      stopInput();
      if (this.#surfaces !== surfaces) return;
      this.#surfaces = null;
      this.#video.attach(null);
      this.#times.watch(null);
      this.#diff.attach(null);
      this.#cursor.attach(null, null);
    };
  }

  /** What the console saw is told only of the session it shows. */
  async exportBundle(sessionId: string, options: { readonly addresses: boolean }) {
    const { session } = this.#state;
    const own = session?.sessionId === sessionId;
    const peerId = own ? session?.carrier?.id : undefined;
    const addresses = options.addresses
      ? await this.#peers.get(peerId ?? -1)?.addresses() ?? []
      : null;
    const { samples, decisions } = own ? session.report : { samples: [], decisions: [] };
    const timeline = own ? session.timeline : [];
    return await makeBundle(sessionId, { samples, decisions, timeline, addresses }, now());
  }

  #run(effect: ConsoleEffect): void {
    switch (effect.type) {
      case "fetch-ticket":
        void this.#socket.fetchTicket(effect.epoch);
        return;
      case "open-socket":
        return this.#socket.open(effect.epoch);
      case "send-text":
        return this.#socket.send(effect.epoch, effect.text);
      case "close-socket":
        return this.#socket.close(effect.epoch, effect.code);
      case "peer-open":
        return this.#openPeer(effect);
      case "peer-answer":
        return this.#peers.get(effect.peerId)?.answer(effect.sdp);
      case "peer-add-candidate":
        return this.#peers.get(effect.peerId)?.addCandidate(effect.candidate);
      case "peer-send":
        this.#peers.get(effect.peerId)?.send("control", effect.text);
        return;
      case "peer-playout":
        return this.#peers.get(effect.peerId)?.setPlayout(effect.minMs);
      case "peer-close":
        this.#peers.get(effect.peerId)?.close();
        this.#peers.delete(effect.peerId);
        return;
      case "sample":
        return this.#sample(effect.peerId);
      case "bind-video":
        return this.#bindVideo(effect.peerId);
      case "await-video":
        return this.#awaitVideo(effect.epoch, effect.sinceRtpTime);
      case "accept-diff":
        // The video under the canvas is about to show another display.
        if (effect.nextStream === true && effect.hybrid) this.#freezeVideo();
        this.#diff.accept(effect.source, effect.epoch, effect);
        return this.#followVideo(effect.hybrid);
      case "keep-stream":
        return this.#diff.keepStream();
      case "cursor-shape":
        return this.#cursor.setShape(effect.shape);
      case "cursor-position":
        return this.#cursor.setPosition(effect.away ? null : effect);
      case "release-input":
        this.input.release();
        // The desktop may hold what was pressed on the way that is gone.
        return this.#sendInput({ kind: "release-all" });
      default:
        never(effect);
    }
  }

  #openPeer(effect: {
    readonly peerId: number;
    readonly iceServers: readonly IceServer[];
    readonly iceTransportPolicy: "all" | "relay";
    readonly video: boolean;
    readonly sound: boolean;
  }): void {
    const { peerId } = effect;
    try {
      const peer = new PeerConnection(effect, {
        onOffer: (sdp) => this.dispatch({ type: "peer-offer", peerId, sdp }),
        onCandidate: (candidate) => this.dispatch({ type: "peer-candidate", peerId, candidate }),
        onState: (state) => this.dispatch({ type: "peer-state", peerId, state }),
        onLayer: (change) => this.dispatch({ type: "peer-layer", peerId, change }),
        onError: () => this.dispatch({ type: "peer-error", peerId }),
        onChannel: (channel, open) => this.dispatch({ type: "channel", peerId, channel, open }),
        onControl: (text) => this.dispatch({ type: "control-text", peerId, text }),
        onDiff: (message) => {
          const source = { via: "dc", peerId } as const;
          if (message === null) this.#diff.reject(source);
          else this.#diff.message(source, message);
        },
      });
      this.#peers.set(peerId, peer);
    } catch {
      // The browser refused the configuration (a malformed ICE server, a policy).
      this.dispatch({ type: "peer-error", peerId });
    }
  }

  #sample(peerId: number | null): void {
    const { frames, bytes } = this.#diff.counters;
    this.dispatch({ type: "diff-stats", frames, bytes });
    this.dispatch({ type: "frames-shown", frames: this.#times.take() });
    const peer = peerId === null ? undefined : this.#peers.get(peerId);
    if (peer === undefined || peerId === null) return;
    void peer.stats().then((stats) => {
      if (stats !== null) this.dispatch({ type: "peer-stats", peerId, stats });
    });
  }

  #bindVideo(peerId: number): void {
    const stream = this.#peers.get(peerId)?.stream ?? null;
    const { element } = this.#video;
    // A new stream blanks the element; what it showed stays on the canvas meanwhile.
    if (
      element !== null && this.#video.differs(stream) && surfaceOf(this.#state) !== "canvas" &&
      !this.#frozen
    ) this.#frozen = this.#diff.freeze(element);
    this.#applySurfaces();
    this.#video.show(stream);
  }

  #freezeVideo(): void {
    const { element } = this.#video;
    if (element !== null && surfaceOf(this.#state) === "both") this.#diff.freeze(element);
  }

  #awaitVideo(epoch: number, sinceRtpTime: number | null): void {
    this.#video.awaitFrame(sinceRtpTime, () => {
      this.#frozen = false;
      this.dispatch({ type: "painted", epoch });
    });
  }

  /** Hybrid mode: every video frame tells the canvas how far the video is. */
  #followVideo(hybrid: boolean): void {
    this.#video.follow(
      !hybrid ? null : ({ rtpTime, width, height }) => {
        if (rtpTime === null) return this.dispatch({ type: "no-frame-times" });
        this.#frozen = false;
        this.#diff.video({ rtpTime, width, height });
      },
    );
  }

  #relayFrame(epoch: number, bytes: Uint8Array): void {
    const at = now();
    if (at - this.#aliveAt > ALIVE_GAP_MS) {
      this.#aliveAt = at;
      this.dispatch({ type: "socket-alive", epoch });
    }
    const frame = decodeRelay(bytes);
    if (!frame.ok) return this.dispatch({ type: "diff-fault", code: frame.error.code });
    if (frame.value.kind !== "diff") return;
    this.#diff.message({ via: "ws", sessionId: frame.value.sessionId }, frame.value.payload);
  }

  #acknowledge(source: DiffSource, ack: Uint8Array): void {
    if (source.via === "dc") this.#peers.get(source.peerId)?.send("diff", owned(ack));
    else this.#socket.sendBinary(owned(encodeRelay("ack", source.sessionId, ack)));
  }

  #sendInput(input: InputMessage): void {
    const path = inputPath(this.#state);
    if (path === null) return;
    const points = input.kind === "move" || input.kind === "button" || input.kind === "wheel";
    if (points && !takesPointer(this.#state)) return;
    const bytes = encodeInput(input);
    if (path.via === "dc") {
      const channel = input.kind === "move" ? "motion" : "input";
      this.#peers.get(path.peerId)?.send(channel, owned(bytes));
    } else this.#socket.sendBinary(owned(encodeRelay("input", path.sessionId, bytes)));
  }

  #screen(): { readonly width: number; readonly height: number } {
    return this.#state.session?.screen ?? { width: 0, height: 0 };
  }

  #pictureRect(): PictureRect {
    const { stage, video, canvas } = this.#surfaces ?? {};
    if (stage === undefined || video === undefined || canvas === undefined) {
      return { left: 0, top: 0, width: 0, height: 0 };
    }
    return (canvas.hidden ? video : canvas).getBoundingClientRect();
  }

  /** Shows one of the two surfaces, or in hybrid mode the canvas over the video. */
  #applySurfaces(): void {
    const { session } = this.#state;
    if (this.#surfaces !== null) {
      const { stage, video, canvas } = this.#surfaces;
      const wanted = surfaceOf(this.#state);
      if (wanted === "canvas") this.#frozen = false;
      const showCanvas = wanted !== "video" || this.#frozen;
      // A video that is to be composed with the canvas has to run before it is seen.
      const pending = session?.transport.pending?.to === "hybrid";
      const hideVideo = wanted !== "both" && showCanvas && !pending;
      if (canvas.hidden === showCanvas) canvas.hidden = !showCanvas;
      if (video.hidden !== hideVideo) video.hidden = hideVideo;
      const transport = session?.transport.shown.transport ?? "none";
      if (stage.dataset.transport !== transport) stage.dataset.transport = transport;
    }
    if (session === null || session.transport.shown.transport === "none") {
      this.#frozen = false;
      if (session === null) this.#video.show(null);
    }
    const controlling = session !== null && controls(session);
    this.#cursor.setControls(controlling);
    // Measuring the page costs a layout: only for an overlay that is shown.
    if (!controlling) this.#cursor.place(this.#pictureRect(), this.#screen());
  }

  #applySound(): void {
    const peerId = heardPeer(this.#state.soundOn, this.#state.session);
    this.#sound.play(peerId === null ? null : this.#peers.get(peerId)?.soundStream ?? null);
  }

  /** Replaces the snapshot when it differs; live facts wait for their turn. */
  #publish(): void {
    const next = viewOf(this.#state);
    const at = now();
    switch (compareViews(this.#view, next)) {
      case "same":
        this.#publishDue = null;
        return;
      case "hud":
        if (at < this.#publishedAt + HUD_PUBLISH_MS) {
          this.#publishDue = this.#publishedAt + HUD_PUBLISH_MS;
          return;
        }
    }
    this.#publishDue = null;
    this.#publishedAt = at;
    this.#view = next;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Arms the one timer for whatever comes first. */
  #arm(): void {
    clearTimeout(this.#timer);
    const deadline = nextDeadline(this.#state);
    const due = [deadline, this.#publishDue].filter((at): at is number => at !== null);
    if (due.length === 0) return;
    const waitMs = Math.max(0, Math.min(...due) - now());
    // Rounded up: a timer that fires early would only be armed again.
    this.#timer = setTimeout(() => this.dispatch({ type: "tick" }), Math.ceil(waitMs));
  }
}

/** The codecs make fresh arrays with buffers of their own, never shared ones. */
const owned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => bytes as Uint8Array<ArrayBuffer>;

/** Connects to the server and keeps one session's picture, input and facts for the UI. */
export function createConsoleClient(options: ConsoleClientOptions = {}): ConsoleClient {
  const client = new Client(options.origin ?? globalThis.location.origin);
  client.dispatch({ type: "start" });
  return {
    connect: (desktopId) =>
      client.dispatch({ type: "connect", desktopId, display: readDisplay(desktopId) }),
    disconnect: () => client.dispatch({ type: "disconnect" }),
    choose: (choice) => client.dispatch({ type: "choose", choice }),
    chooseDisplay: (display) => {
      const desktopId = client.view.session?.desktopId;
      if (desktopId !== undefined) writeDisplay(desktopId, display);
      client.dispatch({ type: "choose-display", display });
    },
    choosePreset: (preset) => client.dispatch({ type: "choose-preset", preset }),
    setSound: (on) => client.dispatch({ type: "set-sound", on }),
    setViewOnly: (viewOnly) => client.dispatch({ type: "set-view-only", viewOnly }),
    sendSpecial: (keys) => client.input.play(specialMessages(keys)),
    typeText: (text) => client.input.type(text),
    retryNow: () => client.dispatch({ type: "retry-now" }),
    getView: () => client.view,
    subscribe: (listener) => client.subscribe(listener),
    ...{ readRecord, readSession, readSessions },
    exportBundle: (sessionId, options) => client.exportBundle(sessionId, options),
    attach: ({ stage, video, canvas, cursor }) => {
      if (
        !(stage instanceof HTMLElement) || !(video instanceof HTMLVideoElement) ||
        !(canvas instanceof HTMLCanvasElement) || !(cursor instanceof HTMLElement)
      ) throw new TypeError("attach() takes a stage, a video, a canvas and a cursor element");
      return client.attach({ stage, video, canvas }, cursor);
    },
  };
}
