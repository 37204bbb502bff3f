/// <reference lib="deno.ns" />
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type ControlMessage,
  encodeInput,
  type InputMessage,
  MAX_BUTTON,
  PEER_TIMEOUT_MS,
} from "@farglass/protocol";
import {
  newViewer,
  stepViewer,
  type ViewerEffect,
  type ViewerEvent,
  type ViewerState,
} from "./viewer.ts";

const open = { viewOnly: false, diffOnly: false, videoOnly: false };
const fresh = (policy = open, video = true) => newViewer(policy, video, { width: 100, height: 50 });
const control = (message: ControlMessage, path: "channel" | "relay" = "channel"): ViewerEvent => ({
  kind: "control",
  path,
  message,
});
const input = (message: InputMessage): ViewerEvent => ({
  kind: "input",
  bytes: encodeInput(message),
});
const key = (usage: number, down: boolean): InputMessage => ({
  kind: "key",
  usage,
  keysym: 0,
  down,
});

function run(state: ViewerState, events: readonly ViewerEvent[]): [ViewerState, ViewerEffect[]] {
  const all: ViewerEffect[] = [];
  for (const event of events) {
    const [next, effects] = stepViewer(state, event, 0);
    state = next;
    all.push(...effects);
  }
  return [state, all];
}
const played = (effects: readonly ViewerEffect[]) =>
  effects.flatMap((e) => e.kind === "play" ? [e.input] : []);
const kinds = (effects: readonly ViewerEffect[]) => effects.map((e) => e.kind);

Deno.test("select → selected, greeting and transport, on the path it came by", () => {
  const [state, effects] = run(fresh(), [
    control({ op: "select", transport: "diff-ws", epoch: 1 }, "relay"),
  ]);
  assert.equal(state.transport, "diff-ws");
  assert.deepEqual(effects, [
    { kind: "control", path: "relay", message: { op: "selected", transport: "diff-ws", epoch: 1 } },
    { kind: "greet", path: "relay" },
    { kind: "transport", transport: "diff-ws" },
  ]);
});

Deno.test("select with a display → what is held is released, then the display, then the answer", () => {
  const select = (epoch: number, display?: string) =>
    control({ op: "select", transport: "diff-dc", epoch, display });
  const [held] = run(fresh(), [select(1), input(key(4, true))]);
  assert.deepEqual(kinds(run(held, [select(2)])[1]), ["control", "greet", "transport"]);
  const effects = run(held, [select(2, "RIGHT")])[1];
  assert.deepEqual(kinds(effects), ["play", "display", "control", "greet", "transport"]);
  assert.deepEqual(played(effects), [key(4, false)]);
  assert.deepEqual(run(held, [select(0, "RIGHT")])[1], []);
});

Deno.test("the display is gone → what is held is released", () => {
  const [held] = run(fresh(), [input(key(4, true))]);
  assert.deepEqual(played(run(held, [{ kind: "moved" }])[1]), [key(4, false)]);
});

Deno.test("regions → the regions are shown, in hybrid mode only", () => {
  const shown = control({ op: "regions", version: 3 });
  const [state] = run(fresh(), [control({ op: "select", transport: "hybrid", epoch: 1 })]);
  assert.deepEqual(run(state, [shown])[1], [{ kind: "regions-shown", version: 3 }]);
  const [video] = run(fresh(), [control({ op: "select", transport: "rtp", epoch: 1 })]);
  assert.deepEqual(run(video, [shown])[1], []);
});

Deno.test("select of an older epoch → nothing; of the same → answered again, not restarted", () => {
  const [state] = run(fresh(), [control({ op: "select", transport: "rtp", epoch: 5 })]);
  assert.deepEqual(
    run(state, [control({ op: "select", transport: "diff-dc", epoch: 4 })]),
    [state, []],
  );
  const [, again] = run(state, [control({ op: "select", transport: "rtp", epoch: 5 })]);
  assert.deepEqual(kinds(again), ["control"]);
});

Deno.test("select that policy or encoder forbids → the transport in force and a coded error", () => {
  const rows = [
    [fresh({ ...open, diffOnly: true }), "rtp", "caps-mismatch"],
    [fresh({ ...open, videoOnly: true }), "diff-dc", "caps-mismatch"],
    [fresh({ ...open, videoOnly: true }), "diff-ws", "caps-mismatch"],
    [fresh(open, false), "rtp", "encoder-failed"],
    [fresh(open, false), "hybrid", "encoder-failed"],
    [fresh({ ...open, diffOnly: true }), "hybrid", "caps-mismatch"],
    [fresh({ ...open, videoOnly: true }), "hybrid", "caps-mismatch"],
  ] as const;
  for (const [state, transport, code] of rows) {
    const [next, effects] = run(state, [control({ op: "select", transport, epoch: 1 })]);
    assert.equal(next.transport, "none");
    const refusal = effects.find((e) => e.kind === "refuse");
    assert.equal(refusal?.error.code, code);
  }
});

Deno.test("encoder lost while on rtp → none and a fault; later select rtp is refused", () => {
  const [rtp] = run(fresh(), [control({ op: "select", transport: "rtp", epoch: 1 })]);
  const [state, effects] = run(rtp, [{ kind: "video", available: false }]);
  assert.equal(state.transport, "none");
  assert.deepEqual(kinds(effects), ["transport", "control"]);
});

Deno.test("keyframe only on rtp, refresh only on diff", () => {
  const [rtp] = run(fresh(), [control({ op: "select", transport: "rtp", epoch: 1 })]);
  const [diff] = run(fresh(), [control({ op: "select", transport: "diff-dc", epoch: 1 })]);
  const both = [control({ op: "keyframe" }), control({ op: "refresh" })];
  assert.deepEqual(kinds(run(rtp, both)[1]), ["keyframe"]);
  assert.deepEqual(kinds(run(diff, both)[1]), ["refresh"]);
});

Deno.test("an agent's own message from the console → wrong-direction", () => {
  const [, effects] = run(fresh(), [control({ op: "grants", input: true })]);
  assert.equal(effects[0].kind === "refuse" && effects[0].error.code, "wrong-direction");
});

Deno.test("ping → pong on its path", () => {
  const ping = { op: "ping", id: 7, at: 1 } as const;
  assert.deepEqual(run(fresh(), [control(ping)])[1], [{ kind: "pong", path: "channel", ping }]);
});

Deno.test("coordinates are clamped to the screen, also after a resize", () => {
  const far: InputMessage = { kind: "move", seq: 1, x: 9000, y: 9000 };
  assert.deepEqual(played(run(fresh(), [input(far)])[1]), [{ ...far, x: 99, y: 49 }]);
  assert.deepEqual(
    played(
      run(fresh(), [
        { kind: "screen", screen: { width: 200, height: 300 }, path: null },
        input(far),
      ])[1],
    ),
    [{ ...far, x: 199, y: 299 }],
  );
});

Deno.test("late motion is dropped, a late button is played, numbers wrap", () => {
  const move = (seq: number): InputMessage => ({ kind: "move", seq, x: 1, y: 1 });
  const press: InputMessage = { kind: "button", seq: 3, x: 1, y: 1, button: 1, down: true };
  const [, effects] = run(fresh(), [input(move(5)), input(move(4)), input(press), input(move(6))]);
  assert.deepEqual(played(effects), [move(5), press, move(6)]);
  const [, wrapped] = run(fresh(), [
    input(move(0xffffffff)),
    input(move(0)),
    input(move(0xfffffffe)),
  ]);
  assert.deepEqual(played(wrapped), [move(0xffffffff), move(0)]);
});

Deno.test("malformed input → coded error, nothing played", () => {
  const [state, effects] = run(fresh(), [{ kind: "input", bytes: Uint8Array.of(99) }]);
  assert.deepEqual(state, fresh());
  assert.equal(effects[0].kind === "refuse" && effects[0].error.code, "unknown-type");
});

Deno.test("view only: input is dropped with a fault at most once a second", () => {
  let state = fresh({ ...open, viewOnly: true });
  const counts: number[] = [];
  for (const now of [0, 10, 999, 1_000, 1_001]) {
    const [next, effects] = stepViewer(state, input(key(4, true)), now);
    state = next;
    assert.deepEqual(played(effects), []);
    counts.push(effects.length);
  }
  assert.deepEqual(counts, [2, 0, 0, 2, 0]);
});

Deno.test("console away, view-only switched on, end, release-all, lost heartbeat → all held is released", () => {
  const press: InputMessage = { kind: "button", seq: 1, x: 7, y: 8, button: 3, down: true };
  const [held] = run(fresh(), [
    control({ op: "ping", id: 1, at: 0 }),
    input(key(4, true)),
    input(key(225, true)),
    input(key(4, false)),
    input(press),
  ]);
  const released = [key(225, false), { ...press, seq: 0, down: false }];
  const events: ViewerEvent[] = [
    { kind: "console-away" },
    { kind: "policy", policy: { ...open, viewOnly: true } },
    { kind: "ended" },
    input({ kind: "release-all" }),
  ];
  for (const event of events) {
    const [state, effects] = run(held, [event]);
    assert.deepEqual(played(effects), released, event.kind);
    assert.deepEqual(played(run(state, [{ kind: "ended" }])[1]), []);
  }
  assert.deepEqual(stepViewer(held, { kind: "tick" }, PEER_TIMEOUT_MS - 1)[1], []);
  assert.deepEqual(played(stepViewer(held, { kind: "tick" }, PEER_TIMEOUT_MS)[1]), released);
});

Deno.test("property: after any input, an end leaves nothing pressed", () => {
  const inputs = fc.oneof(
    fc.record({
      kind: fc.constant("key" as const),
      usage: fc.integer({ min: 0, max: 6 }),
      keysym: fc.integer({ min: 1, max: 4 }),
      down: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant("button" as const),
      seq: fc.nat(100),
      x: fc.nat(200),
      y: fc.nat(200),
      button: fc.integer({ min: 1, max: MAX_BUTTON }),
      down: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("release-all" as const) }),
  );
  fc.assert(fc.property(fc.array(inputs, { maxLength: 40 }), (list) => {
    const [, effects] = run(fresh(), [...list.map(input), { kind: "ended" }]);
    const down = new Set<string>();
    for (const one of played(effects)) {
      if (one.kind !== "key" && one.kind !== "button") continue;
      const id = one.kind === "button"
        ? `b${one.button}`
        : one.usage !== 0
        ? `u${one.usage}`
        : `k${one.keysym}`;
      if (one.down) down.add(id);
      else down.delete(id);
    }
    assert.deepEqual([...down], []);
  }));
});
