import assert from "node:assert/strict";
import type { ControllerEvent, Effect } from "../core/events.ts";
import { DEFAULT_POLICY } from "../core/policy.ts";
import { type DesktopWrite, linkTopic, type Saved } from "../core/ports.ts";
import { AGENT_LINK, CONSOLE_LINK, DESKTOP, on, SCRIPTS } from "../testing/controller_driver.ts";
import { ControllerShell } from "./controller_shell.ts";
import { MemoryBus, MemoryDesktopStore } from "./memory_store.ts";

/** Counts writes, and lets a test refuse one; as a store of another process would, it takes its time. */
class WatchedStore extends MemoryDesktopStore {
  override readonly atOnce = undefined;
  writes: DesktopWrite[] = [];
  refuse: (write: DesktopWrite) => Saved | null = () => null;

  override save(desktopId: string, revision: number, write: DesktopWrite): Promise<Saved> {
    this.writes.push(write);
    const refused = this.refuse(write);
    return refused === null ? super.save(desktopId, revision, write) : Promise.resolve(refused);
  }
}

/** A shell whose desktop has an answered session; runs `test` and closes it. */
async function withShell(
  test: (parts: {
    readonly shell: ControllerShell;
    readonly store: WatchedStore;
    readonly bus: MemoryBus;
    readonly dispatch: (event: ControllerEvent, seq?: number) => Promise<readonly Effect[]>;
    readonly toAgent: unknown[];
  }) => Promise<void>,
  { atOnce = false } = {},
): Promise<void> {
  const bus = new MemoryBus();
  const store = new WatchedStore(bus);
  const nothing = () => {};
  const shell = new ControllerShell({
    store: atOnce ? new MemoryDesktopStore(bus) : store,
    bus,
    log: { write: nothing },
    metrics: {
      message: nothing,
      rejected: nothing,
      sessionEvent: nothing,
      connections: nothing,
      relayed: nothing,
      relaySkipped: nothing,
      mediaDecisions: nothing,
      dropped: nothing,
    },
    telemetry: { emit: nothing },
    policy: DEFAULT_POLICY,
    clock: () => 1_000_000,
    webrtcFor: () => ({ enabled: true, iceServers: [], iceTransportPolicy: "all" }),
    onRoute: nothing,
    onUnroute: nothing,
  });
  const dispatch = (event: ControllerEvent, seq = 0) => {
    const linkId = event.kind === "message" ? event.linkId : CONSOLE_LINK;
    return shell.dispatch(DESKTOP, event, seq === 0 ? {} : { handled: { linkId, seq } });
  };
  for (const event of SCRIPTS.answered) await dispatch(event);
  // The queue goes a moment after its last event.
  await new Promise((turn) => setImmediate(turn));
  const toAgent: unknown[] = [];
  bus.subscribe(linkTopic(AGENT_LINK), (mail) => {
    toAgent.push((mail as { draft: { payload: unknown } }).draft.payload);
  });
  store.writes = [];
  await test({ shell, store, bus, dispatch, toAgent });
  await shell.close();
}

const ports = (payloads: readonly unknown[]) =>
  payloads.map((p) => Number(/ (\d+) typ/.exec((p as { candidate: string }).candidate)?.[1]));

Deno.test("shell: what comes at once is written once, in order, and each gets its own effects", async () => {
  await withShell(async ({ store, dispatch, toAgent }) => {
    const effects = await Promise.all([
      dispatch(on.candidate("console", 1, 40_001), 7),
      dispatch(on.candidate("agent", 1, 50_001), 3),
      dispatch(on.candidate("console", 1, 40_001), 8),
      dispatch(on.candidate("console", 1, 40_002), 9),
    ]);
    assert.equal(store.writes.length, 1);
    assert.deepEqual(ports(toAgent), [40_001, 40_002]);
    assert.deepEqual(effects.map((e) => e.map((one) => one.kind)), [
      ["send"],
      ["send"],
      ["reject"],
      ["send"],
    ]);
    assert.deepEqual(store.writes[0].handled, [
      { linkId: CONSOLE_LINK, seq: 7 },
      { linkId: AGENT_LINK, seq: 3 },
      { linkId: CONSOLE_LINK, seq: 8 },
      { linkId: CONSOLE_LINK, seq: 9 },
    ]);
  });
});

Deno.test("shell: of a batch with a message that was dealt with, the others are dealt with", async () => {
  await withShell(async ({ store, dispatch, toAgent }) => {
    store.refuse = ({ handled = [] }) => handled.some(({ seq }) => seq === 7) ? "duplicate" : null;
    const [known, fresh] = await Promise.all([
      dispatch(on.candidate("console", 1, 40_001), 7),
      dispatch(on.candidate("console", 1, 40_002), 8),
    ]);
    assert.deepEqual([known.length, fresh.length], [0, 1]);
    assert.deepEqual(ports(toAgent), [40_002]);
  });
});

Deno.test("shell: the same number twice is never one batch", async () => {
  await withShell(async ({ store, dispatch }) => {
    await Promise.all([
      dispatch(on.candidate("console", 1, 40_001), 7),
      dispatch(on.candidate("console", 1, 40_002), 7),
    ]);
    assert.deepEqual(store.writes.map((w) => w.handled?.length), [1, 1]);
  });
});

Deno.test("shell: a store in memory is written without a wait, with the same effects", async () => {
  await withShell(async ({ shell, dispatch, toAgent }) => {
    const order: string[] = [];
    const first = dispatch(on.candidate("console", 1, 40_001), 7).then((e) => {
      order.push("first");
      return e;
    });
    const second = dispatch(on.candidate("console", 1, 40_001), 8);
    queueMicrotask(() => order.push(`${toAgent.length} sent`));
    assert.deepEqual((await first).map(({ kind }) => kind), ["send"]);
    assert.deepEqual((await second).map(({ kind }) => kind), ["reject"]);
    // All in the first microtask after the dispatch: before whoever asked later.
    assert.deepEqual(order, ["1 sent", "first"]);
    assert.deepEqual(await shell.dispatch("unknown", { kind: "tick" }), []);
  }, { atOnce: true });
});

Deno.test("shell: with the state in memory an event is decided within the call", async () => {
  await withShell(async ({ shell, dispatch, toAgent }) => {
    const now = shell.decide(DESKTOP, on.candidate("console", 1, 40_001));
    assert.ok(!(now instanceof Promise));
    assert.deepEqual([now.map(({ kind }) => kind), ports(toAgent)], [["send"], [40_001]]);
    // Not past one that waits.
    const first = dispatch(on.candidate("console", 1, 40_002));
    const second = shell.decide(DESKTOP, on.candidate("console", 1, 40_003));
    assert.ok(second instanceof Promise);
    assert.deepEqual(ports(toAgent), [40_001]);
    await Promise.all([first, second]);
    assert.deepEqual(ports(toAgent), [40_001, 40_002, 40_003]);
    await assert.rejects(
      Promise.resolve(shell.decide(DESKTOP, { kind: "no such" } as unknown as ControllerEvent)),
    );
  }, { atOnce: true });
});

Deno.test("shell: what a decision at once leads to is decided after it", async () => {
  await withShell(async ({ shell, bus, toAgent }) => {
    let led: Promise<readonly Effect[]> | null = null;
    const stop = bus.subscribe(linkTopic(AGENT_LINK), () => {
      const decided = led ?? shell.decide(DESKTOP, on.candidate("console", 1, 40_002));
      assert.ok(decided instanceof Promise);
      led = decided;
    });
    shell.decide(DESKTOP, on.candidate("console", 1, 40_001));
    assert.deepEqual(ports(toAgent), [40_001]);
    await led;
    stop();
    assert.deepEqual(ports(toAgent), [40_001, 40_002]);
  }, { atOnce: true });
});

Deno.test("shell: where the state is elsewhere, decide waits as dispatch does", async () => {
  await withShell(async ({ shell, toAgent }) => {
    await shell.decide(DESKTOP, on.candidate("console", 1, 40_001));
    assert.deepEqual(ports(toAgent), [40_001]);
  });
});

for (const atOnce of [false, true]) {
  const where = atOnce ? "in memory" : "elsewhere";
  Deno.test(`shell: an event that breaks an invariant spares the others of its batch, store ${where}`, async () => {
    await withShell(async ({ dispatch, toAgent }) => {
      const broken = { kind: "no such kind" } as unknown as ControllerEvent;
      const settled = await Promise.allSettled([
        dispatch(on.candidate("console", 1, 40_001)),
        dispatch(broken),
        dispatch(on.candidate("console", 1, 40_002)),
      ]);
      assert.deepEqual(settled.map((s) => s.status), ["fulfilled", "rejected", "fulfilled"]);
      assert.deepEqual(ports(toAgent), [40_001, 40_002]);
    }, { atOnce });
  });
}
