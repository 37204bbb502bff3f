/**
 * Sends encoded pictures as RTP (RFC 3550, RFC 6184) through a peer's SRTP. It stands in for
 * werift's own sending, which copies each packet and keeps too few of them to answer a NACK.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import {
  GenericNack,
  ntpTime,
  PictureLossIndication,
  type RtcpPacketConverter,
  RtcpPayloadSpecificFeedback,
  RtcpTransportLayerFeedback,
  RtpHeader,
} from "werift";
import { packetize } from "../../core/h264_packetizer.ts";
import type { VideoChoice } from "../../core/offer_sdp.ts";
import type { EncodedFrame } from "../../core/ports.ts";
import {
  absCaptureTime,
  EXTENSION_URI,
  mid,
  playoutDelay,
  rtpTimestamp,
  transportWideCc,
} from "../../core/rtp_extensions.ts";
import { RtpHistory, type SentPacket } from "../../core/rtp_history.ts";
import { newPacer, PACER_STEP_MS, release } from "../../core/rtp_pacer.ts";

export type RtcpPacket = ReturnType<typeof RtcpPacketConverter.deSerialize>[number];

/** What a packet adds to the sender reports (RFC 3550 section 6.4.1). */
export interface SentCounts {
  readonly ntpTimestamp: bigint;
  readonly rtpTimestamp: number;
  readonly payloadBytes: number;
}

/** SRTP of one video section. */
export interface RtpTransport {
  /** Whether packets can be sent now. */
  readonly ready: boolean;
  readonly ssrc: number;
  readonly rtxSsrc: number;
  /** Ids of the negotiated header extensions, by URI (RFC 8285). */
  readonly extensionIds: ReadonlyMap<string, number>;
  send(payload: Buffer, header: RtpHeader): void;
  /** A packet of the media stream is being sent. */
  count(sent: SentCounts): void;
  /** A picture has been queued: reports are worth sending. */
  reportSoon(): void;
  onRtcp(listener: (packet: RtcpPacket) => void): void;
}

/**
 * 1200 bytes with the RTP header (12), its extensions (at most 28) and room for RTX (2): with
 * SRTP, TURN, UDP and IPv6 around it, it passes a path of 1280 bytes.
 */
const PAYLOAD_BYTES = 1150;
/** A keyframe at the encoder's largest rate fits twice; more waiting means nothing leaves. */
const MAX_QUEUED_PACKETS = 1500;

interface Queued extends SentPacket {
  readonly capturedAtMs: number;
  readonly first: boolean;
}

export class VideoSender {
  /** RTP sequence and timestamp start at random values (RFC 3550 section 5.1). */
  #sequence = randomBytes(2).readUInt16BE();
  #rtxSequence = randomBytes(2).readUInt16BE();
  /** Of transport-wide congestion control; media and repair share it. */
  #transportSequence = 0;
  readonly #timestampStart = randomBytes(4).readUInt32BE();
  readonly #history = new RtpHistory();
  readonly #queue: Queued[] = [];
  #pacer = newPacer(performance.now());
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    private readonly transport: RtpTransport,
    private readonly choice: VideoChoice,
    private readonly onKeyframeRequest: (reason: "pli" | "fir" | "skipped") => void,
  ) {
    transport.onRtcp((packet) => this.#onRtcp(packet));
  }

  get ready(): boolean {
    return !this.#closed && this.transport.ready;
  }

  /** The RTP time of a picture captured then. */
  timeOf(capturedAtMs: number): number {
    return rtpTimestamp(capturedAtMs, this.#timestampStart);
  }

  /** Queues one picture and sends what the pacer allows; returns its bytes with RTP headers. */
  send(frame: EncodedFrame): number {
    if (!this.ready) return 0;
    const payloads = packetize(frame.nals, PAYLOAD_BYTES);
    if (this.#queue.length + payloads.length > MAX_QUEUED_PACKETS) {
      // A part of a picture is worth nothing: start again with a keyframe.
      this.#queue.length = 0;
      this.onKeyframeRequest("skipped");
      return 0;
    }
    const timestamp = this.timeOf(frame.capturedAtMs);
    let bytes = 0;
    payloads.forEach(({ payload, marker }, i) => {
      const { capturedAtMs } = frame;
      const sequence = this.#sequence;
      this.#queue.push({ sequence, timestamp, marker, payload, capturedAtMs, first: i === 0 });
      this.#sequence = (this.#sequence + 1) & 0xffff;
      bytes += payload.length + 12;
    });
    this.#drain();
    this.transport.reportSoon();
    return bytes;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  #drain(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.ready) {
      this.#queue.length = 0;
      return;
    }
    const [pacer, count] = release(this.#pacer, this.#queue.length, performance.now());
    this.#pacer = pacer;
    for (const packet of this.#queue.splice(0, count)) this.#transmit(packet);
    if (this.#queue.length > 0) this.#timer = setTimeout(() => this.#drain(), PACER_STEP_MS);
  }

  #transmit(packet: Queued): void {
    const { transport } = this;
    const extensions = this.#extensions();
    const captureId = transport.extensionIds.get(EXTENSION_URI.absCaptureTime);
    if (packet.first && captureId !== undefined) {
      const unixMs = performance.timeOrigin + packet.capturedAtMs;
      extensions.push({ id: captureId, payload: Buffer.from(absCaptureTime(unixMs)) });
    }
    const header = new RtpHeader({
      payloadType: this.choice.payloadType,
      sequenceNumber: packet.sequence,
      timestamp: packet.timestamp,
      marker: packet.marker,
      ssrc: transport.ssrc,
      extension: extensions.length > 0,
      extensions,
    });
    this.#history.add(packet);
    transport.count({
      ntpTimestamp: ntpTime(),
      rtpTimestamp: packet.timestamp,
      payloadBytes: packet.payload.length,
    });
    transport.send(asBuffer(packet.payload), header);
  }

  /** Extensions of every packet. The order is by id, as some parsers expect. */
  #extensions(): { id: number; payload: Buffer }[] {
    const ids = this.transport.extensionIds;
    const list: { id: number; payload: Buffer }[] = [];
    const add = (uri: string, payload: () => Uint8Array) => {
      const id = ids.get(uri);
      if (id !== undefined) list.push({ id, payload: asBuffer(payload()) });
    };
    add(EXTENSION_URI.mid, () => mid(this.choice.mid));
    add(EXTENSION_URI.playoutDelay, () => playoutDelay(0, 0));
    add(EXTENSION_URI.transportWideCc, () => {
      this.#transportSequence = (this.#transportSequence + 1) & 0xffff;
      return transportWideCc(this.#transportSequence);
    });
    return list.sort((a, b) => a.id - b.id);
  }

  #onRtcp(packet: RtcpPacket): void {
    if (this.#closed) return;
    if (packet instanceof RtcpPayloadSpecificFeedback) {
      // werift leaves it out for a kind it does not know.
      const feedback = packet.feedback as typeof packet.feedback | undefined;
      if (feedback === undefined) return;
      const { ssrc } = this.transport;
      const pli = feedback instanceof PictureLossIndication;
      const wanted = pli
        ? feedback.mediaSsrc === ssrc
        // FIR names its targets in its entries (RFC 5104 section 4.3.1.1).
        : "fir" in feedback && feedback.fir.some((entry) => entry.ssrc === ssrc);
      if (wanted) this.onKeyframeRequest(pli ? "pli" : "fir");
    } else if (packet instanceof RtcpTransportLayerFeedback) {
      const { feedback } = packet;
      if (feedback instanceof GenericNack) this.#onNack(feedback.lost);
    }
  }

  /** RFC 4588: sent again on the RTX stream, with the original sequence number before the payload. */
  #onNack(lost: readonly number[]): void {
    const { rtxPayloadType } = this.choice;
    if (rtxPayloadType === null || !this.ready) return;
    const nowMs = performance.now();
    for (const sequence of lost) {
      const packet = this.#history.take(sequence & 0xffff, nowMs);
      if (packet === null) continue;
      const payload = Buffer.alloc(2 + packet.payload.length);
      payload.writeUInt16BE(packet.sequence, 0);
      payload.set(packet.payload, 2);
      const extensions = this.#extensions();
      const header = new RtpHeader({
        payloadType: rtxPayloadType,
        sequenceNumber: this.#rtxSequence,
        timestamp: packet.timestamp,
        marker: packet.marker,
        ssrc: this.transport.rtxSsrc,
        extension: extensions.length > 0,
        extensions,
      });
      this.#rtxSequence = (this.#rtxSequence + 1) & 0xffff;
      this.transport.send(payload, header);
    }
  }
}

/** A Buffer over the same bytes. */
const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
