import assert from "node:assert/strict";
import type { Draft } from "@farglass/protocol";
import { StoreUnavailable } from "../core/ports.ts";
import type { DesktopState } from "../core/state.ts";
import type { LinkHub } from "./link_hub.ts";
import type { HubLink } from "./link_types.ts";
import { MemoryBus, MemoryDesktopStore } from "./memory_store.ts";
import { SignalRouter, type SignalRouterOptions } from "./signal_router.ts";

/** Refuses its first lists although it is there, as a Redis that took too long does. */
class RefusingStore extends MemoryDesktopStore {
  refusals = 2;

  override list(): Promise<readonly DesktopState[]> {
    if (this.refusals-- > 0) return Promise.reject(new StoreUnavailable("unreachable"));
    return super.list();
  }
}

Deno.test("a list that the store refused is sent once the store gives it", async () => {
  const viewer = { linkId: "console", identity: { role: "console" }, desktopIds: new Set() };
  const { promise, resolve } = Promise.withResolvers<Draft>();
  const store = new RefusingStore(new MemoryBus());
  const hub = {
    linksOf: () => [viewer],
    send: (_linkId: string, draft: Draft) => resolve(draft),
  };
  const router = new SignalRouter(
    { store, hub: () => hub as unknown as LinkHub } as unknown as SignalRouterOptions,
  );
  await router.opened(viewer as unknown as HubLink, false);
  assert.deepEqual(await promise, { type: "DESKTOP_LIST", payload: { desktops: [] } });
  assert.equal(store.refusals, -1);
});
