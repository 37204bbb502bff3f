/// <reference lib="deno.ns" />
import { deepEqual, equal } from "node:assert/strict";
import { encodeDiff } from "@farglass/protocol";
import { DiffUnpacker, type OpenUnpackPort, type Unpacked } from "./diff_unpacker.ts";
import { unpackDiff } from "./unpack_diff.ts";

/** A message whose frame number tells it from others; `side` decides how large it is. */
function message(frame: number, side: number): Uint8Array {
  const size = { width: side, height: side };
  return encodeDiff({
    ...{ frame, part: 0, last: true, capturedAtMs: 1, hash: null, regions: null, stream: 0 },
    ...{ ...size, patches: [{ x: 0, y: 0, ...size }], runs: false, deflated: false },
    body: new Uint8Array(side * side * 4),
  });
}

const SMALL = 4;
const LARGE = 64;
const frameOf = (unpacked: Unpacked) => unpacked.ok ? unpacked.value.frame : unpacked.error.code;

/** A worker that answers when the test says so. */
class Worker {
  readonly asked: Uint8Array[] = [];
  on: Parameters<OpenUnpackPort>[0] | null = null;
  opened = 0;
  closed = 0;
  readonly open: OpenUnpackPort = (on) => {
    this.on = on;
    this.opened++;
    return { post: (bytes) => this.asked.push(bytes), close: () => this.closed++ };
  };

  answer(): void {
    const bytes = this.asked.shift();
    if (bytes !== undefined) this.on?.answer(unpackDiff(bytes));
  }
}

Deno.test("small messages are unpacked at once, large ones by the worker", () => {
  const worker = new Worker();
  const unpacker = new DiffUnpacker(worker.open);
  const done: (number | string)[] = [];
  const take = (frame: number, side: number) =>
    unpacker.unpack(message(frame, side), (unpacked) => done.push(frameOf(unpacked)));
  take(1, SMALL);
  deepEqual([done, worker.opened], [[1], 0]);
  take(2, LARGE);
  deepEqual([done, worker.asked.length], [[1], 1]);
  worker.answer();
  deepEqual(done, [1, 2]);
});

Deno.test("a small message does not overtake a large one", () => {
  const worker = new Worker();
  const unpacker = new DiffUnpacker(worker.open);
  const done: (number | string)[] = [];
  for (const [frame, side] of [[1, LARGE], [2, SMALL], [3, LARGE]]) {
    unpacker.unpack(message(frame, side), (unpacked) => done.push(frameOf(unpacked)));
  }
  deepEqual([done, unpacker.waiting], [[], 3]);
  while (worker.asked.length > 0) worker.answer();
  deepEqual([done, unpacker.waiting, worker.opened], [[1, 2, 3], 0, 1]);
});

Deno.test("what a broken worker has not answered is unpacked here, and it is not asked again", () => {
  const worker = new Worker();
  const unpacker = new DiffUnpacker(worker.open);
  const done: (number | string)[] = [];
  const take = (bytes: Uint8Array) =>
    unpacker.unpack(bytes, (unpacked) => done.push(frameOf(unpacked)));
  for (const frame of [1, 2, 3]) take(message(frame, LARGE));
  worker.answer();
  worker.on?.failed();
  deepEqual([done, worker.closed], [[1, 2, 3], 1]);
  take(message(4, LARGE));
  take(new Uint8Array(8000));
  deepEqual(done, [1, 2, 3, 4, "malformed"]);
  equal(worker.opened, 1);
});
