/**
 * One viewer's peer connection by libdatachannel (node-datachannel): ICE, DTLS, SRTP and SCTP run
 * in native threads, several times quicker than werift's. It knows TURN by UDP only and cannot keep
 * its own address to itself, so werift carries the rest (peer_choice.ts). Packets of forged origin
 * are turned away inside: libjuice checks the integrity of STUN requests and knows its peers.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { networkInterfaces } from "node:os";
import {
  CHANNELS,
  checkCandidate,
  checkSdp,
  ICE_STATES,
  type LayerState,
  MAX_ENVELOPE_BYTES,
  type VideoCodec,
  type ViewerNetwork,
} from "@farglass/protocol";
import {
  type DataChannel,
  type IceServer,
  PeerConnection,
  setSctpSettings,
  type Track,
  Video,
} from "node-datachannel";
import type { CongestionLimits } from "../../core/congestion.ts";
import {
  acceptRemoteCandidate,
  type IcePolicy,
  iceTargets,
  MAX_REMOTE_CANDIDATES,
} from "../../core/ice_policy.ts";
import { type PreparedOffer, prepareOffer, type VideoChoice } from "../../core/offer_sdp.ts";
import type {
  EncodedFrame,
  Peer,
  PeerChannel,
  PeerEvents,
  PeerFactory,
  PeerOptions,
  SoundFrame,
} from "../../core/ports.ts";
import type { SoundSender } from "../peer_werift/sound_sender.ts";
import { videoLimits, VideoSender } from "../peer_werift/video_sender.ts";
import { addSound, extensionsOf } from "./sound_track.ts";
import { TrackRtp } from "./track_rtp.ts";

type PeerState = Parameters<PeerEvents["onState"]>[0];
type RemoteCandidate = Parameters<Peer["addCandidate"]>[0];

const PEER_STATES: readonly string[] = [
  "connecting",
  "connected",
  "disconnected",
  "failed",
  "closed",
] satisfies PeerState[];

/** Below this a channel asks for more: enough to keep SCTP busy for a round trip. */
const LOW_WATER_BYTES = 32 * 1024;
/** IP, UDP, DTLS and TURN around it pass a path of 1280 bytes. */
const MTU_BYTES = 1200;
/** RFC 8445 section 5.3 asks for at least 24 and 128 bits. */
const UFRAG_CHARS = 8;
const PASSWORD_CHARS = 24;
const DESCRIPTION_TIMEOUT_MS = 5_000;

setSctpSettings({
  // Unsent bytes in here are late bytes; the viewer's own window is about as large.
  sendBufferSize: 256 * 1024,
  recvBufferSize: 512 * 1024,
  initialCongestionWindow: 10,
  // A console answers each picture: what says that the answer came shall leave with the next
  // picture and not by itself. RFC 9260 section 6.2 allows 200 ms; who sends two packets, or has
  // lost one, hears at once.
  delayedSackTime: 100,
});

const iceChars = (count: number): string => randomBytes(count).toString("base64").slice(0, count);
const isKnown = (label: string): label is PeerChannel => Object.hasOwn(CHANNELS, label);
const isWorld = () =>
  Object.values(networkInterfaces()).some((list) => list?.some((address) => !address.internal));

/** Makes peers for viewers (see `PeerFactory`). */
export const createLibdatachannelPeer: PeerFactory = (options, events) =>
  new LibdatachannelPeer(options, events);

/** A peer with what tests look at. */
export class LibdatachannelPeer implements Peer {
  rtp: TrackRtp | null = null;
  readonly #pc: PeerConnection;
  readonly #policy: IcePolicy;
  readonly #events: PeerEvents;
  readonly #limits: CongestionLimits;
  readonly #videoCodecs: readonly VideoCodec[];
  readonly #channels = new Map<PeerChannel, DataChannel>();
  readonly #mayHear: boolean;
  /** The CNAME of all its streams: they go by one clock (RFC 3550 section 6.5.1). */
  readonly #cname = iceChars(16);
  #video: VideoSender | null = null;
  #sound: SoundSender | null = null;
  #state: PeerState | null = null;
  #layers: { readonly ice: string | null; readonly dtls: string | null } = {
    ice: null,
    dtls: null,
  };
  #answered = false;
  #remoteCandidates = 0;
  #loopbackTold = false;
  #closing: Promise<void> | null = null;
  readonly #aborted = Promise.withResolvers<never>();

  constructor(options: PeerOptions, events: PeerEvents) {
    this.#aborted.promise.catch(() => {/* only an answer under way minds */});
    this.#events = events;
    this.#mayHear = options.sound ?? false;
    this.#limits = videoLimits(options);
    this.#videoCodecs = options.videoCodecs;
    const { loopbackOnly, loopbackToo = false, relayOnly } = options;
    this.#policy = { loopbackOnly, loopbackToo, relayOnly };
    const { stun, turn } = iceTargets(options.iceServers, this.#policy);
    const servers: IceServer[] = turn.filter(({ transport }) => transport === "udp")
      .map(({ host, port, username, credential }) => ({
        hostname: host,
        port,
        username,
        password: credential,
        relayType: "TurnUdp",
      }));
    if (stun !== null) servers.unshift({ hostname: stun.host, port: stun.port });
    this.#pc = new PeerConnection("agent", {
      iceServers: servers,
      disableAutoNegotiation: true,
      mtu: MTU_BYTES,
      maxMessageSize: MAX_ENVELOPE_BYTES,
      ...(loopbackOnly || (loopbackToo && !isWorld()) ? { bindAddress: "127.0.0.1" } : {}),
    });
    this.#pc.onStateChange((state) => {
      if (PEER_STATES.includes(state)) this.#setState(state as PeerState);
    });
    this.#pc.onIceStateChange((said) => this.#tellIce(said));
    this.#pc.onLocalCandidate((line, mid) => this.#onLocalCandidate(line, mid));
    this.#pc.onGatheringStateChange((state) => {
      if (state === "complete") this.#tell(() => events.onCandidate(null));
    });
    this.#pc.onDataChannel((channel) => this.#addChannel(channel));
  }

  videoTime(capturedAtMs: number): number | null {
    return this.#video?.timeOf(capturedAtMs) ?? null;
  }

  setPlayout(minMs: number): void {
    this.#video?.setPlayout(minMs);
  }

  get videoReady(): boolean {
    return this.#video?.ready ?? false;
  }

  get soundReady(): boolean {
    return this.#sound?.ready ?? false;
  }

  get videoCodecs(): readonly VideoCodec[] {
    return this.#video?.codecs ?? [];
  }

  get soundClock(): Peer["soundClock"] {
    return this.#sound?.clock ?? null;
  }

  get network(): ViewerNetwork | null {
    return this.#video?.network ?? null;
  }

  async answer(offerSdp: string): Promise<string> {
    if (this.#closing !== null) throw new Error("The peer is closed");
    if (this.#answered) throw new Error("The peer has answered already");
    this.#answered = true;
    const checked = checkSdp(offerSdp);
    if (!checked.ok) throw new Error(checked.error.message);
    const accepts = { videoCodecs: this.#videoCodecs, sound: this.#mayHear };
    return await this.#negotiate(prepareOffer(offerSdp, accepts));
  }

  async #negotiate(offer: PreparedOffer): Promise<string> {
    const sdp = await this.#describe(offer);
    for (const { candidate, mid } of offer.candidates) {
      await this.addCandidate({ candidate, sdpMid: mid, sdpMLineIndex: null });
    }
    return sdp;
  }

  async #describe(offer: PreparedOffer): Promise<string> {
    const described = Promise.withResolvers<string>();
    const late = () => described.reject(new Error("The peer library made no answer"));
    const timer = setTimeout(late, DESCRIPTION_TIMEOUT_MS);
    try {
      this.#pc.onLocalDescription((sdp) => described.resolve(sdp));
      if (offer.video !== null) this.#addVideo(offer.video, offer.sdp);
      if (offer.audio !== null) {
        const added = addSound(this.#pc, offer.audio, { offer: offer.sdp, cname: this.#cname });
        added.track.onOpen(() => this.#tellDtls("connected"));
        this.#sound = added.sender;
      }
      // The agent is the DTLS server: a browser repeats its first message sooner (RFC 8842 section 5).
      const active = offer.sdp.replaceAll(/^a=setup:actpass(\r?)$/gm, "a=setup:active$1");
      // A section that is not answered is rejected with port 0 (RFC 3264 section 6).
      const unanswered = [
        ...offer.video === null ? ["video"] : [],
        ...offer.audio === null ? ["audio"] : [],
      ];
      const remote = unanswered.reduce(
        (sdp, kind) => sdp.replaceAll(new RegExp(`^m=${kind} \\d+`, "gm"), `m=${kind} 0`),
        active,
      );
      this.#pc.setRemoteDescription(remote, "offer");
      this.#pc.setLocalDescription("answer", {
        iceUfrag: iceChars(UFRAG_CHARS),
        icePwd: iceChars(PASSWORD_CHARS),
      });
      return await Promise.race([described.promise, this.#aborted.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #addVideo(choice: VideoChoice, offer: string): void {
    const video = new Video(choice.mid, "SendOnly");
    for (const { payloadType, codec, format } of choice.formats) {
      video.addVideoCodec(payloadType, codec.toUpperCase(), ...(format === null ? [] : [format]));
      for (const feedback of ["ccm fir", "transport-cc"]) {
        video.parseSdpLine(`a=rtcp-fb:${payloadType} ${feedback}`);
      }
    }
    const extensionIds = extensionsOf(offer, choice.mid);
    for (const [uri, id] of extensionIds) video.parseSdpLine(`a=extmap:${id} ${uri}`);
    const ssrc = randomBytes(4).readUInt32BE();
    const rtxSsrc = randomBytes(4).readUInt32BE();
    const name = this.#cname;
    video.addSSRC(ssrc, name, "farglass", "screen");
    const repaired = choice.formats.flatMap(({ payloadType, rtxPayloadType }) =>
      rtxPayloadType === null ? [] : [{ payloadType, rtxPayloadType }]
    );
    for (const { payloadType, rtxPayloadType } of repaired) {
      video.addRTXCodec(rtxPayloadType, payloadType, 90_000);
    }
    if (repaired.length > 0) {
      video.addSSRC(rtxSsrc, name, "farglass", "screen");
      video.parseSdpLine(`a=ssrc-group:FID ${ssrc} ${rtxSsrc}`);
    }
    const track: Track = this.#pc.addTrack(video);
    track.onOpen(() => {
      this.#tellDtls("connected");
      this.#video?.start();
    });
    this.rtp = new TrackRtp(track, { ssrc, rtxSsrc, extensionIds, cname: name });
    this.#video = new VideoSender(
      this.rtp,
      choice,
      this.#limits,
      {
        onKeyframeRequest: (reason) => this.#tell(() => this.#events.onKeyframeRequest(reason)),
        onVideoTarget: (target) => this.#tell(() => this.#events.onVideoTarget(target)),
      },
    );
  }

  // deno-lint-ignore require-await -- the port is asynchronous for peers that look names up
  async addCandidate(candidate: RemoteCandidate): Promise<void> {
    if (this.#closing !== null || candidate === null || candidate.candidate === "") return;
    const checked = checkCandidate(candidate.candidate);
    // A name of mDNS is not looked up: its host's own checks tell the address (RFC 8445 section 7.3.1.3).
    if (!checked.ok || checked.value.address.endsWith(".local")) return;
    if (!acceptRemoteCandidate(checked.value, this.#policy)) return;
    if (++this.#remoteCandidates > MAX_REMOTE_CANDIDATES) return;
    try {
      this.#pc.addRemoteCandidate(`a=${candidate.candidate}`, candidate.sdpMid ?? "0");
    } catch {
      // A candidate of a family that this machine lacks: the other candidates are still tried.
    }
  }

  sendVideo(frame: EncodedFrame): number {
    return this.#video?.send(frame) ?? 0;
  }

  sendSound(frame: SoundFrame): number {
    return this.#sound?.send(frame) ?? 0;
  }

  send(label: PeerChannel, data: string | Uint8Array): boolean {
    const channel = this.#channels.get(label);
    if (channel === undefined || this.#closing !== null || !channel.isOpen()) return false;
    try {
      if (typeof data === "string") channel.sendMessage(data);
      else channel.sendMessageBinary(data);
      this.#video?.noteOther(data.length);
      return true;
    } catch {
      // The association went down under the channel.
      return false;
    }
  }

  bufferedBytes(label: PeerChannel): number {
    const channel = this.#channels.get(label);
    return channel === undefined || this.#closing !== null ? 0 : channel.bufferedAmount();
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#aborted.reject(new Error("The peer was closed"));
      this.#video?.close();
      this.#sound?.close();
      this.rtp?.close();
      const closed = Promise.withResolvers<void>();
      if (this.#pc.state() === "closed") closed.resolve();
      else this.#pc.onStateChange((state) => state === "closed" && closed.resolve());
      this.#pc.close();
      await closed.promise;
      this.#setState("closed");
    })();
    return this.#closing;
  }

  #addChannel(channel: DataChannel): void {
    const label = channel.getLabel();
    if (!isKnown(label) || this.#channels.has(label)) return channel.close();
    this.#channels.set(label, channel);
    channel.setBufferedAmountLowThreshold(LOW_WATER_BYTES);
    channel.onBufferedAmountLow(() => this.#tell(() => this.#events.onDrain(label)));
    channel.onMessage((data) => {
      const bytes = typeof data === "string" || Buffer.isBuffer(data) ? data : Buffer.from(data);
      // The answer's a=max-message-size says as much; the channel's own codec has closer limits.
      if (bytes.length > MAX_ENVELOPE_BYTES) channel.close();
      else this.#tell(() => this.#events.onMessage(label, bytes));
    });
    channel.onClosed(() => {
      if (this.#channels.get(label) !== channel) return;
      this.#channels.delete(label);
      this.#tell(() => this.#events.onChannelClose(label));
    });
    let announced = false;
    const announce = () => {
      if (announced) return;
      announced = true;
      this.#tell(() => this.#events.onChannelOpen(label));
    };
    channel.onOpen(announce);
    if (channel.isOpen()) announce();
  }

  #onLocalCandidate(line: string, mid: string): void {
    const candidate = line.replace(/^a=/, "");
    const told = (text: string) =>
      this.#tell(() => {
        this.#events.onCandidate({ candidate: text, sdpMid: mid, sdpMLineIndex: null });
      });
    const fields = candidate.split(" ");
    const [, , , , address, port, , type] = fields;
    if (type === "host" && !this.#loopbackTold && this.#policy.loopbackToo) {
      this.#loopbackTold = true;
      // The socket is bound to every address, though libjuice tells those of networks only.
      if (address !== "127.0.0.1") {
        told(`candidate:loopback 1 UDP 2113929471 127.0.0.1 ${port} typ host`);
      }
    }
    told(candidate);
  }

  #tellIce(said: string): void {
    const state = said === "completed" ? "connected" : said;
    const known = ICE_STATES.find((name) => name === state);
    if (known === undefined || known === this.#layers.ice) return;
    this.#tellLayer({ layer: "ice", state: known });
    // Its DTLS begins at once, and has no event of its own until SRTP or SCTP stand on it.
    if (known === "connected") this.#tellDtls("connecting");
  }

  #tellDtls(state: Extract<LayerState, { layer: "dtls" }>["state"]): void {
    const { dtls } = this.#layers;
    if (dtls === state || (state === "connecting" && dtls !== null)) return;
    this.#tellLayer({ layer: "dtls", state });
  }

  #tellLayer(change: LayerState): void {
    if (this.#closing !== null) return;
    this.#layers = { ...this.#layers, [change.layer]: change.state };
    this.#tell(() => this.#events.onLayer(change));
  }

  #setState(state: PeerState): void {
    if (this.#state === state || this.#state === "closed") return;
    if (this.#closing !== null && state !== "closed") return;
    if (state === "connected") this.#tellDtls("connected");
    // ICE stands: what failed is above it.
    if (state === "failed" && this.#layers.ice === "connected") this.#tellDtls("failed");
    this.#state = state;
    this.#tell(() => this.#events.onState(state));
  }

  /** Runs a listener; what it throws must not reach native code. */
  #tell(work: () => void): void {
    try {
      work();
    } catch (cause) {
      console.error("A listener of the WebRTC peer failed", cause);
    }
  }
}
