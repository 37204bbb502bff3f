/** One RTCPeerConnection: a video track in, four data channels, trickled candidates. */
import {
  type ChannelName,
  CHANNELS,
  type IceServer,
  type LayerState,
  MAX_CANDIDATE_BYTES,
  type VideoCodec,
} from "@farglass/protocol";
import type {
  CandidateAddress,
  Environment,
  IceCandidate,
  PeerConnectionState,
  PeerStats,
  StatsRecord,
} from "../core/mod.ts";
import { parseStats, selectedAddresses } from "../core/mod.ts";

/** What happens on a peer connection; nothing any more after `close`. */
export interface PeerEvents {
  onOffer(sdp: string): void;
  onCandidate(candidate: IceCandidate): void;
  onState(state: PeerConnectionState): void;
  onLayer(change: LayerState): void;
  /** Making the offer or applying the answer failed. */
  onError(): void;
  onChannel(channel: ChannelName, open: boolean): void;
  onControl(text: string): void;
  onDiff(message: Uint8Array | null): void;
}

/** How to make a peer connection. */
export interface PeerOptions {
  readonly iceServers: readonly IceServer[];
  readonly iceTransportPolicy: "all" | "relay";
  readonly video: boolean;
  /** Offer to listen to the desktop. */
  readonly sound: boolean;
}

/** Motion that would only arrive late is dropped. */
const MAX_MOTION_BUFFERED_BYTES = 4 * 1024;
const CHANNEL_NAMES = Object.keys(CHANNELS) as ChannelName[];

/** Names of the formats that the console offers, in the order in which it likes them. */
const MIME_TYPES: Readonly<Record<VideoCodec, string>> = {
  h264: "video/h264",
  vp8: "video/vp8",
  h265: "video/h265",
  av1: "video/av1",
};
const OFFERED: readonly VideoCodec[] = ["h264", "vp8"];
/** Offered only where hardware decodes them: in software they would cost more than they save. */
const NEWER: readonly VideoCodec[] = ["av1", "h265"];
const TYPICAL = { width: 1920, height: 1080, bitrate: 4_000_000, framerate: 30 } as const;

/** An offer waits no longer than until so long after the question; a later one knows the answer. */
const HARDWARE_ANSWER_MS = 500;

let inHardware: readonly VideoCodec[] = [];
/** Resolves when it is known what hardware decodes, or nobody waits for it any more. */
let hardwareKnown: Promise<unknown> = Promise.resolve();

/**
 * Asks which of the newer formats this browser decodes in hardware (Media Capabilities,
 * `powerEfficient`). Offers that are made after the answer have those, too.
 */
export function findHardwareDecoders(): void {
  hardwareKnown = Promise.race([
    askDecoders(),
    new Promise((resolve) => setTimeout(resolve, HARDWARE_ANSWER_MS)),
  ]);
}

async function askDecoders(): Promise<void> {
  const found = await Promise.all(NEWER.map(async (codec) => {
    const video = { contentType: MIME_TYPES[codec], ...TYPICAL };
    try {
      const info = await navigator.mediaCapabilities.decodingInfo({ type: "webrtc", video });
      return info.supported && info.powerEfficient;
    } catch {
      // A browser that does not know the question.
      return false;
    }
  }));
  inHardware = NEWER.filter((_, i) => found[i]);
}

const offered = (): readonly VideoCodec[] => [...OFFERED, ...inHardware];

const isFormat = (codec: VideoCodec) => ({ mimeType }: RTCRtpCodec): boolean =>
  mimeType.toLowerCase() === MIME_TYPES[codec];

const receivable = (): readonly RTCRtpCodec[] =>
  globalThis.RTCRtpReceiver?.getCapabilities?.("video")?.codecs ?? [];

/** What this browser can be sent, whatever its hardware decodes. */
function decodableCodecs(): readonly VideoCodec[] {
  const all = receivable();
  return OFFERED.filter((codec) => all.some(isFormat(codec)));
}

/** The formats to offer, with those for repair, as this browser lists them. */
function wantedFormats(): RTCRtpCodec[] {
  const all = receivable();
  // Packetization mode 1 (RFC 6184 section 6.3) before mode 0: frames are larger than packets.
  const mode = ({ sdpFmtpLine = "" }: RTCRtpCodec) =>
    /packetization-mode=0/.test(sdpFmtpLine) ? 1 : 0;
  const video = offered().flatMap((codec) =>
    all.filter(isFormat(codec)).sort((a, b) => mode(a) - mode(b))
  );
  const repair = all.filter(({ mimeType }) => mimeType.toLowerCase() === "video/rtx");
  return video.length === 0 ? [] : [...video, ...repair];
}

/**
 * Show and play as soon as it is decoded. The first name is the standard's (WebRTC Extensions,
 * section 5), the second Chromium's older one.
 */
function playSoon(receiver: RTCRtpReceiver, minMs = 0): void {
  for (const [name, value] of [["jitterBufferTarget", minMs], ["playoutDelayHint", minMs / 1000]]) {
    if (!(name in receiver)) continue;
    // Only a change makes the browser look at its buffer anew.
    Object.assign(receiver, { [name]: null });
    Object.assign(receiver, { [name]: value });
  }
}

/** Chromium decodes Opus to one channel unless its own description asks for two (RFC 7587 section 6.1). */
const inStereo = (sdp: string): string =>
  sdp.replace(/^(a=fmtp:\d+ (?!.*\bstereo=).*\buseinbandfec=1)/gm, "$1;stereo=1");

/** What this browser can do. */
export const peerEnvironment = (): Environment => ({
  webrtc: typeof globalThis.RTCPeerConnection === "function",
  videoCodecs: decodableCodecs(),
  hybrid: "requestVideoFrameCallback" in (globalThis.HTMLVideoElement?.prototype ?? {}),
});

/** A peer connection that offers itself as soon as it is made. */
export class PeerConnection {
  readonly #events: PeerEvents;
  readonly #pc: RTCPeerConnection;
  readonly #channels = new Map<ChannelName, RTCDataChannel>();
  /** The answer first, then candidates in order. */
  #queue: Promise<void> = Promise.resolve();
  #closed = false;
  #stream: MediaStream | null = null;
  #sound: RTCRtpReceiver | null = null;
  readonly #soundStream = new MediaStream();
  #video: RTCRtpTransceiver | null = null;
  /** All channels and the video share one (RFC 8843). */
  #dtls: RTCDtlsTransport | null = null;
  #layers: { ice: string; dtls: string } = { ice: "new", dtls: "new" };

  /** Throws when the browser refuses the configuration. */
  constructor(options: PeerOptions, events: PeerEvents) {
    this.#events = events;
    const pc = new RTCPeerConnection({
      iceServers: options.iceServers.map((server) => ({ ...server, urls: [...server.urls] })),
      iceTransportPolicy: options.iceTransportPolicy,
      bundlePolicy: "max-bundle",
    });
    this.#pc = pc;
    pc.onicecandidate = ({ candidate }) => {
      if (this.#closed) return;
      if (candidate === null) return events.onCandidate(null);
      // An empty candidate ends one generation's; null follows at the end of all.
      if (candidate.candidate === "" || candidate.candidate.length > MAX_CANDIDATE_BYTES) return;
      const { sdpMid, sdpMLineIndex } = candidate;
      events.onCandidate({ candidate: candidate.candidate, sdpMid, sdpMLineIndex });
    };
    pc.onconnectionstatechange = () => {
      if (this.#closed) return;
      // The layers' own events may come a moment later.
      this.#readLayers();
      events.onState(pc.connectionState);
    };
    pc.oniceconnectionstatechange = () => this.#readLayers();
    if (options.video) this.#receiveVideo();
    if (options.sound) this.#receiveSound();
    for (const name of CHANNEL_NAMES) this.#open(name);
    void this.#offer();
  }

  /** The video, once it was negotiated. */
  get stream(): MediaStream | null {
    return this.#stream;
  }

  /** The desktop's sound, where it was offered. */
  get soundStream(): MediaStream | null {
    return this.#sound === null ? null : this.#soundStream;
  }

  answer(sdp: string): void {
    this.#enqueue(async () => {
      await this.#pc.setRemoteDescription({ type: "answer", sdp });
      this.#readLayers();
    }, true);
  }

  addCandidate(candidate: IceCandidate): void {
    // A candidate that this browser does not take harms no other.
    this.#enqueue(() => this.#pc.addIceCandidate(candidate ?? undefined), false);
  }

  /** False when the channel is not open, or motion has piled up. */
  send(name: ChannelName, data: string | Uint8Array<ArrayBuffer>): boolean {
    const channel = this.#channels.get(name);
    if (channel === undefined || channel.readyState !== "open") return false;
    if (name === "motion" && channel.bufferedAmount > MAX_MOTION_BUFFERED_BYTES) return false;
    try {
      if (typeof data === "string") channel.send(data);
      else channel.send(data);
      return true;
    } catch {
      // Its buffer is full: the heartbeat decides about the path.
      return false;
    }
  }

  async stats(): Promise<PeerStats | null> {
    if (this.#closed) return null;
    try {
      const records: StatsRecord[] = [];
      (await this.#pc.getStats()).forEach((record) => records.push(record));
      return this.#closed ? null : parseStats(records, this.#heard());
    } catch {
      // Closed meanwhile.
      return null;
    }
  }

  /** The addresses of the selected path, for a support bundle. */
  async addresses(): Promise<readonly CandidateAddress[]> {
    if (this.#closed) return [];
    try {
      const records: StatsRecord[] = [];
      (await this.#pc.getStats()).forEach((record) => records.push(record));
      return selectedAddresses(records);
    } catch {
      // Closed meanwhile.
      return [];
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pc.onicecandidate = this.#pc.onconnectionstatechange = null;
    this.#pc.oniceconnectionstatechange = null;
    if (this.#dtls !== null) this.#dtls.onstatechange = null;
    for (const channel of this.#channels.values()) {
      channel.onopen = channel.onclose = channel.onmessage = null;
    }
    this.#pc.close();
  }

  #receiveVideo(): void {
    const transceiver = this.#pc.addTransceiver("video", { direction: "recvonly" });
    this.#video = transceiver;
    this.#stream = new MediaStream([transceiver.receiver.track]);
    playSoon(transceiver.receiver);
  }

  #receiveSound(): void {
    const { receiver } = this.#pc.addTransceiver("audio", { direction: "recvonly" });
    this.#sound = receiver;
    this.#soundStream.addTrack(receiver.track);
    playSoon(receiver);
  }

  /**
   * How long pictures wait after they have come, in ms; 0 shows each as soon as it is decoded. What
   * the sender's playout-delay extension says comes first in browsers that know it.
   */
  setPlayout(minMs: number): void {
    if (this.#video !== null && !this.#closed) playSoon(this.#video.receiver, minMs);
  }

  /** What was handed over to be played last. */
  #heard(): { readonly rtpTime: number; readonly at: number } | null {
    const source = this.#sound?.getSynchronizationSources?.()[0];
    return source === undefined ? null : { rtpTime: source.rtpTimestamp, at: source.timestamp };
  }

  /** Tells what ICE and DTLS did since the last look. */
  #readLayers(): void {
    if (this.#closed) return;
    const pc = this.#pc;
    const dtls = pc.sctp?.transport ?? pc.getReceivers()[0]?.transport ?? null;
    if (dtls !== this.#dtls) {
      if (this.#dtls !== null) this.#dtls.onstatechange = null;
      this.#dtls = dtls;
      if (dtls !== null) dtls.onstatechange = () => this.#readLayers();
    }
    const said = dtls?.iceTransport?.state ?? pc.iceConnectionState;
    const ice = said === "completed" ? "connected" : said;
    if (ice !== this.#layers.ice) {
      this.#layers = { ...this.#layers, ice };
      if (ice !== "new") this.#events.onLayer({ layer: "ice", state: ice });
    }
    const state = dtls?.state ?? "new";
    if (state !== this.#layers.dtls) {
      this.#layers = { ...this.#layers, dtls: state };
      if (state !== "new") this.#events.onLayer({ layer: "dtls", state });
    }
  }

  #open(name: ChannelName): void {
    const { label, ...options } = CHANNELS[name];
    const channel = this.#pc.createDataChannel(label, options);
    channel.binaryType = "arraybuffer";
    channel.onopen = () => this.#events.onChannel(name, true);
    channel.onclose = () => this.#events.onChannel(name, false);
    channel.onmessage = ({ data }) => {
      if (name === "control" && typeof data === "string") this.#events.onControl(data);
      else if (name === "diff") {
        this.#events.onDiff(data instanceof ArrayBuffer ? new Uint8Array(data) : null);
      }
    };
    this.#channels.set(name, channel);
  }

  async #offer(): Promise<void> {
    try {
      await hardwareKnown;
      if (this.#closed) return;
      const codecs = wantedFormats();
      if (codecs.length > 0) this.#video?.setCodecPreferences?.(codecs);
      const made = await this.#pc.createOffer();
      if (this.#closed) return;
      const offer = { type: made.type, sdp: inStereo(made.sdp ?? "") };
      // Candidates start with setLocalDescription; the offer has to go first.
      this.#events.onOffer(offer.sdp);
      await this.#pc.setLocalDescription(offer);
      this.#readLayers();
    } catch {
      if (!this.#closed) this.#events.onError();
    }
  }

  #enqueue(job: () => Promise<void>, needed: boolean): void {
    this.#queue = this.#queue.then(async () => {
      if (this.#closed) return;
      try {
        await job();
      } catch {
        if (needed && !this.#closed) this.#events.onError();
      }
    });
  }
}
