import { strict as assert } from "node:assert";
import { randomInt } from "node:crypto";
import { LINK_RESUME_MS, LINK_TIMEOUT_MS } from "@farglass/protocol";
import { linkDeadline, newServerLink, type ServerLink } from "../core/link_machine.ts";
import { LinkWatch } from "./link_watch.ts";

interface Link {
  state: ServerLink;
  socket: { bufferedBytes(): number } | null;
}

const limits = { rate: { perSecond: 100, burst: 100 }, maxBadMessages: 20 };
const START = 1_700_000_000_123;

function linkAt(now: number, bytes = 0): Link {
  const state = newServerLink({ linkId: "l", role: "agent", limits }, now);
  return { state: { ...state, detachedAtMs: null }, socket: { bufferedBytes: () => bytes } };
}

/** Numbers below `below`, the same for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

Deno.test("LinkWatch.due: what looking at every link would find, however deadlines move", () => {
  const seed = randomInt(2 ** 31);
  const random = numbers(seed);
  const watch = new LinkWatch<Link>();
  const all = new Set<Link>();
  let now = START;
  const add = () => {
    const link = linkAt(now);
    all.add(link);
    watch.changed(link);
  };
  for (let i = 0; i < 40; i++) add();
  for (let tick = 0; tick < 2_000; tick++) {
    now += random(900);
    for (const link of all) {
      const dice = random(40);
      if (dice === 0) link.state = { ...link.state, heardAtMs: now, detachedAtMs: null };
      else if (dice === 1) link.state = { ...link.state, detachedAtMs: now };
      else if (dice === 2) link.state = { ...link.state, heartbeatMs: 1_500 + random(13_500) };
      else continue;
      watch.changed(link);
    }
    if (random(20) === 0) {
      const [first] = all;
      all.delete(first);
      watch.forget(first);
      add();
    }
    const wanted = [...all].filter((link) => now >= linkDeadline(link.state));
    assert.deepEqual(new Set(watch.due(now)), new Set(wanted), `seed ${seed}, tick ${tick}`);
  }
});

Deno.test("LinkWatch.due: a deadline that moved later or earlier, a forgotten and a dead link", () => {
  const watch = new LinkWatch<Link>();
  const [later, earlier, forgotten, dead] = [0, 0, 0, 0].map(() => linkAt(START));
  for (const link of [later, earlier, forgotten, dead]) watch.changed(link);
  later.state = { ...later.state, heardAtMs: START + 2_000 };
  watch.changed(later);
  earlier.state = { ...earlier.state, detachedAtMs: START - LINK_RESUME_MS };
  watch.changed(earlier);
  watch.forget(forgotten);
  assert.deepEqual(watch.due(START), [earlier]);
  watch.forget(earlier);
  watch.forget(dead);
  dead.state = { ...dead.state, dead: true };
  watch.changed(dead);
  assert.deepEqual(watch.due(START + LINK_TIMEOUT_MS), []);
  assert.deepEqual(watch.due(START + LINK_TIMEOUT_MS + 2_000), [later]);
});

Deno.test("LinkWatch.slow: only what was written to is asked, and until it is empty", () => {
  const watch = new LinkWatch<Link>();
  let asked = 0;
  let bytes = 50_000;
  const link: Link = {
    state: linkAt(START).state,
    socket: { bufferedBytes: () => (asked++, bytes) },
  };
  assert.deepEqual(watch.slow(10_000), []);
  assert.equal(asked, 0);
  watch.written(link);
  assert.deepEqual(watch.slow(100_000), []);
  assert.deepEqual(watch.slow(10_000), [link]);
  bytes = 0;
  assert.deepEqual(watch.slow(10_000), []);
  assert.equal(asked, 3);
  assert.deepEqual(watch.slow(10_000), []);
  assert.equal(asked, 3, "an empty socket is left alone");
});
