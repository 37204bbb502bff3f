/** What every store, bus and once-store must do; each implementation's test runs these. */
import assert from "node:assert/strict";
import { ControllerDriver, DESKTOP, on, SCRIPTS, SESSION } from "../testing/controller_driver.ts";
import {
  type Bus,
  type DesktopStore,
  type DesktopWrite,
  linkTopic,
  type OnceStore,
  type Outgoing,
} from "../core/ports.ts";
import type { DesktopState } from "../core/state.ts";

function desktopOf(driver: ControllerDriver): DesktopState {
  if (driver.desktop === null) throw new Error("unreachable");
  return driver.desktop;
}

/** Runs the suite of a DesktopStore; `make` gives an empty one and the way to close it. */
export function desktopStoreContract(
  name: string,
  make: () => Promise<{ store: DesktopStore; bus: Bus; close: () => Promise<void> }>,
): void {
  const test = (title: string, run: (store: DesktopStore, bus: Bus) => Promise<void>) =>
    Deno.test(`${name}: ${title}`, async () => {
      const { store, bus, close } = await make();
      try {
        await run(store, bus);
      } finally {
        await close();
      }
    });
  const connected = desktopOf(new ControllerDriver().run(...SCRIPTS.connected));

  test("an unknown desktop is null", async (store) => {
    assert.equal(await store.load(DESKTOP), null);
    assert.equal(await store.desktopOf(SESSION), null);
    assert.deepEqual(await store.list(), []);
    assert.equal(await store.size(), 0);
  });

  test("what was saved is loaded, with a revision that grows", async (store) => {
    assert.equal(await store.save(DESKTOP, 0, { desktop: connected }), "saved");
    assert.deepEqual(await store.load(DESKTOP), { revision: 1, desktop: connected });
    assert.equal(await store.save(DESKTOP, 1, { desktop: connected }), "saved");
    assert.equal((await store.load(DESKTOP))?.revision, 2);
    assert.deepEqual(await store.list(), [connected]);
    assert.deepEqual(await store.recall(DESKTOP), await store.load(DESKTOP));
    assert.equal(await store.size(), 1);
  });

  test("the newest three ended sessions are found, also when their desktop is forgotten", async (store) => {
    const { desktop } = new ControllerDriver().run(...SCRIPTS.connected, on.kill());
    assert.ok(desktop !== null);
    const [first] = desktop.ended;
    const ids = [1, 2, 3, 4, 5].map((n) => `00000000-0000-4000-8000-00000000000${n}`);
    const ended = ids.map((sessionId, n) => ({
      ...first,
      sessionId,
      endedAtMs: first.endedAtMs + n,
    }));
    assert.equal(await store.recordOf(ids[0]), null);
    // One by one, then two at once: what comes for a desktop meanwhile is written together.
    for (const [revision, count] of [1, 2, 3, 5].entries()) {
      const write: DesktopWrite = { desktop: { ...desktop, ended: ended.slice(0, count) } };
      assert.equal(await store.save(DESKTOP, revision, write), "saved");
    }
    assert.equal(await store.save(DESKTOP, 4, { desktop: null }), "saved");
    assert.equal(await store.desktopOf(ids[4]), null);
    const found = await Promise.all(ids.map((id) => store.recordOf(id)));
    assert.deepEqual(found.map((r) => r?.session ?? null), [null, null, ...ended.slice(2)]);
    assert.deepEqual([found[4]?.agent, found[4]?.caps], [desktop.agent, desktop.caps]);
  });

  test("only one of two writers with the same revision wins", async (store) => {
    const results = await Promise.all(
      Array.from({ length: 8 }, () => store.save(DESKTOP, 0, { desktop: connected })),
    );
    assert.equal(results.filter((r) => r === "saved").length, 1);
    assert.equal(await store.save(DESKTOP, 0, { desktop: connected }), "conflict");
    assert.equal(await store.save(DESKTOP, 2, { desktop: connected }), "conflict");
    assert.equal((await store.load(DESKTOP))?.revision, 1);
  });

  test("sessions are found while live and after their end, until they are forgotten", async (store) => {
    await store.save(DESKTOP, 0, { desktop: connected });
    assert.equal(await store.desktopOf(SESSION), DESKTOP);
    const driver = new ControllerDriver().run(...SCRIPTS.connected, on.kill());
    await store.save(DESKTOP, 1, { desktop: desktopOf(driver) });
    assert.equal(await store.desktopOf(SESSION), DESKTOP);
    await store.save(DESKTOP, 2, { desktop: { ...desktopOf(driver), ended: [] } });
    assert.equal(await store.desktopOf(SESSION), null);
  });

  test("a deleted desktop is gone with its sessions and may begin anew", async (store) => {
    await store.save(DESKTOP, 0, { desktop: connected });
    assert.equal(await store.save(DESKTOP, 1, { desktop: null }), "saved");
    assert.equal(await store.load(DESKTOP), null);
    assert.equal(await store.desktopOf(SESSION), null);
    assert.equal(await store.save(DESKTOP, 1, { desktop: connected }), "conflict");
    assert.equal(await store.save(DESKTOP, 0, { desktop: connected }), "saved");
  });

  test(
    "what leaves with a write is published, in order; with a lost race it is not",
    async (store, bus) => {
      const { promise, stop } = collect(bus, linkTopic("one"), 3);
      const notices = collect(bus, "notices", 1);
      await Promise.all([bus.settled(linkTopic("one")), bus.settled("notices")]);
      const mail = (requestId: string): Outgoing => ({
        kind: "mail",
        linkId: "one",
        draft: { type: "SESSION_REQUEST", desktopId: DESKTOP, payload: { requestId } },
      });
      await store.save(DESKTOP, 0, { desktop: connected, out: [mail("a"), mail("b")] });
      await store.save(DESKTOP, 0, { desktop: connected, out: [mail("lost")] });
      const notice: Outgoing = { kind: "notice", topic: "notices", message: { x: [1] } };
      await store.save(DESKTOP, 1, { desktop: connected, out: [notice, mail("c")] });
      const got = await promise as { draft: { payload: { requestId: string } } }[];
      assert.deepEqual(got.map((m) => m.draft.payload.requestId), ["a", "b", "c"]);
      assert.deepEqual(await notices.promise, [{ x: [1] }]);
      stop();
      notices.stop();
    },
  );
}

/** Resolves with what a topic brought once `count` messages are there. */
function collect(bus: Bus, topic: string, count: number) {
  const got: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<unknown[]>();
  const stop = bus.subscribe(topic, (message) => {
    if (got.push(message) === count) resolve(got);
  });
  return { promise, stop };
}

/** Runs the suite of a Bus. */
export function busContract(
  name: string,
  make: () => Promise<{ bus: Bus; close: () => Promise<void> }>,
): void {
  Deno.test(`${name}: messages reach the topic's subscribers in order, and nobody else`, async () => {
    const { bus, close } = await make();
    const one: unknown[] = [];
    const two: unknown[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const stopOne = bus.subscribe("a", (m) => one.push(m));
    const stopTwo = bus.subscribe("a", (m) => {
      two.push(m);
      if (m === null) resolve();
    });
    const stopOther = bus.subscribe("b", () => assert.fail("wrong topic"));
    await Promise.all([bus.settled("a"), bus.settled("b")]);
    await bus.publish("a", { n: 1 });
    await bus.publishBytes("b", new Uint8Array([1]));
    await bus.publish("a", ["2"]);
    await bus.publish("nobody", 0);
    await bus.publish("a", null);
    await promise;
    assert.deepEqual(one, [{ n: 1 }, ["2"], null]);
    assert.deepEqual(two, one);
    stopOne();
    await bus.publish("a", null);
    assert.equal(one.length, 3);
    stopTwo();
    stopOther();
    await close();
  });
}

/** Runs the suite of a Bus's bytes. */
export function bytesContract(
  name: string,
  make: () => Promise<{ bus: Bus; close: () => Promise<void> }>,
): void {
  Deno.test(`${name}: bytes arrive as they were sent`, async () => {
    const { bus, close } = await make();
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const stop = bus.subscribe("a", () => assert.fail("bytes are no JSON"), resolve);
    await bus.settled("a");
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i * 7);
    await bus.publishBytes("a", bytes);
    assert.deepEqual([...await promise], [...bytes]);
    stop();
    await close();
  });
}

/** Runs the suite of an OnceStore; `advance` moves its clock. */
export function onceStoreContract(
  name: string,
  make: () => Promise<
    { once: OnceStore; advance: (ms: number) => Promise<void>; close: () => Promise<void> }
  >,
): void {
  Deno.test(`${name}: a secret is taken once, by one, in time`, async () => {
    const { once, advance, close } = await make();
    assert.equal(await once.put("a", "value", 1_000), true);
    const taken = await Promise.all([once.take("a"), once.take("a"), once.take("b")]);
    assert.deepEqual(taken.toSorted(), ["value", null, null].toSorted());
    assert.equal(await once.take("a"), null);
    await once.put("late", "value", 1_000);
    await advance(1_001);
    assert.equal(await once.take("late"), null);
    await close();
  });
}
