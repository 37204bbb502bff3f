/// <reference lib="deno.ns" />
/** werift's parser is the judge of the bytes. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { RtpPacket } from "werift";
import { EXTENSION_URI } from "./rtp_extensions.ts";
import { type RtpFields, RtpPacketWriter } from "./rtp_packet.ts";

const FIELDS: RtpFields = {
  payloadType: 108,
  sequence: 0xabcd,
  timestamp: 0xfedcba98,
  ssrc: 0x89abcdef,
  marker: true,
  padding: false,
  transportSequence: 0x1234,
  capturedAtUnixMs: null,
};
const PAYLOAD = Uint8Array.from({ length: 40 }, (_, i) => i);
const { mid, playoutDelay, transportWideCc, absCaptureTime } = EXTENSION_URI;
/** Chromium's numbers, in another order than ours. */
const IDS = new Map([[transportWideCc, 4], [playoutDelay, 5], [mid, 9], [absCaptureTime, 2]]);

const parse = (fields: RtpFields, ids: ReadonlyMap<string, number> = IDS) => {
  const { packet, headerBytes } = new RtpPacketWriter(ids, "0").write(fields, PAYLOAD);
  assert.deepEqual(packet.subarray(headerBytes), PAYLOAD);
  const { header, payload } = RtpPacket.deSerialize(Buffer.from(packet));
  assert.deepEqual(new Uint8Array(payload), PAYLOAD);
  const extensions = header.extensions.map(({ id, payload }) => `${id} ${payload.toString("hex")}`);
  return { header, extensions };
};

Deno.test("RtpPacketWriter: fixed fields and extensions by id", () => {
  const { header, extensions } = parse(FIELDS);
  const { payloadType, sequenceNumber, timestamp, ssrc, marker, padding, version } = header;
  assert.deepEqual(
    { payloadType, sequenceNumber, timestamp, ssrc, marker, padding, version },
    {
      payloadType: 108,
      sequenceNumber: 0xabcd,
      timestamp: 0xfedcba98,
      ssrc: 0x89abcdef,
      marker: true,
      padding: false,
      version: 2,
    },
  );
  assert.deepEqual(extensions, ["4 1234", "5 000000", "9 30"]);
});

Deno.test("RtpPacketWriter: a capture time, no marker", () => {
  const { header, extensions } = parse({ ...FIELDS, marker: false, capturedAtUnixMs: 500 });
  assert.equal(header.marker, false);
  assert.deepEqual(extensions, ["2 83aa7e8080000000", "4 1234", "5 000000", "9 30"]);
});

Deno.test("RtpPacketWriter: without extensions the header has twelve bytes", () => {
  const { header, extensions } = parse({ ...FIELDS, capturedAtUnixMs: 500 }, new Map());
  assert.equal(header.extension, false);
  assert.deepEqual(extensions, []);
  const { headerBytes } = new RtpPacketWriter(new Map(), "0").write(FIELDS, PAYLOAD);
  assert.equal(headerBytes, 12);
});

Deno.test("RtpPacketWriter: padding is said in the first byte", () => {
  const { packet } = new RtpPacketWriter(IDS, "0").write({ ...FIELDS, padding: true }, PAYLOAD);
  assert.equal(packet[0], 0xb0);
});

const packets = fc.record({
  payloadType: fc.nat(127),
  sequence: fc.nat(0xffff),
  timestamp: fc.nat(0xffffffff),
  ssrc: fc.nat(0xffffffff),
  marker: fc.boolean(),
  padding: fc.boolean(),
  transportSequence: fc.nat(0xffff),
  capturedAtUnixMs: fc.option(fc.nat(2 ** 31)),
  payload: fc.uint8Array({ minLength: 1, maxLength: 4 }),
  /** Repeated to be longer than the usual buffer at times. */
  times: fc.constantFrom(1, 300, 600),
});

Deno.test("RtpPacketWriter: nothing of a packet is left in the next one, whatever its kind and length", () => {
  fc.assert(fc.property(fc.array(packets, { maxLength: 12 }), (list) => {
    const writer = new RtpPacketWriter(IDS, "0");
    for (const { payload, times, ...fields } of list) {
      const long = new Uint8Array(payload.length * times).map((_, i) =>
        payload[i % payload.length]
      );
      const { packet, headerBytes } = writer.write(fields, long);
      const alone = new RtpPacketWriter(IDS, "0").write(fields, long);
      assert.deepEqual(packet, alone.packet);
      assert.equal(headerBytes, alone.headerBytes);
    }
  }));
});
