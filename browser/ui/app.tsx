import { useSyncExternalStore } from "react";
import { SOFTWARE_VERSION } from "@farglass/protocol";
import type { ConsoleClient } from "../core/mod.ts";

/** The console's whole user interface. */
export function App({ client }: { client: ConsoleClient }) {
  const view = useSyncExternalStore(client.subscribe, client.getView);
  return <main>Farglass {SOFTWARE_VERSION}: {view.link.state}</main>;
}
