import assert from "node:assert/strict";
import {
  ControllerDriver,
  DESKTOP,
  on,
  SCRIPTS,
  SESSION,
  START,
} from "../testing/controller_driver.ts";
import { MemoryBus, MemoryDesktopStore, MemoryOnceStore } from "./memory_store.ts";
import {
  busContract,
  bytesContract,
  desktopStoreContract,
  onceStoreContract,
} from "./store_contract.ts";

const close = () => Promise.resolve();

desktopStoreContract(
  "MemoryDesktopStore",
  () => {
    const bus = new MemoryBus();
    const store = new MemoryDesktopStore(bus, { keepMs: 60_000, perDesktop: 3 }, () => START);
    return Promise.resolve({ store, bus, close });
  },
);
Deno.test("MemoryDesktopStore: a record goes when it is as old as the settings say", async () => {
  let now = START;
  const store = new MemoryDesktopStore(
    new MemoryBus(),
    { keepMs: 60_000, perDesktop: 3 },
    () => now,
  );
  const { desktop } = new ControllerDriver().run(...SCRIPTS.connected, on.kill());
  await store.save(DESKTOP, 0, { desktop });
  const endedAtMs = (await store.recordOf(SESSION))?.session.endedAtMs ?? 0;
  now = endedAtMs + 59_999;
  assert.ok(await store.recordOf(SESSION) !== null);
  now = endedAtMs + 60_000;
  assert.equal(await store.recordOf(SESSION), null);
});
bytesContract("MemoryBus", () => Promise.resolve({ bus: new MemoryBus(), close }));
busContract("MemoryBus", () => Promise.resolve({ bus: new MemoryBus(), close }));
onceStoreContract("MemoryOnceStore", () => {
  let now = 0;
  const advance = (ms: number) => {
    now += ms;
    return Promise.resolve();
  };
  return Promise.resolve({ once: new MemoryOnceStore(() => now), advance, close });
});
