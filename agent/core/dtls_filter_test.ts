/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import { DtlsFilter } from "./dtls_filter.ts";

let recordSequence = 0;
function record(type: number, epoch: number, body: number[]): number[] {
  recordSequence++;
  return [
    ...[type, 254, 253, 0, epoch, 0, 0, 0, 0, recordSequence >> 8, recordSequence & 255],
    ...[body.length >> 8, body.length & 255, ...body],
  ];
}
/** A fragment of handshake message `message` of `length` bytes. */
const fragment = (type: number, message: number, length: number, start = 0, size = length) => [
  ...[type, 0, 0, length, 0, message, 0, 0, start, 0, 0, size],
  ...Array.from({ length: size }, (_, i) => start + i),
];
const hello1 = () => record(22, 0, fragment(1, 0, 20));
const hello2 = () => record(22, 0, fragment(1, 1, 30));
const certificate = () => record(22, 0, fragment(11, 2, 40));
const keyExchange = () => record(22, 0, fragment(16, 3, 10));
const verify = () => record(22, 0, fragment(15, 4, 10));
const cipher = () => record(20, 0, [1]);
const finished = () => record(22, 1, [7, 7, 7]);
const flight5 = () => [certificate(), keyExchange(), verify(), cipher(), finished()];

/** Names the records that pass. */
function names(pass: Uint8Array): string[] {
  const out: string[] = [];
  for (let at = 0; at < pass.length; at += 13 + (pass[at + 11] << 8 | pass[at + 12])) {
    if (pass[at] === 20) out.push("ccs");
    else if (pass[at] === 22 && pass[at + 4] === 0) out.push(`${pass[at + 13]}#${pass[at + 18]}`);
    else out.push(pass[at] === 22 ? "finished" : String(pass[at]));
  }
  return out;
}
const feed = (filter: DtlsFilter, ...records: number[][]) =>
  names(filter.filter(Uint8Array.from(records.flat())).pass);
const FLIGHT_5 = ["11#2", "16#3", "15#4", "ccs", "finished"];

Deno.test("DtlsFilter: a handshake without loss passes whole", () => {
  const filter = new DtlsFilter();
  assert.deepEqual(feed(filter, hello1()), ["1#0"]);
  assert.deepEqual(feed(filter, hello2()), ["1#1"]);
  assert.deepEqual(feed(filter, ...flight5()), FLIGHT_5);
});

Deno.test("DtlsFilter: a repeated flight passes once", () => {
  const filter = new DtlsFilter();
  feed(filter, hello1());
  feed(filter, hello2());
  assert.deepEqual(feed(filter, hello2()), []);
  feed(filter, ...flight5());
  assert.deepEqual(feed(filter, ...flight5()), []);
});

Deno.test("DtlsFilter: the first ClientHello passes until the second has come", () => {
  const filter = new DtlsFilter();
  assert.deepEqual(feed(filter, hello1()), ["1#0"]);
  assert.deepEqual(feed(filter, hello1()), ["1#0"]);
  assert.deepEqual(feed(filter, hello2()), ["1#1"]);
  assert.deepEqual(feed(filter, hello1()), []);
});

Deno.test("DtlsFilter: what comes before its predecessor waits for the repetition", () => {
  const filter = new DtlsFilter();
  feed(filter, hello1());
  feed(filter, hello2());
  assert.deepEqual(feed(filter, keyExchange(), verify(), cipher(), finished()), []);
  assert.deepEqual(feed(filter, finished()), []);
  assert.deepEqual(feed(filter, certificate()), ["11#2"]);
  assert.deepEqual(feed(filter, ...flight5()), FLIGHT_5.slice(1));
});

Deno.test("DtlsFilter: fragments pass in order, in one record or several", () => {
  const filter = new DtlsFilter();
  const first = record(22, 0, fragment(1, 0, 50, 0, 30));
  const rest = record(22, 0, fragment(1, 0, 50, 30, 20));
  assert.deepEqual(feed(filter, rest), []);
  assert.deepEqual(feed(filter, first), ["1#0"]);
  assert.deepEqual(feed(filter, first), []);
  assert.deepEqual(feed(filter, rest), ["1#0"]);
  // One record with two messages, of which one is known.
  const both = record(22, 0, [...fragment(11, 9, 5), ...fragment(1, 1, 9)]);
  const { pass } = filter.filter(Uint8Array.from(both));
  assert.deepEqual(names(pass), ["1#1"]);
  assert.equal(pass.length, 13 + 12 + 9);
});

Deno.test("DtlsFilter: after the handshake nothing of it passes, and a repetition is answered", () => {
  const filter = new DtlsFilter();
  feed(filter, hello1());
  feed(filter, hello2());
  feed(filter, ...flight5());
  filter.establish();
  const again = filter.filter(Uint8Array.from(flight5().flat()));
  assert.deepEqual([again.pass.length, again.repeatLastFlight], [0, true]);
  const hello = filter.filter(Uint8Array.from(hello1()));
  assert.deepEqual([hello.pass.length, hello.repeatLastFlight], [0, false]);
  assert.deepEqual(feed(filter, record(23, 1, [1, 2])), ["23"]);
  assert.deepEqual(feed(filter, record(21, 1, [1, 2])), ["21"]);
  assert.deepEqual(feed(filter, record(21, 0, [2, 40])), []);
});

Deno.test("DtlsFilter: a client with a certificate signs before it changes the cipher, one without does not", () => {
  const signing = new DtlsFilter();
  for (const record of [hello1(), hello2(), certificate(), keyExchange()]) feed(signing, record);
  assert.deepEqual(feed(signing, cipher()), []);
  assert.deepEqual(feed(signing, verify(), cipher()), ["15#4", "ccs"]);
  const anonymous = new DtlsFilter();
  const empty = record(22, 0, fragment(11, 2, 3));
  for (const sent of [hello1(), hello2(), empty, keyExchange()]) feed(anonymous, sent);
  assert.deepEqual(feed(anonymous, cipher(), finished()), ["ccs", "finished"]);
});

Deno.test("DtlsFilter: application data needs keys", () => {
  assert.deepEqual(feed(new DtlsFilter(), record(23, 0, [1])), []);
});

Deno.test("DtlsFilter: any loss, repetition and order of datagrams gives a prefix of the handshake", () => {
  const all = [hello1(), hello2(), ...flight5()];
  const expected = ["1#1", ...FLIGHT_5];
  fc.assert(
    fc.property(fc.array(fc.nat(all.length - 1), { maxLength: 60 }), (order) => {
      const filter = new DtlsFilter();
      const seen = order.flatMap((i) => feed(filter, all[i])).filter((name) => name !== "1#0");
      assert.deepEqual(seen, expected.slice(0, seen.length));
    }),
    { numRuns: 2_000, examples: [[[0, 1, 2, 3, 5]]] },
  );
});

Deno.test("DtlsFilter: never throws and never grows a datagram", () => {
  const edited = fc.tuple(fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 8 })).map(
    ([edits]) => {
      const data = Uint8Array.from([hello1(), hello2(), ...flight5()].flat());
      for (const [at, value] of edits) data[at % data.length] = value;
      return data;
    },
  );
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), edited), (data) => {
      assert.ok(new DtlsFilter().filter(data).pass.length <= data.length);
    }),
    { numRuns: 2000 },
  );
});
