/** What leaves for one viewer, packet by packet: formats, numbers and repetitions. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { GenericNack, RtcpTransportLayerFeedback, RtpHeader } from "werift";
import type { VideoCodec } from "@farglass/protocol";
import type { VideoFormat } from "../../core/offer_sdp.ts";
import type { EncodedFrame } from "../../core/ports.ts";
import type { TransportFeedback } from "../../core/link_meter.ts";
import { EXTENSION_URI } from "../../core/rtp_extensions.ts";
import { payloadsOf } from "../../core/rtp_payloads.ts";
import { within } from "../../../tests/support/process.ts";
import { type RtcpPacket, type RtpTransport, videoLimits, VideoSender } from "./video_sender.ts";

const SSRC = 1_111;
const RTX_SSRC = 2_222;
const FORMATS: readonly VideoFormat[] = [
  { codec: "av1", payloadType: 45, rtxPayloadType: 46, format: null },
  { codec: "h264", payloadType: 108, rtxPayloadType: 109, format: null },
  { codec: "vp8", payloadType: 96, rtxPayloadType: 97, format: null },
];

interface Sent {
  readonly header: RtpHeader;
  readonly payload: Buffer;
}

/** Takes every packet, and says what a receiver would. */
class Wire implements RtpTransport {
  readonly ready = true;
  readonly ssrc = SSRC;
  readonly rtxSsrc = RTX_SSRC;
  readonly extensionIds: ReadonlyMap<string, number>;
  readonly sent: Sent[] = [];
  #listener: (packet: RtcpPacket) => void = () => {};
  #feedback: (feedback: TransportFeedback) => void = () => {};
  #onSent: () => void = () => {};

  /** `reports`: of transport-wide congestion control. */
  constructor(reports = false) {
    this.extensionIds = new Map(reports ? [[EXTENSION_URI.transportWideCc, 5]] : []);
  }

  send({ packet, headerBytes }: Parameters<RtpTransport["send"]>[0]): void {
    const bytes = Buffer.from(packet);
    this.sent.push({
      header: RtpHeader.deSerialize(bytes),
      payload: bytes.subarray(headerBytes),
    });
    this.#onSent();
  }
  count(): void {}
  reportSoon(): void {}
  onRtcp(listener: (packet: RtcpPacket) => void): void {
    this.#listener = listener;
  }
  onFeedback(listener: (feedback: TransportFeedback) => void): void {
    this.#feedback = listener;
  }

  /** All packets so far arrived now. */
  reportAll(): void {
    const nowMs = performance.now();
    this.#feedback({ base: 1, receivedAtMs: this.sent.map((_, i) => nowMs + i / 10) });
  }
  /** So many bytes more came. */
  async more(bytes: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const from = this.sent.length;
    this.#onSent = () => {
      const sum = this.sent.slice(from).reduce((total, { payload }) => total + payload.length, 0);
      if (sum >= bytes) resolve();
    };
    await within(`${bytes} bytes more`, 700, promise);
  }

  /** Sequence numbers of the media stream that did not come (RFC 4585 section 6.2.1). */
  nack(...lost: number[]): void {
    const feedback = new GenericNack({ senderSsrc: 1, mediaSourceSsrc: SSRC, lost });
    this.#listener(new RtcpTransportLayerFeedback({ feedback }));
  }
  take(): Sent[] {
    return this.sent.splice(0);
  }
}

function start(formats: readonly VideoFormat[] = FORMATS, reports = false) {
  const wire = new Wire(reports);
  const asked: string[] = [];
  const sender = new VideoSender(wire, { mid: "0", formats }, videoLimits({}), {
    onKeyframeRequest: (reason) => asked.push(reason),
    onVideoTarget() {},
  });
  sender.start();
  return { wire, asked, sender, [Symbol.dispose]: () => sender.close() };
}

/** The smallest unit that each packetiser takes: a temporal unit's frame, a slice, a frame. */
const UNITS: Readonly<Record<VideoCodec, Uint8Array>> = {
  av1: Uint8Array.of(0x32, 0x03, 0x10, 0x20, 0x30),
  h264: Uint8Array.of(0x65, 1, 2, 3),
  h265: Uint8Array.of(0x26, 0x01, 1, 2),
  vp8: Uint8Array.of(0x50, 1, 2, 3, 4, 5, 6, 7, 8, 9),
};

const picture = (codec: VideoCodec, keyframe = true): EncodedFrame => ({
  codec,
  units: [UNITS[codec]],
  keyframe,
  capturedAtMs: performance.now(),
});

Deno.test("VideoSender: the payload type follows each picture's codec, and so does its packetiser", () => {
  using world = start();
  const { wire, sender } = world;
  assert.deepEqual(sender.codecs, ["av1", "h264", "vp8"]);
  for (const [codec, payloadType] of [["av1", 45], ["h264", 108], ["vp8", 96]] as const) {
    const frame = picture(codec);
    assert.ok(sender.send(frame) > 0);
    const [{ header, payload }, ...others] = wire.take();
    assert.equal(others.length, 0);
    assert.equal(header.payloadType, payloadType);
    const [cut] = payloadsOf(frame);
    // VP8's descriptor bears the viewer's own picture number (RFC 7741 section 4.2).
    const from = codec === "vp8" ? 4 : 0;
    assert.deepEqual([...payload.subarray(from)], [...cut.payload.subarray(from)]);
  }
});

Deno.test("VideoSender: sequence numbers, SSRC and clock go on from one codec to the next", () => {
  using world = start();
  const { wire, sender } = world;
  for (const codec of ["av1", "av1", "h264", "vp8", "av1"] as const) sender.send(picture(codec));
  const headers = wire.take().map(({ header }) => header);
  assert.deepEqual(headers.map(({ payloadType }) => payloadType), [45, 45, 108, 96, 45]);
  assert.deepEqual(new Set(headers.map(({ ssrc }) => ssrc)), new Set([SSRC]));
  headers.slice(1).forEach(({ sequenceNumber, timestamp }, i) => {
    assert.equal(sequenceNumber, (headers[i].sequenceNumber + 1) & 0xffff);
    // A few ms at 90 kHz.
    assert.ok(((timestamp - headers[i].timestamp) >>> 0) < 90_000);
  });
});

Deno.test("VideoSender: what is asked for again comes by the RTX format of its own codec", () => {
  using world = start();
  const { wire, sender } = world;
  for (const [codec, rtx] of [["av1", 46], ["h264", 109], ["vp8", 97]] as const) {
    sender.send(picture(codec));
    const [sent] = wire.take();
    wire.nack(sent.header.sequenceNumber);
    const [again, ...others] = wire.take();
    assert.equal(others.length, 0);
    assert.deepEqual([again.header.payloadType, again.header.ssrc], [rtx, RTX_SSRC]);
    assert.equal(again.payload.readUInt16BE(0), sent.header.sequenceNumber);
    assert.deepEqual(again.payload.subarray(2), sent.payload);
  }
});

Deno.test("VideoSender: a codec without RTX is not repeated, the others are", () => {
  using world = start([FORMATS[0], { ...FORMATS[1], rtxPayloadType: null }]);
  const { wire, sender } = world;
  for (const [codec, repeated] of [["av1", 1], ["h264", 0]] as const) {
    sender.send(picture(codec));
    const [{ header }] = wire.take();
    wire.nack(header.sequenceNumber);
    assert.equal(wire.take().length, repeated);
  }
});

Deno.test("VideoSender: after a keyframe of another codec the history goes on, without what is no use", () => {
  using world = start();
  const { wire, sender } = world;
  sender.send(picture("av1"));
  sender.send(picture("av1", false));
  sender.send(picture("h264"));
  sender.send(picture("h264", false));
  const numbers = wire.take().map(({ header }) => header.sequenceNumber);
  wire.nack(...numbers);
  assert.deepEqual(
    wire.take().map(({ header, payload }) => [header.payloadType, payload.readUInt16BE(0)]),
    [[109, numbers[2]], [109, numbers[3]]],
  );
});

Deno.test("VideoSender: a picture of a codec that was not agreed on goes nowhere", () => {
  using world = start(FORMATS.slice(1));
  assert.equal(world.sender.send(picture("av1")), 0);
  assert.equal(world.sender.send(picture("h265")), 0);
  assert.deepEqual(world.wire.sent, []);
});

for (const [what, bytes] of [["a large packet", 4_000], ["bare padding", 100]] as const) {
  Deno.test(`VideoSender: a probe has its bytes after a small picture, by ${what}`, async () => {
    using world = start(FORMATS, true);
    const { wire, sender } = world;
    const slice = new Uint8Array(bytes).fill(1);
    slice[0] = 0x65;
    sender.send({ ...picture("h264"), units: [slice] });
    sender.send(picture("h264", false));
    // The first probe: 15 ms at twice what it begins with (congestion.ts), headers included. Within
    // 0.8 s, for then nothing was reported for so long that the path counts as gone.
    const probe = wire.more(0.7 * 15 * 4_000 / 8);
    wire.reportAll();
    await probe;
  });
}
