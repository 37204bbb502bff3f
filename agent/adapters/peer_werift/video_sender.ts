/**
 * Sends encoded pictures as RTP (RFC 3550) over SRTP of either peer library. It stands in
 * for werift's own sending, which copies each packet and keeps too few of them to answer a NACK.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import {
  GenericNack,
  PictureLossIndication,
  ReceiverEstimatedMaxBitrate,
  type RtcpPacketConverter,
  RtcpPayloadSpecificFeedback,
  RtcpTransportLayerFeedback,
} from "werift";
import { never, type VideoCodec, type ViewerNetwork } from "@farglass/protocol";
import type { CongestionLimits } from "../../core/congestion.ts";
import type { SentKind, TransportFeedback } from "../../core/link_meter.ts";
import type { VideoChoice } from "../../core/offer_sdp.ts";
import type { EncodedFrame, PeerOptions, VideoTarget } from "../../core/ports.ts";
import { EXTENSION_URI, ntpTime, rtpTimestamp } from "../../core/rtp_extensions.ts";
import { RtpHistory, type SentPacket } from "../../core/rtp_history.ts";
import { type RtpFields, type RtpPacketBytes, RtpPacketWriter } from "../../core/rtp_packet.ts";
import { payloadsOf } from "../../core/rtp_payloads.ts";
import { VideoFlow } from "../../core/video_flow.ts";
import { PICTURE_ID_MASK, stampPictureId } from "../../core/vp8_packetizer.ts";

export type RtcpPacket = ReturnType<typeof RtcpPacketConverter.deSerialize>[number];

/** One moment by both clocks of a sender report (RFC 3550 section 6.4.1). */
export interface ReportClock {
  readonly ntpTimestamp: bigint;
  readonly rtpTimestamp: number;
}

/** SRTP of one video section. */
export interface RtpTransport {
  /** Whether packets can be sent now. */
  readonly ready: boolean;
  readonly ssrc: number;
  readonly rtxSsrc: number;
  /** Ids of the negotiated header extensions, by URI (RFC 8285). */
  readonly extensionIds: ReadonlyMap<string, number>;
  /** `packet` holds only until this returns. */
  send(packet: RtpPacketBytes): void;
  /** A packet of the media stream is being sent. */
  count(payloadBytes: number): void;
  /** Something has been queued: reports are worth sending. `clock` tells the time now. */
  reportSoon(clock: () => ReportClock): void;
  /** NACK and what asks for keyframes or less; the rest need not be told. */
  onRtcp(listener: (packet: RtcpPacket) => void): void;
  onFeedback(listener: (feedback: TransportFeedback) => void): void;
}

/** RTP header and extensions (about 28), SRTP's tag (16), UDP and IP (28). */
const OVERHEAD_BYTES = 72;
/** RTX puts the original sequence number before the payload (RFC 4588 section 4). */
const RTX_HEADER_BYTES = 2;
/** RTP's padding says its length in its last byte (RFC 3550 section 5.1). */
const MAX_PADDING_BYTES = 255;
const BITS_PER_KBIT = 1000;

interface Outgoing {
  readonly payloadType: number;
  readonly timestamp: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
  readonly capturedAtMs: number;
  readonly first: boolean;
  readonly bytes: number;
}
interface Repair {
  readonly packet: SentPacket;
  readonly bytes: number;
}

/**
 * A first picture shall not wait long on a slow link, nor lose its packets there; the first probes
 * take a tenth of a second each. A peer that follows another begins where that one was.
 */
export const videoLimits = (
  { maxVideoKbps = 12_000, startVideoKbps = START_KBPS }: Pick<
    PeerOptions,
    "maxVideoKbps" | "startVideoKbps"
  >,
): CongestionLimits => ({
  minKbps: 150,
  startKbps: Math.min(START_KBPS, Math.max(LEAST_START_KBPS, startVideoKbps)),
  maxKbps: maxVideoKbps,
});
const START_KBPS = 2_000;
const LEAST_START_KBPS = 400;

export interface VideoSenderEvents {
  onKeyframeRequest(reason: "pli" | "fir" | "skipped"): void;
  onVideoTarget(target: VideoTarget): void;
}

export class VideoSender {
  /** RTP sequence and timestamp start at random values (RFC 3550 section 5.1). */
  #sequence = randomBytes(2).readUInt16BE();
  #rtxSequence = randomBytes(2).readUInt16BE();
  /** Of transport-wide congestion control; media and repair share it. */
  #transportSequence = 0;
  readonly #timestampStart = randomBytes(4).readUInt32BE();
  /** VP8 counts pictures; a receiver takes each one to need the one before (RFC 7741 section 4.2). */
  #pictureId = randomBytes(2).readUInt16BE() & PICTURE_ID_MASK;
  readonly #history = new RtpHistory();
  /** What was agreed on, the best first. */
  readonly codecs: readonly VideoCodec[];
  readonly #payloadTypes: ReadonlyMap<VideoCodec, number>;
  /** Of repetitions (RFC 4588), by the payload type of what they repeat. */
  readonly #rtxPayloadTypes: ReadonlyMap<number, number>;
  readonly #flow: VideoFlow<Outgoing, Repair>;
  #writer: RtpPacketWriter;
  #timer: { readonly id: ReturnType<typeof setTimeout>; readonly dueMs: number } | null = null;
  readonly #clock = (): ReportClock => {
    const nowMs = performance.now();
    return {
      ntpTimestamp: ntpTime(performance.timeOrigin + nowMs),
      rtpTimestamp: this.timeOf(nowMs),
    };
  };
  #closed = false;

  constructor(
    private readonly transport: RtpTransport,
    private readonly choice: VideoChoice,
    limits: CongestionLimits,
    private readonly events: VideoSenderEvents,
  ) {
    this.#writer = new RtpPacketWriter(transport.extensionIds, choice.mid);
    const { formats } = choice;
    this.codecs = formats.map(({ codec }) => codec);
    this.#payloadTypes = new Map(formats.map(({ codec, payloadType }) => [codec, payloadType]));
    this.#rtxPayloadTypes = new Map(
      formats.flatMap(({ payloadType, rtxPayloadType }) =>
        rtxPayloadType === null ? [] : [[payloadType, rtxPayloadType]]
      ),
    );
    const feedback = transport.extensionIds.has(EXTENSION_URI.transportWideCc);
    this.#flow = new VideoFlow({ limits, feedback }, {
      onKeyframeNeeded: () => events.onKeyframeRequest("skipped"),
      onRate: (target) => events.onVideoTarget(target),
    });
    transport.onRtcp((packet) => this.#onRtcp(packet));
    transport.onFeedback((feedback) => this.#onFeedback(feedback));
  }

  get ready(): boolean {
    return !this.#closed && this.transport.ready;
  }
  /** The RTP time of a picture captured then. */
  timeOf(capturedAtMs: number): number {
    return rtpTimestamp(capturedAtMs, this.#timestampStart);
  }
  get network(): ViewerNetwork {
    return this.#flow.network;
  }

  /** How long pictures wait in the browser from now on, at least. */
  setPlayout(minMs: number): void {
    const { extensionIds } = this.transport;
    this.#writer = new RtpPacketWriter(extensionIds, this.choice.mid, { playoutMs: minMs });
  }

  /** A channel's message of so many bytes leaves beside the video. */
  noteOther(bytes: number): void {
    this.#flow.onOther(bytes, performance.now());
  }

  start(): void {
    this.#flow.start(performance.now());
  }

  /** Queues one picture and sends what may leave; returns its bytes with RTP headers, or 0. */
  send(frame: EncodedFrame): number {
    const payloadType = this.#payloadTypes.get(frame.codec);
    // A picture of any other codec was meant for the peer that this one follows.
    if (!this.ready || payloadType === undefined) return 0;
    const { capturedAtMs } = frame;
    const timestamp = this.timeOf(capturedAtMs);
    const packets = payloadsOf(frame).map(({ payload, marker }, i) => {
      const bytes = payload.length + OVERHEAD_BYTES;
      const own = frame.codec === "vp8" ? this.#numbered(payload) : payload;
      return { payloadType, timestamp, marker, payload: own, capturedAtMs, first: i === 0, bytes };
    });
    if (!this.#flow.add(packets, frame.keyframe, performance.now())) return 0;
    this.#pictureId = (this.#pictureId + 1) & PICTURE_ID_MASK;
    // What was sent before a keyframe is of no use to anybody who gets this one.
    if (frame.keyframe) this.#history.clear();
    this.#drain();
    this.transport.reportSoon(this.#clock);
    return packets.reduce((sum, { payload }) => sum + payload.length + 12, 0);
  }

  #numbered(payload: Uint8Array): Uint8Array {
    const own = payload.slice();
    stampPictureId(own, 0, this.#pictureId);
    return own;
  }

  /** Sends what may leave, and comes back when more may. */
  #drain(): void {
    if (!this.ready) return;
    const nowMs = performance.now();
    this.#flow.tick(nowMs);
    for (const departure of this.#flow.pull(nowMs)) {
      switch (departure.kind) {
        case "media":
          this.#transmit(departure.packet, departure.probe);
          break;
        case "repair":
          this.#repeat(departure.packet.packet, {
            probe: departure.probe,
            media: departure.packet.packet.sequence,
          });
          break;
        case "padding":
          this.#pad(departure.bytes, departure.probe);
          break;
        default:
          never(departure);
      }
    }
    this.#arm();
  }

  /** A timer that comes sooner than it must is left as it is: it looks again. */
  #arm(): void {
    const nowMs = performance.now();
    const dueMs = this.#flow.deadlineMs(nowMs);
    if (dueMs === null || (this.#timer !== null && this.#timer.dueMs <= dueMs)) return;
    if (this.#timer !== null) clearTimeout(this.#timer.id);
    const onDue = () => {
      this.#timer = null;
      this.#drain();
    };
    this.#timer = { id: setTimeout(onDue, Math.max(1, dueMs - nowMs)), dueMs };
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer.id);
  }

  #transmit(packet: Outgoing, probe: number | null): void {
    const { payloadType, timestamp, marker, payload } = packet;
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) & 0xffff;
    this.#history.add(sequence, packet);
    this.transport.count(payload.length);
    this.#write(payload, {
      payloadType,
      sequence,
      timestamp,
      ssrc: this.transport.ssrc,
      marker,
      padding: false,
      transportSequence: this.#nextTransportSequence(),
      capturedAtUnixMs: packet.first ? performance.timeOrigin + packet.capturedAtMs : null,
    }, { probe, media: sequence, nowMs: performance.now() });
  }

  /** RFC 4588: on the RTX stream, with the original sequence number before the payload. */
  #repeat(
    packet: SentPacket,
    sent: { readonly probe: number | null; readonly media: number | null },
  ): void {
    const payload = Buffer.alloc(RTX_HEADER_BYTES + packet.payload.length);
    payload.writeUInt16BE(packet.sequence, 0);
    payload.set(packet.payload, RTX_HEADER_BYTES);
    const { payloadType: of, timestamp, marker } = packet;
    this.#writeRtx(payload, { of, timestamp, marker, ...sent });
  }

  /**
   * Fills a probe: with a large packet once more, for few of them make a rate, or on a slow link
   * with bare padding, which every receiver counts and throws away.
   */
  #pad(bytes: number, probe: number): void {
    const { last, largest } = this.#history;
    if (last === null || largest === null) return;
    if (bytes > MAX_PADDING_BYTES * 2 && largest.payload.length > bytes / 2) {
      this.#repeat(largest, { probe, media: null });
      return;
    }
    const { payloadType: of, timestamp } = last;
    const rtx = { of, timestamp, marker: false, probe, media: null, padding: true };
    for (let left = bytes; left > 0; left -= MAX_PADDING_BYTES + OVERHEAD_BYTES) {
      const payload = Buffer.alloc(MAX_PADDING_BYTES);
      payload[MAX_PADDING_BYTES - 1] = MAX_PADDING_BYTES;
      this.#writeRtx(payload, rtx);
    }
  }

  #writeRtx(
    payload: Buffer,
    packet: {
      /** Payload type of what is repeated. */
      readonly of: number;
      readonly timestamp: number;
      readonly marker: boolean;
      readonly probe: number | null;
      readonly media: number | null;
      readonly padding?: boolean;
    },
  ): void {
    const payloadType = this.#rtxPayloadTypes.get(packet.of);
    if (payloadType === undefined) return;
    const { timestamp, marker, padding = false, probe, media } = packet;
    this.#write(payload, {
      payloadType,
      sequence: this.#rtxSequence,
      timestamp,
      ssrc: this.transport.rtxSsrc,
      marker,
      padding,
      transportSequence: this.#nextTransportSequence(),
      capturedAtUnixMs: null,
    }, { probe, media, nowMs: performance.now() });
    this.#rtxSequence = (this.#rtxSequence + 1) & 0xffff;
  }

  #nextTransportSequence(): number {
    return this.#transportSequence = (this.#transportSequence + 1) & 0xffff;
  }

  #write(
    payload: Uint8Array,
    fields: RtpFields,
    sent: SentKind & { readonly nowMs: number },
  ): void {
    const written = this.#writer.write(fields, payload);
    const { transportSequence } = fields;
    if (sent.media !== null) this.#history.left(sent.media, transportSequence);
    this.#flow.onSent(transportSequence, payload.length + OVERHEAD_BYTES, sent);
    this.transport.send(written);
  }

  #onRtcp(packet: RtcpPacket): void {
    if (this.#closed) return;
    if (packet instanceof RtcpPayloadSpecificFeedback) {
      // werift leaves it out for a kind it does not know.
      const feedback = packet.feedback as typeof packet.feedback | undefined;
      if (feedback === undefined) return;
      const { ssrc } = this.transport;
      if (feedback instanceof ReceiverEstimatedMaxBitrate) {
        this.#flow.onRemb(Number(feedback.bitrate) / BITS_PER_KBIT, performance.now());
        return;
      }
      const pli = feedback instanceof PictureLossIndication;
      const wanted = pli
        ? feedback.mediaSsrc === ssrc
        // FIR names its targets in its entries (RFC 5104 section 4.3.1.1).
        : "fir" in feedback && feedback.fir.some((entry) => entry.ssrc === ssrc);
      if (wanted) this.events.onKeyframeRequest(pli ? "pli" : "fir");
    } else if (packet instanceof RtcpTransportLayerFeedback) {
      const { feedback } = packet;
      if (feedback instanceof GenericNack) this.#onNack(feedback.lost);
    }
  }

  /** What is known to be lost is sent again unasked: a repetition or a NACK gets lost as well. */
  #onFeedback(feedback: TransportFeedback): void {
    if (this.#closed) return;
    const nowMs = performance.now();
    const lost = this.#flow.onFeedback(feedback, nowMs);
    for (const { media, copy } of lost) {
      this.#repair(this.#history.takeLost(media, copy, nowMs), nowMs);
    }
    this.#drain();
  }

  #onNack(lost: readonly number[]): void {
    const nowMs = performance.now();
    for (const sequence of lost) {
      this.#repair(this.#history.take(sequence & 0xffff, nowMs, this.#flow.roundTripMs), nowMs);
    }
    this.#drain();
  }

  #repair(packet: SentPacket | null, nowMs: number): void {
    if (packet === null || !this.ready || !this.#rtxPayloadTypes.has(packet.payloadType)) return;
    const bytes = packet.payload.length + RTX_HEADER_BYTES + OVERHEAD_BYTES;
    this.#flow.addRepair({ packet, bytes }, nowMs);
  }
}
