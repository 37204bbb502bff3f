/** Makes each viewer's peer by the library that fits it (core/peer_choice.ts). */
import { choosePeerLibrary, type PeerLibrary } from "../core/peer_choice.ts";
import type { PeerFactory } from "../core/ports.ts";
import { createWeriftPeer, warmUpPeers } from "./peer_werift/mod.ts";

/** Loads the libraries; `report` hears why the native one cannot be used. */
export async function loadPeers(
  setting: PeerLibrary | "auto",
  report: (why: string) => void,
): Promise<PeerFactory> {
  const native = setting === "werift" ? null : await loadNative(report);
  // The first session would wait for the certificate otherwise.
  await warmUpPeers();
  return (options, events) => {
    const { relayOnly, failures = 0 } = options;
    const library = choosePeerLibrary({ setting, native: native !== null, relayOnly, failures });
    return library === "werift" || native === null
      ? createWeriftPeer(options, events)
      : native(options, events);
  };
}

/** Null where the package has no binary for this platform, or its C library is another. */
async function loadNative(report: (why: string) => void): Promise<PeerFactory | null> {
  try {
    return (await import("./peer_libdatachannel/mod.ts")).createLibdatachannelPeer;
  } catch (cause) {
    report(cause instanceof Error ? cause.message : String(cause));
    return null;
  }
}
