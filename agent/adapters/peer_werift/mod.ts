/**
 * One viewer's peer connection by werift. The console offers; the agent answers as DTLS server and
 * trickles its candidates. Everything that comes from the other side is checked before werift sees
 * it, and nothing that werift throws leaves this folder unhandled.
 */
import {
  checkCandidate,
  checkSdp,
  type LayerState,
  type VideoCodec,
  type ViewerNetwork,
} from "@farglass/protocol";
import {
  RTCDtlsTransport,
  type RTCIceTransport,
  RTCPeerConnection,
  type RTCPeerConnectionConfig,
  RTCRtpCodecParameters,
  RTCRtpHeaderExtensionParameters,
} from "werift";
import {
  acceptRemoteCandidate,
  type IcePolicy,
  iceTargets,
  MAX_REMOTE_CANDIDATES,
} from "../../core/ice_policy.ts";
import { type AudioChoice, OPUS_PARAMETERS, SOUND_STREAM } from "../../core/offer_audio.ts";
import {
  answerPassive,
  type PreparedOffer,
  prepareOffer,
  type VideoChoice,
} from "../../core/offer_sdp.ts";
import { OPUS_CLOCK_HZ } from "../../core/opus_rtp.ts";
import type {
  EncodedFrame,
  Peer,
  PeerChannel,
  PeerEvents,
  PeerFactory,
  PeerOptions,
  SoundFrame,
} from "../../core/ports.ts";
import { EXTENSION_URI } from "../../core/rtp_extensions.ts";
import { Channels } from "./channels.ts";
import { DtlsFlights } from "./dtls_flights.ts";
import { IceGuard } from "./ice_guard.ts";
import { replaceGathering } from "./internals.ts";
import { guardSctp } from "./sctp_guard.ts";
import { WeriftRtp } from "./rtp_transport.ts";
import { SoundSender } from "./sound_sender.ts";
import { videoLimits, VideoSender } from "./video_sender.ts";

type PeerState = Parameters<PeerEvents["onState"]>[0];
type RemoteCandidate = Parameters<Peer["addCandidate"]>[0];

/** RFC 8863 asks for 39.5 s; the console gives up on a path long before. */
const ICE_PATIENCE_MS = 30_000;
/** werift's connectivity checks look up each 20 ms and only then see that they are over. */
const CHECK_LOOP_MS = 25;
const GATHER_TIMEOUT_MS = 8_000;
/** Behind this much in a TCP connection to a TURN server, new pictures wait for older ones. */
const MAX_RELAY_BACKLOG_BYTES = 256 * 1024;

/** Makes the process's DTLS certificate, which the first answer would wait for otherwise. */
export async function warmUpPeers(): Promise<void> {
  await RTCDtlsTransport.SetupCertificate();
}

/** Makes peers for viewers (see `PeerFactory`). */
export const createWeriftPeer: PeerFactory = (options, events) => new WeriftPeer(options, events);

/** A peer with what tests look at. */
export class WeriftPeer implements Peer {
  readonly pc: RTCPeerConnection;
  readonly #policy: IcePolicy;
  readonly #channels: Channels;
  readonly #guards: IceGuard[] = [];
  readonly #flights = new DtlsFlights();
  #video: VideoSender | null = null;
  #sound: SoundSender | null = null;
  #state: PeerState | null = null;
  #iceState: string | null = null;
  #gathering: Promise<void> | null = null;
  #gathered = false;
  #remoteEnded = false;
  #remoteCandidates = 0;
  #answered = false;
  #closing: Promise<void> | null = null;
  #relayStalled = false;
  #sctpFaults = 0;
  #patience: ReturnType<typeof setTimeout> | undefined;
  readonly #aborted = Promise.withResolvers<never>();

  constructor(private readonly options: PeerOptions, private readonly events: PeerEvents) {
    this.#aborted.promise.catch(() => {/* only an answer under way minds */});
    const { loopbackOnly, loopbackToo = false, relayOnly } = options;
    this.#policy = { loopbackOnly, loopbackToo, relayOnly };
    this.pc = new RTCPeerConnection(configuration(this.#policy));
    this.#channels = new Channels(
      events,
      (work) => this.#guarded(work),
      () => void this.close(),
    );
    this.pc.onDataChannel.subscribe((channel) => this.#channels.add(channel));
    this.pc.connectionStateChange.subscribe((state) => {
      // DTLS says when media can flow; werift's own "connected" waits for SCTP too.
      if (state === "connecting" || state === "disconnected" || state === "failed") {
        this.#setState(state);
      }
    });
    this.pc.onIceCandidate.subscribe((candidate) => {
      if (candidate?.candidate === undefined) return;
      const { sdpMid = null, sdpMLineIndex = null } = candidate;
      const line = { candidate: candidate.candidate, sdpMid, sdpMLineIndex };
      this.#guarded(() => events.onCandidate(line));
    });
    replaceGathering(this.pc, () => this.#gather());
  }

  /** What the guards have turned away so far. */
  get rejected(): { forgedRequests: number; strayPackets: number; sctpFaults: number } {
    const sum = { forgedRequests: 0, strayPackets: 0, sctpFaults: this.#sctpFaults };
    for (const { counters } of this.#guards) {
      sum.forgedRequests += counters.forgedRequests;
      sum.strayPackets += counters.strayPackets;
    }
    return sum;
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
    // werift's calls never settle once it is closed.
    const offer = prepareOffer(offerSdp, this.options);
    return await Promise.race([this.#negotiate(offer), this.#aborted.promise]);
  }

  async #negotiate(offer: PreparedOffer): Promise<string> {
    this.pc.setConfiguration({
      codecs: { audio: audioCodecs(offer.audio), video: videoCodecs(offer.video) },
    });
    await this.pc.setRemoteDescription({ type: "offer", sdp: offer.sdp });
    this.#harden();
    if (this.pc.sctpTransport) guardSctp(this.pc.sctpTransport, () => this.#sctpFaults++);
    for (const ice of this.pc.iceTransports) {
      ice.onStateChange.subscribe((state) => this.#tellIce(state));
    }
    for (const dtls of this.pc.dtlsTransports) {
      dtls.onStateChange.subscribe((state) => {
        if (state !== "new") this.#tellLayer({ layer: "dtls", state });
        if (state === "connecting") this.#flights.watch(dtls);
        if (state === "connected") {
          this.#guards.forEach((guard) => guard.establish());
          this.#video?.start();
        }
        if (state === "connected" || state === "failed") this.#setState(state);
      });
    }
    const transceiver = offer.video === null
      ? undefined
      : this.pc.getTransceivers().find((t) => t.kind === "video" && t.mid === offer.video?.mid);
    transceiver?.setDirection("sendonly");
    const sound = offer.audio === null
      ? undefined
      : this.pc.getTransceivers().find((t) => t.kind === "audio" && t.mid === offer.audio?.mid);
    if (sound !== undefined) {
      sound.setDirection("sendonly");
      // Not the screen's stream: a browser would hold the sound back until the two fit.
      sound.sender.streamId = SOUND_STREAM;
    }
    const answer = await this.pc.createAnswer();
    const sdp = answerPassive(answer.sdp);
    if (transceiver?.dtlsTransport && offer.video !== null) {
      this.#video = new VideoSender(
        new WeriftRtp(transceiver, transceiver.dtlsTransport),
        offer.video,
        videoLimits(this.options),
        {
          onKeyframeRequest: (reason) => this.#guarded(() => this.events.onKeyframeRequest(reason)),
          onVideoTarget: (target) => this.#guarded(() => this.events.onVideoTarget(target)),
        },
      );
    }
    if (sound?.dtlsTransport && offer.audio !== null) {
      this.#sound = new SoundSender(new WeriftRtp(sound, sound.dtlsTransport), offer.audio);
    }
    await this.pc.setLocalDescription({ type: "answer", sdp });
    for (const { candidate, mid } of offer.candidates) {
      await this.addCandidate({ candidate, sdpMid: mid, sdpMLineIndex: null });
    }
    if (offer.endOfCandidates) await this.addCandidate(null);
    return sdp;
  }

  async addCandidate(candidate: RemoteCandidate): Promise<void> {
    if (this.#closing !== null) return;
    if (candidate === null || candidate.candidate === "") {
      this.#remoteEnded = true;
      this.#endRemoteCandidates();
      return;
    }
    const checked = checkCandidate(candidate.candidate);
    if (!checked.ok || !acceptRemoteCandidate(checked.value, this.#policy)) return;
    if (++this.#remoteCandidates > MAX_REMOTE_CANDIDATES) return;
    const { sdpMid, sdpMLineIndex } = candidate;
    try {
      await this.pc.addIceCandidate({
        candidate: candidate.candidate,
        sdpMid: sdpMid ?? undefined,
        sdpMLineIndex: sdpMLineIndex ?? undefined,
      });
    } catch {
      // A candidate for a section that does not exist: the other candidates are still tried.
    }
  }

  sendVideo(frame: EncodedFrame): number {
    if (this.#video === null || !this.#video.ready) return 0;
    const backlogBytes = Math.max(0, ...this.#guards.map((guard) => guard.backlogBytes));
    if (backlogBytes > MAX_RELAY_BACKLOG_BYTES) {
      this.#relayStalled = true;
      return 0;
    }
    if (this.#relayStalled && !frame.keyframe) {
      // Pictures were left out, so nothing but a keyframe can be decoded now.
      this.#guarded(() => this.events.onKeyframeRequest("skipped"));
      return 0;
    }
    this.#relayStalled = false;
    return this.#video.send(frame);
  }

  sendSound(frame: SoundFrame): number {
    return this.#sound?.send(frame) ?? 0;
  }

  send(channel: PeerChannel, data: string | Uint8Array): boolean {
    if (this.#closing !== null || !this.#channels.send(channel, data)) return false;
    this.#video?.noteOther(data.length);
    return true;
  }

  bufferedBytes(channel: PeerChannel): number {
    return this.#channels.bufferedBytes(channel);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#aborted.reject(new Error("The peer was closed"));
      this.#video?.close();
      this.#sound?.close();
      clearTimeout(this.#patience);
      try {
        await this.pc.close();
      } catch {
        // Half-open transports may fail to say goodbye; their sockets are closed below.
      }
      await Promise.all(this.#guards.map((guard) => guard.close()));
      await Promise.all([this.#flights.close(), delay(CHECK_LOOP_MS)]);
      // Sockets that gathering was just opening see that the guard is closed and close themselves.
      await this.#gathering;
      await Promise.all(this.#guards.map((guard) => guard.close()));
      this.#setState("closed");
    })();
    return this.#closing;
  }

  #setState(state: PeerState): void {
    if (this.#state === state || this.#state === "closed") return;
    if (this.#closing !== null && state !== "closed") return;
    this.#state = state;
    if (state === "connected") clearTimeout(this.#patience);
    this.#guarded(() => this.events.onState(state));
  }

  #tellIce(said: RTCIceTransport["state"]): void {
    if (said === "new") return;
    const state = said === "completed" ? "connected" : said;
    if (state !== this.#iceState) this.#tellLayer({ layer: "ice", state });
    this.#iceState = state;
  }

  #tellLayer(change: LayerState): void {
    if (this.#closing === null) this.#guarded(() => this.events.onLayer(change));
  }

  #harden(): void {
    const targets = iceTargets(this.options.iceServers, this.#policy);
    const timeoutMs = this.options.gatherTimeoutMs ?? GATHER_TIMEOUT_MS;
    for (const { connection } of this.pc.iceTransports) {
      this.#guards.push(
        new IceGuard(
          connection,
          this.#policy,
          targets,
          timeoutMs,
          () => this.#flights.repeatLast(),
        ),
      );
    }
  }

  /** Starts gathering and returns at once: checks begin while candidates still come (RFC 8838). */
  #gather(): Promise<void> {
    this.#gathering = Promise.allSettled(
      this.pc.iceTransports.map((transport) => transport.gather()),
    ).then(() => {
      this.#gathered = true;
      if (this.#closing !== null) return;
      this.#guarded(() => this.events.onCandidate(null));
      this.#endRemoteCandidates();
    });
    return Promise.resolve();
  }

  /**
   * werift gives up as soon as all pairs have failed and no remote candidate can come. The other
   * side's checks may still show a path, and an own relay address may come late, so the end is
   * told to werift only after patience (RFC 8863 section 4).
   */
  #endRemoteCandidates(): void {
    if (!this.#gathered || !this.#remoteEnded || this.#closing !== null) return;
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      this.pc.addIceCandidate(null).catch(() => {/* closed meanwhile */});
    }, ICE_PATIENCE_MS);
  }

  /** Runs a listener; what it throws must not reach werift's packet handling. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (cause) {
      reportError(cause);
    }
  }
}

function configuration(policy: IcePolicy): RTCPeerConnectionConfig {
  return {
    // Never empty by default: IceGuard sets the servers on each transport itself.
    iceServers: [],
    iceUseTcp: false,
    iceUseIpv6: !policy.loopbackOnly,
    iceInterfaceAddresses: policy.loopbackOnly ? { udp4: "127.0.0.1" } : undefined,
    iceAdditionalHostAddresses: policy.loopbackOnly || policy.loopbackToo
      ? ["127.0.0.1"]
      : undefined,
    bundlePolicy: "max-bundle",
    codecs: { audio: audioCodecs(null), video: videoCodecs(null) },
    headerExtensions: {
      audio: [new RTCRtpHeaderExtensionParameters({ uri: EXTENSION_URI.mid })],
      video: Object.values(EXTENSION_URI).map((uri) =>
        new RTCRtpHeaderExtensionParameters({ uri })
      ),
    },
  };
}

/** The codecs to answer with; with nothing to send, one that matches no offer's payload type. */
function videoCodecs(choice: VideoChoice | null): RTCRtpCodecParameters[] {
  if (choice === null) return [videoCodec("none", 96, undefined)];
  return choice.formats.flatMap(({ codec, payloadType, rtxPayloadType, format }) => {
    const primary = videoCodec(codec.toUpperCase(), payloadType, format ?? undefined);
    if (rtxPayloadType === null) return [primary];
    return [
      primary,
      new RTCRtpCodecParameters({
        mimeType: "video/rtx",
        clockRate: 90_000,
        payloadType: rtxPayloadType,
        parameters: `apt=${payloadType}`,
      }),
    ];
  });
}

const videoCodec = (name: string, payloadType: number, parameters: string | undefined) =>
  new RTCRtpCodecParameters({
    mimeType: `video/${name}`,
    clockRate: 90_000,
    payloadType,
    rtcpFeedback: [
      { type: "nack" },
      { type: "nack", parameter: "pli" },
      { type: "ccm", parameter: "fir" },
      { type: "goog-remb" },
      { type: "transport-cc" },
    ],
    parameters,
  });

/** Like `videoCodecs`, for the sound. */
const audioCodecs = (choice: AudioChoice | null): RTCRtpCodecParameters[] => [
  new RTCRtpCodecParameters({
    mimeType: choice === null ? "audio/none" : "audio/opus",
    clockRate: OPUS_CLOCK_HZ,
    channels: 2,
    payloadType: choice?.payloadType ?? 96,
    parameters: choice === null ? undefined : OPUS_PARAMETERS,
  }),
];

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** An error of a listener, which is our own code: it is told, and the packets go on. */
function reportError(cause: unknown): void {
  console.error("A listener of the WebRTC peer failed", cause);
}
