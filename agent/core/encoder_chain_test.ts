/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { EncoderChain, type EncoderChoice, orderEncoders } from "./encoder_chain.ts";

const HARD: EncoderChoice = { name: "hard", codec: "h264", maxWidth: 1920, maxHeight: 1088 };
const SOFT: EncoderChoice = { name: "soft", codec: "h264" };
const WANTED = { codec: "h264" as const, width: 1280, height: 720 };
const chainOf = (...choices: EncoderChoice[]) => new EncoderChain(() => choices);

Deno.test("the first that fits: by codec and by size", () => {
  const chain = chainOf(HARD, SOFT);
  assert.equal(chain.pick(WANTED, 0), "hard");
  assert.equal(chain.pick({ ...WANTED, width: 1922 }, 0), "soft");
  assert.equal(chain.pick({ ...WANTED, codec: "vp8" }, 0), null);
});

Deno.test("a failing one with a successor rests at once, and twice as long the next time", () => {
  const chain = chainOf(HARD, SOFT);
  chain.failed("hard", WANTED, 0);
  assert.equal(chain.pick(WANTED, 0), "soft");
  assert.equal(chain.nextMs(0), 30_000);
  assert.equal(chain.pick(WANTED, 30_000), "hard");
  chain.failed("hard", WANTED, 40_000);
  assert.equal(chain.pick(WANTED, 99_999), "soft");
  assert.equal(chain.pick(WANTED, 100_000), "hard");
});

Deno.test("an only one is tried twice, then rests; success forgets the first failure", () => {
  const chain = chainOf(SOFT);
  chain.failed("soft", WANTED, 0);
  assert.equal(chain.pick(WANTED, 0), "soft");
  chain.worked("soft");
  chain.failed("soft", WANTED, 10);
  assert.equal(chain.pick(WANTED, 10), "soft");
  chain.failed("soft", WANTED, 20);
  assert.equal(chain.pick(WANTED, 20), null);
  assert.equal(chain.nextMs(20), 30_020);
  assert.equal(chain.pick(WANTED, 30_020), "soft");
});

Deno.test("an only one rests at once where another format takes over", () => {
  const chain = chainOf(SOFT);
  const wanted = { ...WANTED, spare: true };
  assert.equal(chain.hasSuccessor("soft", wanted, 0), true);
  assert.equal(chain.hasSuccessor("soft", WANTED, 0), false);
  chain.failed("soft", wanted, 0);
  assert.equal(chain.pick(wanted, 0), null);
  assert.equal(chain.nextMs(0), 30_000);
});

Deno.test("while the others rest, the last one counts as an only one", () => {
  const chain = chainOf(HARD, SOFT);
  chain.failed("hard", WANTED, 0);
  chain.failed("soft", WANTED, 1);
  assert.equal(chain.pick(WANTED, 1), "soft");
  chain.failed("soft", WANTED, 2);
  assert.equal(chain.pick(WANTED, 2), null);
});

Deno.test("orderEncoders: the catalogue's order, the preferred one first if it works", () => {
  const works = [{ name: "c" }, { name: "a" }, { name: "b" }];
  const names = (preferred: string) =>
    orderEncoders(works, { order: ["a", "b", "c"], preferred }).map(({ name }) => name).join("");
  assert.equal(names("auto"), "abc");
  assert.equal(names("c"), "cab");
  assert.equal(names("z"), "abc");
});
