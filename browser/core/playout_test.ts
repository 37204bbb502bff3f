/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import { newPlayout, type PlayoutAction, type PlayoutSample, stepPlayout } from "./playout.ts";

const SAMPLE_MS = 500;

/**
 * Reads the same again and again, with a new picture every `every` readings; what was to be done,
 * with its time.
 */
function feed(
  state: typeof newPlayout,
  sample: Omit<PlayoutSample, "pictures">,
  { from, seconds, every = 1 }: {
    readonly from: number;
    readonly seconds: number;
    readonly every?: number;
  },
) {
  const actions: (PlayoutAction & { readonly at: number })[] = [];
  for (let at = from; at < from + seconds * 1_000; at += SAMPLE_MS) {
    const pictures = Math.floor(at / SAMPLE_MS / every);
    const [next, action] = stepPlayout(state, { ...sample, pictures }, at);
    state = next;
    if (action !== null) actions.push({ ...action, at });
  }
  return { state, actions };
}

Deno.test("playout: nothing is held back on a quiet network, or where nothing is told", () => {
  for (const sample of [{ jitterMs: 4, bufferMs: 3 }, { jitterMs: null, bufferMs: null }]) {
    const { state, actions } = feed(newPlayout, sample, { from: 0, seconds: 20 });
    assert.deepEqual(actions, []);
    assert.equal(state.minMs, 0);
  }
});

Deno.test("playout: jitter that lasts raises the delay, its end lowers it", () => {
  const jittery = { jitterMs: 45, bufferMs: 50 };
  const raised = feed(newPlayout, jittery, { from: 0, seconds: 10 });
  assert.deepEqual(raised.actions, [
    { kind: "set", minMs: 40, reason: "playout-jitter", at: 2_000 },
  ]);
  const calm = { jitterMs: 5, bufferMs: 42 };
  const lowered = feed(raised.state, calm, { from: 10_000, seconds: 10 });
  assert.deepEqual(lowered.actions, [
    { kind: "set", minMs: 0, reason: "playout-zero", at: 13_000 },
  ]);
});

Deno.test("playout: a moment of jitter changes nothing, and the delay stays bounded", () => {
  const { state, actions } = feed(newPlayout, { jitterMs: 80, bufferMs: 90 }, {
    ...{ from: 0, seconds: 1.5 },
  });
  assert.deepEqual(actions, []);
  const calm = feed(state, { jitterMs: 30, bufferMs: 35 }, { from: 1_500, seconds: 5 });
  assert.deepEqual(calm.actions, []);
  const wild = feed(newPlayout, { jitterMs: 300, bufferMs: 500 }, { from: 0, seconds: 5 });
  assert.equal(wild.state.minMs, 40);
});

Deno.test("playout: readings without a picture are the last ones again, and say nothing", () => {
  const uneven = { jitterMs: 60, bufferMs: 400 };
  const moved = feed(newPlayout, uneven, { from: 0, seconds: 1 });
  // The desktop is still for a long time, and the browser's figures with it.
  const still = feed(moved.state, uneven, { from: 1_000, seconds: 60, every: 1_000_000 });
  assert.deepEqual([moved.actions, still.actions], [[], []]);
  // One picture a second: what lasts is noticed, in twice the time.
  const slow = feed(newPlayout, { jitterMs: 4, bufferMs: 400 }, { from: 0, seconds: 4, every: 2 });
  assert.deepEqual(slow.actions.map(({ kind, at }) => [kind, at]), [["drain", 3_000]]);
});

Deno.test("playout: what the browser holds for too long is drained, and given up in the end", () => {
  const held = { jitterMs: 4, bufferMs: 400.6 };
  const { actions } = feed(newPlayout, held, { from: 0, seconds: 8 });
  assert.deepEqual(actions.map(({ kind, at }) => [kind, at]), [
    ["drain", 1_500],
    ["drain", 3_000],
    ["drain", 4_500],
    ["give-up", 6_000],
  ]);
  assert.deepEqual(actions[0], {
    ...{ kind: "drain", at: 1_500, evidence: { bufferMs: 401, jitterMs: 4 } },
  });
  const once = feed(newPlayout, held, { from: 0, seconds: 2 });
  const after = feed(once.state, { jitterMs: 4, bufferMs: 3 }, { from: 2_000, seconds: 5 });
  assert.deepEqual(after.actions, []);
  assert.equal(after.state.reason, "playout-drained");
});
