/// <reference lib="deno.ns" />
/** What leaves first when the link carries less than the screen changes. */
import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import { decodeDiff, type Rect } from "@farglass/protocol";
import { DiffReceiver } from "../../tests/support/diff_receiver.ts";
import { Screen } from "../../tests/support/diff_screen.ts";
import { LinkModel } from "../../tests/support/link_model.ts";
import { seededRandom } from "../../tests/support/random.ts";
import { DiffEngine } from "./diff_engine.ts";

const SEED = 3;
const KEY: Rect = { x: 0, y: 600, width: 8, height: 13 };
const deflate = (bytes: Uint8Array) => new Uint8Array(deflateRawSync(bytes, { level: 1 }));

/** Engine, link and console, a ms at a time. */
class Narrow {
  readonly screen = new Screen(1280, 720);
  readonly engine = new DiffEngine({ deflate });
  readonly console = new DiffReceiver();
  readonly #down: LinkModel<Uint8Array>;
  readonly #up = new LinkModel<() => void>(SEED);
  now = 0;
  onArrival: (patches: readonly Rect[]) => void = () => {};

  constructor(kbps: number) {
    this.#down = new LinkModel(SEED, { kbps, delayMs: 20, queueMs: 60_000 });
    this.#up.set({ delayMs: 20 }, 0);
  }

  run(forMs: number, each: () => void): void {
    for (const end = this.now + forMs; this.now < end; this.now++) {
      each();
      for (const acknowledge of this.#up.pull(this.now)) acknowledge();
      this.engine.tick(this.now);
      for (let i = 0; i < 100; i++) {
        const message = this.engine.pull(this.screen.picture(), this.now);
        if (message === null) break;
        this.#down.push(message, message.length + 60, this.now);
      }
      for (const message of this.#down.pull(this.now)) this.#arrive(message);
    }
  }

  #arrive(message: Uint8Array): void {
    const decoded = decodeDiff(message);
    assert.ok(decoded.ok);
    const ack = this.console.receive(message);
    this.onArrival(decoded.value.patches);
    if (ack !== null) this.#up.push(() => this.engine.ack(ack, this.now), 60, this.now);
  }
}

/** Types ten keys a second while something else takes the link; returns how long each took, in ms. */
function typeBeside(link: Narrow, other: () => void): number[] {
  const waiting: { readonly x: number; readonly sinceMs: number }[] = [];
  const trips: number[] = [];
  link.onArrival = (patches) => {
    for (const key of [...waiting]) {
      const covers = patches.some((p) =>
        p.x <= key.x && key.x + KEY.width <= p.x + p.width && p.y <= KEY.y &&
        KEY.y + KEY.height <= p.y + p.height
      );
      if (!covers) continue;
      waiting.splice(waiting.indexOf(key), 1);
      trips.push(link.now - key.sinceMs);
    }
  };
  let typed = 0;
  link.run(6_000, () => {
    other();
    if (link.now % 100 !== 0 || typed === 50) return;
    const x = typed++ * KEY.width;
    link.engine.damage([link.screen.fill({ ...KEY, x }, () => 0xffffff)], link.now);
    waiting.push({ x, sinceMs: link.now });
  });
  assert.deepEqual(waiting, [], "every key arrived");
  return trips.sort((a, b) => a - b);
}

/** After the first picture, and a second of the other, so that the flow knows its link. */
function settled(other: (link: Narrow) => void): Narrow {
  const link = new Narrow(1_000);
  link.run(1_000, () => {});
  link.run(1_000, () => other(link));
  return link;
}

const random = seededRandom(SEED);
const noise = () => Math.floor(random() * 0x1000000);

Deno.test("a film takes the link: typing overtakes it", () => {
  const film: Rect = { x: 320, y: 100, width: 640, height: 352 };
  const play = (link: Narrow) => {
    if (link.now % 33 === 0) link.engine.damage([link.screen.fill(film, noise)], link.now);
  };
  const link = settled(play);
  const trips = typeBeside(link, () => play(link));
  assert.ok(trips[25] < 200 && trips[47] < 300, trips.join());
});

Deno.test("a picture is being sent: typing below it overtakes it", () => {
  const photo: Rect = { x: 0, y: 0, width: 1280, height: 512 };
  const link = settled(() => {});
  link.engine.damage([link.screen.fill(photo, noise)], link.now);
  link.run(200, () => {});
  const trips = typeBeside(link, () => {});
  assert.ok(trips[25] < 200 && trips[47] < 300, trips.join());
});

Deno.test("more small changes than the link carries, everywhere: every place has its turn", () => {
  const link = settled(() => {});
  const places = Array.from({ length: 300 }, (_, i) => ({
    ...{ x: (i % 10) * 128, y: Math.floor(i / 10) * 24, width: 48, height: 20 },
  }));
  const seen = new Map<number, number>();
  let longestMs = 0;
  link.onArrival = (patches) => {
    for (const { y } of patches) {
      const row = Math.floor(y / 32);
      longestMs = Math.max(longestMs, link.now - (seen.get(row) ?? link.now));
      seen.set(row, link.now);
    }
  };
  link.run(24_000, () => {
    if (link.now % 33 !== 0) return;
    for (const place of places) link.screen.fill(place, noise);
    link.engine.damage(places, link.now);
  });
  assert.ok(seen.size >= 22);
  for (const at of seen.values()) longestMs = Math.max(longestMs, link.now - at);
  assert.ok(longestMs < 10_000, `a row waited for ${longestMs} ms`);
});
