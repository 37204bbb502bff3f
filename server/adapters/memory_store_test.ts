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
    return Promise.resolve({ store: new MemoryDesktopStore(bus), bus, close });
  },
);
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
