/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  newVideoPacer,
  stepVideo,
  videoDeadline,
  type VideoPacer,
  type VideoPacerEvent,
} from "./video_pacer.ts";

/** 10,000 bytes a picture, at least 8.5 ms apart. */
const SETTINGS = { bitrateKbps: 8_000, maxFps: 100 };
const BUDGET = 10_000;
const encoded = (bytes = 100, keyframe = false): VideoPacerEvent => ({
  kind: "encoded",
  bytes,
  keyframe,
});
const frame: VideoPacerEvent = { kind: "frame" };
const joined: VideoPacerEvent = { kind: "viewer-joined", reason: "viewer-joined" };
const pli: VideoPacerEvent = { kind: "keyframe-request", reason: "pli" };

/** Runs events at their times; returns the state and, for each event, `-`, `P` or `I`. */
function run(events: readonly (readonly [number, VideoPacerEvent])[]): [VideoPacer, string] {
  let state = newVideoPacer(SETTINGS);
  let log = "";
  for (const [now, event] of events) {
    const [next, effects] = stepVideo(state, event, now);
    state = next;
    log += effects.length === 0 ? "-" : effects[0].keyframe ? "I" : "P";
  }
  return [state, log];
}

Deno.test("nothing is encoded without a viewer; the first one gets a keyframe at once", () => {
  assert.equal(run([[0, frame], [5, joined]])[1], "-I");
  assert.equal(run([[5, joined]])[1], "I");
});

Deno.test("frames while busy → one encode of the newest when free", () => {
  assert.equal(
    run([[0, joined], [1, frame], [2, frame], [10, encoded(100, true)], [15, encoded()]])[1],
    "I--P-",
  );
});

Deno.test("pictures faster than the limit wait for the interval; the newest one is encoded", () => {
  const [state, log] = run([
    [0, joined],
    [1, encoded(100, true)],
    [2, frame],
    [5, frame],
    [7, { kind: "tick" }],
  ]);
  assert.equal(log, "I----");
  assert.equal(videoDeadline(state), 8.5);
  assert.deepEqual(stepVideo(state, { kind: "tick" }, 8.5)[1], [{
    kind: "encode",
    keyframe: null,
  }]);
});

Deno.test("keyframe requests: coalesced, 500 ms apart, served when still", () => {
  const [state, log] = run([
    [0, joined],
    [10, encoded(100, true)],
    [20, pli],
    [30, pli],
  ]);
  assert.equal(log, "I---");
  assert.equal(videoDeadline(state), 500);
  assert.equal(stepVideo(state, { kind: "tick" }, 499)[1].length, 0);
  assert.deepEqual(stepVideo(state, { kind: "tick" }, 500)[1], [{
    kind: "encode",
    keyframe: "pli",
  }]);
});

Deno.test("a request while a keyframe is being made is served by that one", () => {
  const [state] = run([[0, joined], [1, pli], [2, encoded(100, true)]]);
  assert.equal(videoDeadline(state), 2_500);
});

Deno.test("a second viewer gets its keyframe at once; one under way serves it too", () => {
  assert.equal(run([[0, joined], [5, encoded(100, true)], [6, joined]])[1], "I-I");
  assert.equal(run([[0, joined], [5, joined], [6, encoded(100, true)]])[1], "I--");
});

Deno.test("a storm of joins gets two keyframes a second, and nobody is forgotten", () => {
  const [state, log] = run([
    [0, joined],
    [5, encoded(100, true)],
    [6, joined],
    [9, encoded(100, true)],
    [10, joined],
    [20, joined],
    [30, frame],
  ]);
  assert.equal(log, "I-I---P");
  const [free] = stepVideo(state, encoded(), 40);
  assert.equal(videoDeadline(free), 1_000);
  assert.deepEqual(stepVideo(free, { kind: "tick" }, 1_000)[1], [{
    kind: "encode",
    keyframe: "viewer-joined",
  }]);
});

Deno.test("restart: nothing but a keyframe comes next, at once unless two were just made", () => {
  const resize: VideoPacerEvent = { kind: "restart", reason: "resize" };
  assert.equal(run([[0, joined], [5, encoded(100, true)], [20, resize]])[1], "I-I");
  const [state, log] = run([
    [0, joined],
    [5, encoded(100, true)],
    [20, resize],
    [25, encoded(100, true)],
    [60, resize],
    [70, frame],
  ]);
  assert.equal(log, "I-I---");
  assert.equal(videoDeadline(state), 1_000);
  assert.deepEqual(stepVideo(state, { kind: "tick" }, 1_000)[1], [{
    kind: "encode",
    keyframe: "resize",
  }]);
});

Deno.test("after large pictures: at most four refinements, then next to silence", () => {
  let [state] = run([[0, joined], [5, encoded(BUDGET, true)]]);
  const at: number[] = [];
  for (let i = 0; i < 6; i++) {
    const due = videoDeadline(state)!;
    at.push(due);
    const [encoding, effects] = stepVideo(state, { kind: "tick" }, due);
    assert.deepEqual(effects, [{ kind: "encode", keyframe: null }]);
    [state] = stepVideo(encoding, encoded(BUDGET), due + 5);
  }
  // Then only what keeps the browser from asking for a keyframe.
  assert.deepEqual(at, [85, 170, 255, 340, 2_840, 5_340]);
});

Deno.test("a small picture needs no refinement; the end of a motion gets one", () => {
  const [small] = run([[0, joined], [5, encoded(50, true)], [1000, frame], [1005, encoded()]]);
  assert.equal(videoDeadline(small), 3_500);
  const motion = [2000, 2033, 2066].flatMap((t): [number, VideoPacerEvent][] => [
    [t, frame],
    [t + 5, encoded()],
  ]);
  const [moved] = run([[0, joined], [5, encoded(50, true)], ...motion]);
  assert.equal(videoDeadline(moved), 2071 + 250);
});

Deno.test("after a failed encode: silent until the next frame, which is the keyframe still owed", () => {
  assert.equal(
    run([[0, joined], [1, { kind: "encode-failed" }], [2, { kind: "tick" }], [10, frame]])[1],
    "I--I",
  );
});

Deno.test("property: one encode at a time, at most two keyframes a second, no encode without viewers", () => {
  const kinds = [
    "frame",
    "viewer-joined",
    "viewer-left",
    "keyframe-request",
    "restart",
    "encoded",
    "encode-failed",
    "tick",
  ] as const;
  const events = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.constantFrom(...kinds)), {
    maxLength: 120,
  });
  fc.assert(fc.property(events, (list) => {
    let state = newVideoPacer(SETTINGS);
    let now = 0;
    let running: { keyframe: boolean; at: number } | null = null;
    const keyframes: number[] = [];
    for (const [pause, kind] of list) {
      now += pause;
      const ends = kind === "encoded" || kind === "encode-failed";
      if (ends && running === null) continue;
      const event = (kind === "encoded"
        ? { kind, bytes: 100, keyframe: running!.keyframe }
        : { kind, reason: "pli" }) as VideoPacerEvent;
      if (ends) {
        // One that failed was not made.
        if (kind === "encoded" && running!.keyframe) {
          keyframes.push(running!.at);
        }
        running = null;
      }
      const [next, effects] = stepVideo(state, event, now);
      for (const { keyframe } of effects) {
        assert.equal(running, null);
        assert.ok(next.viewers > 0);
        if (state.fromScratch || kind === "restart") {
          assert.notEqual(keyframe, null);
        }
        running = { keyframe: keyframe !== null, at: now };
      }
      state = next;
    }
    keyframes.forEach((at, i) => assert.ok(i < 2 || at - keyframes[i - 2] >= 1_000));
  }));
});

Deno.test("rate: the interval holds at once, and no keyframe is made for it", () => {
  const rate: VideoPacerEvent = { kind: "rate", rate: { bitrateKbps: 500, maxFps: 10 } };
  const [state, log] = run([[0, joined], [1, encoded(100, true)], [2, rate], [3, frame], [
    9,
    { kind: "tick" },
  ]]);
  assert.equal(log, "I----");
  assert.equal(videoDeadline(state), 85);
  const back: VideoPacerEvent = { kind: "rate", rate: SETTINGS };
  assert.deepEqual(stepVideo(state, back, 12)[1], [{ kind: "encode", keyframe: null }]);
});

Deno.test("blocked: nothing is encoded until the last picture has left, then the newest one at once", () => {
  const block = (blocked: boolean): VideoPacerEvent => ({ kind: "blocked", blocked });
  const [state, log] = run([[0, joined], [1, encoded(100, true)], [2, block(true)], [40, frame], [
    80,
    { kind: "tick" },
  ]]);
  assert.equal(log, "I----");
  assert.equal(videoDeadline(state), null);
  assert.deepEqual(stepVideo(state, block(false), 90)[1], [{ kind: "encode", keyframe: null }]);
});
