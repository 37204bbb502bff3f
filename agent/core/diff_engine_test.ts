/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { decodeDiff, type DiffAck, type Rect } from "@farglass/protocol";
import { DiffReceiver } from "../../tests/support/diff_receiver.ts";
import { Screen } from "../../tests/support/diff_screen.ts";
import { DiffEngine } from "./diff_engine.ts";

const deflate = (bytes: Uint8Array) => new Uint8Array(deflateRawSync(bytes, { level: 1 }));

function drain(engine: DiffEngine, screen: Screen, now: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (;;) {
    const message = engine.pull(screen.picture(), now);
    if (message === null) return out;
    out.push(message);
    assert.ok(out.length < 10_000, "endless frame");
  }
}

/** Runs the exchange without loss until nothing is owed. */
function settle(engine: DiffEngine, screen: Screen, canvas: DiffReceiver, from: number): number {
  let now = from;
  for (let i = 0; i < 200; i++) {
    const messages = drain(engine, screen, now);
    for (const message of messages) {
      const ack = canvas.receive(message);
      if (ack !== null) engine.ack(ack, now);
    }
    if (messages.length > 0) continue;
    const due = engine.nextDeadlineMs();
    if (due === null) return now;
    now = Math.max(now, due);
    engine.tick(now);
  }
  throw new Error("Did not settle");
}

const noise = (seed: number) => (x: number, y: number) =>
  Math.imul(x * 73856093 ^ y * 19349663 ^ seed, 0x9e3779b1);

Deno.test("first pull → the whole picture, last flag on its last message", () => {
  const screen = new Screen(200, 100);
  screen.fill({ x: 0, y: 0, width: 200, height: 100 }, () => 0xff336699);
  const engine = new DiffEngine({ deflate });
  const canvas = new DiffReceiver();
  const messages = drain(engine, screen, 0);
  assert.equal(messages.length, 1);
  assert.deepEqual(canvas.receive(messages[0]), { frame: 1, outcome: "painted" });
  assert.deepEqual(canvas.pixels, screen.packed());
});

Deno.test("incompressible first picture → several raw messages, each within the limit", () => {
  const screen = new Screen(640, 360);
  screen.fill({ x: 0, y: 0, width: 640, height: 360 }, noise(1));
  const engine = new DiffEngine({ deflate });
  const canvas = new DiffReceiver();
  // A quick console: once the window has grown, one frame takes many messages.
  let most = 0;
  for (let now = 0, left = 1; left > 0; now++) {
    const messages = drain(engine, screen, now);
    left = messages.length;
    most = Math.max(most, left);
    for (const bytes of messages) {
      const ack = canvas.receive(bytes);
      if (ack !== null) engine.ack(ack, now);
    }
  }
  assert.ok(most > 5, `${most} messages`);
  assert.deepEqual(canvas.pixels, screen.packed());
});

Deno.test("a changed rectangle across tiles → one patch that is exactly its bounds", () => {
  const screen = new Screen(300, 200);
  const engine = new DiffEngine({ deflate });
  const canvas = new DiffReceiver();
  const now = settle(engine, screen, canvas, 0);
  const rect = { x: 50, y: 20, width: 100, height: 10 };
  engine.damage([screen.fill(rect, () => 0x123456)], now);
  const [message] = drain(engine, screen, now);
  const decoded = decodeDiff(message);
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.value.patches, [rect]);
});

Deno.test("damage without a change of colour (only the fourth byte) → nothing is sent", () => {
  const screen = new Screen(64, 64);
  const engine = new DiffEngine({ deflate });
  const now = settle(engine, screen, new DiffReceiver(), 0);
  engine.damage([screen.fill({ x: 0, y: 0, width: 64, height: 64 }, () => 0xab000000)], now);
  assert.deepEqual(drain(engine, screen, now), []);
});

Deno.test("no credit: three frames in flight, then damage accumulates into one", () => {
  const screen = new Screen(128, 128);
  const engine = new DiffEngine({ deflate });
  const sent: Uint8Array[] = [];
  for (let i = 0; i < 10; i++) {
    engine.damage([screen.fill({ x: i * 8, y: 0, width: 8, height: 8 }, () => i + 1)], i);
    sent.push(...drain(engine, screen, i));
  }
  assert.equal(sent.length, 3);
  assert.equal(engine.framesInFlight, 3);
  engine.ack({ frame: 3, outcome: "painted" }, 20);
  const canvas = new DiffReceiver();
  sent.forEach((m) => canvas.receive(m));
  settle(engine, screen, canvas, 20);
  assert.deepEqual(canvas.pixels, screen.packed());
  assert.equal(engine.stats.framesLost, 2);
});

Deno.test("a whole picture proves itself by its hash; painted → proved", () => {
  const screen = new Screen(64, 64);
  const engine = new DiffEngine({ deflate });
  const canvas = new DiffReceiver();
  const [message] = drain(engine, screen, 0);
  const decoded = decodeDiff(message);
  assert.ok(decoded.ok && decoded.value.hash !== null);
  engine.ack(canvas.receive(message)!, 5);
  assert.equal(engine.proved, true);
  assert.equal(engine.nextDeadlineMs(), null);
});

Deno.test("still for 500 ms and everything answered → a frame with the hash, at most one a second", () => {
  const screen = new Screen(64, 64);
  const engine = new DiffEngine({ deflate });
  const canvas = new DiffReceiver();
  settle(engine, screen, canvas, 0);
  const change = (now: number) => {
    engine.damage([screen.fill({ x: 1, y: 1, width: 1, height: 1 }, () => now)], now);
    for (const m of drain(engine, screen, now)) engine.ack(canvas.receive(m)!, now + 5);
  };
  change(2_000);
  assert.equal(engine.proved, false);
  assert.deepEqual(drain(engine, screen, 2_499), []);
  assert.equal(engine.nextDeadlineMs(), 2_500);
  const [message] = drain(engine, screen, 2_500);
  const decoded = decodeDiff(message);
  assert.ok(decoded.ok && decoded.value.hash !== null && decoded.value.patches.length === 0);
  assert.equal(engine.proved, false);
  engine.ack(canvas.receive(message)!, 2_510);
  assert.equal(engine.proved, true);
  assert.deepEqual(drain(engine, screen, 100_000), []);
  change(2_600);
  assert.equal(engine.nextDeadlineMs(), 3_500);
});

Deno.test("mismatch → the whole picture again, with its own proof", () => {
  const screen = new Screen(128, 64);
  const engine = new DiffEngine({ deflate });
  const canvas = new DiffReceiver();
  settle(engine, screen, canvas, 0);
  canvas.pixels[77] = 0x123456;
  engine.damage([screen.fill({ x: 1, y: 1, width: 1, height: 1 }, () => 5)], 1_000);
  for (const m of drain(engine, screen, 1_000)) engine.ack(canvas.receive(m)!, 1_000);
  const [proof] = drain(engine, screen, 1_600);
  const answer = canvas.receive(proof)!;
  assert.equal(answer.outcome, "mismatch");
  engine.ack(answer, 1_610);
  assert.equal(engine.stats.mismatches, 1);
  for (const m of drain(engine, screen, 1_610)) engine.ack(canvas.receive(m)!, 1_620);
  assert.deepEqual(canvas.pixels, screen.packed());
  assert.equal(engine.proved, true);
});

Deno.test("ends that never agree → twelve whole pictures at once, then rarely", () => {
  const screen = new Screen(64, 32);
  const engine = new DiffEngine({ deflate });
  let now = 0;
  let proofs = 0;
  const at: number[] = [];
  while (now < 200_000) {
    for (const message of drain(engine, screen, now)) {
      const decoded = decodeDiff(message);
      assert.ok(decoded.ok);
      const { frame, hash } = decoded.value;
      if (hash !== null) {
        proofs++;
        at.push(now);
      }
      engine.ack({ frame, outcome: hash === null ? "painted" : "mismatch" }, now);
    }
    const due = engine.nextDeadlineMs();
    now = due === null ? now + 1 : Math.max(now + 1, due);
    engine.tick(now);
  }
  assert.ok(proofs > 12 && proofs < 24, `${proofs} proofs`);
  assert.ok(at.at(-1)! - at.at(-2)! >= 60_000);
});

Deno.test("a change that no damage announced is found by the hash", () => {
  const screen = new Screen(128, 64);
  const engine = new DiffEngine({ deflate });
  const canvas = new DiffReceiver();
  const now = settle(engine, screen, canvas, 0);
  screen.fill({ x: 3, y: 3, width: 5, height: 5 }, () => 0xabcdef);
  engine.damage([{ x: 100, y: 40, width: 1, height: 1 }], now);
  settle(engine, screen, canvas, now);
  assert.equal(engine.stats.mismatches, 1);
  assert.deepEqual(canvas.pixels, screen.packed());
});

Deno.test("resize → the whole picture in the new size", () => {
  const screen = new Screen(100, 100);
  const engine = new DiffEngine({ deflate });
  const canvas = new DiffReceiver();
  const now = settle(engine, screen, canvas, 0);
  screen.resize(160, 90);
  engine.damage([screen.fill({ x: 0, y: 0, width: 160, height: 90 }, noise(5))], now);
  settle(engine, screen, canvas, now);
  assert.deepEqual([canvas.width, canvas.height], [160, 90]);
  assert.deepEqual(canvas.pixels, screen.packed());
});

Deno.test("an unanswered frame is lost after the timeout, which doubles from the second on", () => {
  const screen = new Screen(64, 32);
  const engine = new DiffEngine({ deflate });
  assert.equal(drain(engine, screen, 0).length, 1);
  // A few bytes take no time even on a slow link.
  const due = () => Math.floor((engine.nextDeadlineMs() ?? 0) / 10) * 10;
  assert.equal(due(), 5_000);
  engine.tick(5_010);
  assert.equal(engine.stats.framesLost, 1);
  assert.equal(drain(engine, screen, 5_000).length, 1);
  assert.equal(due(), 10_000);
  engine.tick(10_010);
  assert.equal(drain(engine, screen, 10_000).length, 1);
  assert.equal(due(), 20_000);
});

Deno.test("a large frame has the time that a slow link takes for it", () => {
  const screen = new Screen(640, 480);
  const engine = new DiffEngine({ deflate });
  drain(engine, screen, 0);
  engine.ack({ frame: 1, outcome: "painted" }, 20);
  engine.damage([screen.fill({ x: 0, y: 0, width: 640, height: 480 }, noise(5))], 100);
  const bytes = drain(engine, screen, 100).reduce((sum, message) => sum + message.length, 0);
  // 256 kb/s are 32 bytes a ms.
  assert.ok(bytes > 10_000);
  const after = (engine.nextDeadlineMs() ?? 0) - 100;
  assert.ok(after > 750 + 10_000 / 32, `lost after ${after} ms`);
});

Deno.test("once a round trip is known, the timeout follows it", () => {
  const screen = new Screen(64, 32);
  const engine = new DiffEngine({ deflate });
  drain(engine, screen, 0);
  engine.ack({ frame: 1, outcome: "painted" }, 20);
  engine.damage([screen.fill({ x: 0, y: 0, width: 1, height: 1 }, () => 1)], 100);
  drain(engine, screen, 100);
  assert.equal(Math.floor(engine.nextDeadlineMs() ?? 0), 851);
  engine.ack({ frame: 2, outcome: "painted" }, 900);
  engine.damage([screen.fill({ x: 0, y: 0, width: 1, height: 1 }, () => 2)], 1_000);
  drain(engine, screen, 1_000);
  assert.equal(Math.floor(engine.nextDeadlineMs() ?? 0), 1_001 + (20 + 780 * 0.25) * 6);
});

Deno.test("mismatch after an unanswered frame → only that frame's tiles again", () => {
  const screen = new Screen(640, 480);
  screen.fill({ x: 0, y: 0, width: 640, height: 480 }, noise(3));
  const engine = new DiffEngine({ deflate });
  const now = settle(engine, screen, new DiffReceiver(), 0);
  const sent = engine.stats.framesSent;
  engine.damage([screen.fill({ x: 0, y: 0, width: 8, height: 8 }, () => 1)], now);
  assert.equal(drain(engine, screen, now).length, 1);
  engine.damage([screen.fill({ x: 300, y: 300, width: 8, height: 8 }, () => 2)], now);
  assert.equal(drain(engine, screen, now).length, 1);
  engine.ack({ frame: sent + 2, outcome: "mismatch" }, now + 10);
  assert.equal(engine.stats.mismatches, 0);
  assert.equal(engine.stats.framesLost, 1);
  const before = engine.stats.bytesSent;
  drain(engine, screen, now + 20);
  assert.ok(engine.stats.bytesSent - before < 20_000, "one tile, not the picture");
});

Deno.test("skipped → a pause, then small frames that grow with each success", () => {
  const screen = new Screen(640, 480);
  screen.fill({ x: 0, y: 0, width: 640, height: 480 }, noise(9));
  const engine = new DiffEngine({ deflate });
  const canvas = new DiffReceiver();
  engine.pull(screen.picture(), 0);
  engine.ack({ frame: 1, outcome: "skipped" }, 0);
  assert.deepEqual(drain(engine, screen, 10), []);
  assert.equal(engine.nextDeadlineMs(), 50);
  engine.tick(50);
  const sizes: number[] = [];
  let bytes = 0;
  for (let i = 0; i < 100; i++) {
    const message = engine.pull(screen.picture(), 50);
    if (message === null) break;
    bytes += message.length;
    const ack = canvas.receive(message);
    if (ack === null) continue;
    sizes.push(bytes);
    bytes = 0;
    engine.ack(ack, 50);
  }
  assert.ok(sizes[0] < 200 * 1024 && sizes[1] > sizes[0], JSON.stringify(sizes));
  settle(engine, screen, canvas, 60);
  assert.deepEqual(canvas.pixels, screen.packed());
});

Deno.test("reset while frames are in flight: their answers are ignored", () => {
  const screen = new Screen(64, 64);
  const engine = new DiffEngine({ deflate });
  drain(engine, screen, 0);
  engine.reset(1);
  engine.ack({ frame: 1, outcome: "painted" }, 2);
  const canvas = new DiffReceiver();
  settle(engine, screen, canvas, 2);
  assert.deepEqual(canvas.pixels, screen.packed());
});

type Step =
  | { readonly do: "draw"; readonly rect: Rect; readonly seed: number; readonly flat: boolean }
  | { readonly do: "pull"; readonly most: number }
  | { readonly do: "deliver"; readonly fate: "arrive" | "drop" | "skip" }
  | { readonly do: "answer"; readonly newestFirst: boolean }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "resize"; readonly width: number; readonly height: number };

const stepArb: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("draw" as const),
      rect: fc.record({
        x: fc.integer({ min: 0, max: 149 }),
        y: fc.integer({ min: 0, max: 99 }),
        width: fc.integer({ min: 1, max: 150 }),
        height: fc.integer({ min: 1, max: 100 }),
      }),
      seed: fc.integer(),
      flat: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("pull" as const),
      most: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("deliver" as const),
      fate: fc.constantFrom("arrive" as const, "arrive" as const, "drop" as const, "skip" as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("answer" as const), newestFirst: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.integer({ min: 1, max: 6_000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("resize" as const),
      width: fc.integer({ min: 1, max: 150 }),
      height: fc.integer({ min: 1, max: 100 }),
    }),
  },
);

Deno.test("property: random drawing, drops, skips and reordered answers → the canvas equals the screen", () => {
  fc.assert(
    fc.property(fc.array(stepArb, { minLength: 5, maxLength: 80 }), (steps) => {
      const screen = new Screen(150, 100);
      const engine = new DiffEngine({ deflate });
      const canvas = new DiffReceiver();
      const wire: Uint8Array[] = [];
      const answers: DiffAck[] = [];
      let now = 0;
      for (const step of steps) {
        now++;
        switch (step.do) {
          case "draw": {
            const { rect } = step;
            if (rect.x >= screen.width || rect.y >= screen.height) break;
            const clipped = {
              ...rect,
              width: Math.min(rect.width, screen.width - rect.x),
              height: Math.min(rect.height, screen.height - rect.y),
            };
            const colour = step.flat ? () => step.seed : noise(step.seed);
            engine.damage([screen.fill(clipped, colour)], now);
            break;
          }
          case "pull":
            for (let i = 0; i < step.most; i++) {
              const message = engine.pull(screen.picture(), now);
              if (message !== null) wire.push(message);
            }
            break;
          case "deliver": {
            const message = wire.shift();
            if (message === undefined) break;
            const decoded = decodeDiff(message);
            assert.ok(decoded.ok);
            if (step.fate === "arrive") {
              const answer = canvas.receive(message);
              if (answer !== null) answers.push(answer);
            } else if (step.fate === "skip") {
              answers.push({ frame: decoded.value.frame, outcome: "skipped" });
              // A relay skips the rest of the frame, too: half a frame is never confirmed.
              for (let i = wire.length - 1; i >= 0; i--) {
                const other = decodeDiff(wire[i]);
                if (other.ok && other.value.frame === decoded.value.frame) wire.splice(i, 1);
              }
            }
            break;
          }
          case "answer": {
            const answer = step.newestFirst ? answers.pop() : answers.shift();
            if (answer !== undefined) engine.ack(answer, now);
            break;
          }
          case "wait":
            now += step.ms;
            engine.tick(now);
            break;
          case "resize":
            screen.resize(step.width, step.height);
            engine.damage(
              [screen.fill({ x: 0, y: 0, width: step.width, height: step.height }, () => now)],
              now,
            );
            break;
        }
        // Three, and one for each picture that a display shows in a round trip.
        assert.ok(engine.framesInFlight <= 3 + (engine.flow.rttMs ?? 0) / 17);
      }
      for (const message of wire) {
        const answer = canvas.receive(message);
        if (answer !== null) answers.push(answer);
      }
      for (const answer of answers) engine.ack(answer, now);
      settle(engine, screen, canvas, now + 60_000);
      assert.deepEqual(canvas.pixels, screen.packed());
      assert.equal(engine.proved, true);
    }),
    { numRuns: 150 },
  );
});
