/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import {
  authCommand,
  COMMAND,
  CONTROL_CHANNEL,
  HEADER_BYTES,
  PulseFormatError,
  PulseReader,
  PulseWriter,
  readDefaultSink,
  readLatencyMs,
  readRecordStream,
  recordCommand,
} from "./pulse_wire.ts";

const bodyOf = (packet: Uint8Array) => packet.subarray(HEADER_BYTES);
const ascii = (text: string) => [...text].map((char) => char.charCodeAt(0));

Deno.test("a packet says its length and that it is a command", () => {
  const packet = authCommand(7, Uint8Array.of(1, 2, 3));
  const view = new DataView(packet.buffer);
  assert.equal(view.getUint32(0), packet.length - HEADER_BYTES);
  assert.equal(view.getUint32(4), CONTROL_CHANNEL);
  assert.deepEqual([...bodyOf(packet)], [
    ...[...ascii("L"), 0, 0, 0, COMMAND.auth],
    ...[...ascii("L"), 0, 0, 0, 7],
    ...[...ascii("L"), 0, 0, 0, 15],
    ...[...ascii("x"), 0, 0, 0, 3, 1, 2, 3],
  ]);
});

Deno.test("the monitor's stream cannot be moved, and keeps no device awake", () => {
  const body = bodyOf(recordCommand(1, { rateHz: 48_000, fragmentBytes: 1920, name: "x" }));
  const reader = new PulseReader(body);
  assert.equal(reader.u32(), COMMAND.createRecordStream);
  reader.u32();
  reader.sampleSpec();
  reader.channelMap();
  reader.u32();
  assert.equal(reader.text(), "@DEFAULT_MONITOR@");
  reader.u32();
  assert.equal(reader.flag(), false, "corked");
  assert.equal(reader.u32(), 1920);
  const flags = Array.from({ length: 7 }, () => reader.flag());
  assert.deepEqual(flags, [false, false, false, false, false, true, false], "no move");
  // At the end: early requests, does not inhibit auto-suspend, fails while suspended.
  assert.equal(String.fromCharCode(...body.slice(-3)), "010");
});

Deno.test("replies are read in their order", () => {
  const stream = new PulseWriter(COMMAND.reply, 1).u32(4).u32(9).u32(1).u32(2).sampleSpec(48_000)
    .u32(3).text("one.monitor").flag(true).packet();
  const reader = new PulseReader(bodyOf(stream).subarray(10));
  assert.deepEqual(readRecordStream(reader), { index: 4, source: "one.monitor", suspended: true });
  const info = new PulseWriter(COMMAND.reply, 1).text("a").text("b").text("c").text("d");
  // A sample specification without the channel map that the writer adds.
  const spec = [...ascii("a"), 3, 2, 0, 0, 0xbb, 0x80];
  const bytes = [...bodyOf(info.packet()).subarray(10), ...spec, ...ascii("tone\0")];
  assert.equal(readDefaultSink(new PulseReader(Uint8Array.from(bytes))), "one");
  const latency = new Uint8Array(18);
  latency.set(ascii("U"), 0);
  latency.set(ascii("U"), 9);
  new DataView(latency.buffer).setBigUint64(1, 12_000n);
  new DataView(latency.buffer).setBigUint64(10, 2_500n);
  assert.equal(readLatencyMs(new PulseReader(latency)), -9.5);
});

Deno.test("whatever else comes is a format error, and never read beyond its end", () => {
  const reads: readonly ((reader: PulseReader) => unknown)[] = [
    (reader) => reader.u32(),
    (reader) => reader.flag(),
    (reader) => reader.text(),
    (reader) => reader.sampleSpec(),
    (reader) => reader.channelMap(),
    (reader) => reader.microseconds(),
    (reader) => reader.time(),
    readRecordStream,
    readDefaultSink,
    readLatencyMs,
  ];
  for (const bytes of [[], [0], ascii("L"), ascii("tabc"), ascii("a\0"), [...ascii("m"), 200, 1]]) {
    for (const read of reads) {
      assert.throws(() => read(new PulseReader(Uint8Array.from(bytes))), PulseFormatError);
    }
  }
});
