/** Which peer library carries a viewer. Pure. */

export const PEER_LIBRARIES = ["libdatachannel", "werift"] as const;
export type PeerLibrary = (typeof PEER_LIBRARIES)[number];

/**
 * libdatachannel is several times quicker. werift is the one that keeps the own addresses to itself
 * (relay only) and speaks TCP and TLS to a TURN server, so after an attempt that never connected
 * the other one is tried.
 */
export function choosePeerLibrary(about: {
  readonly setting: PeerLibrary | "auto";
  /** Whether the native library could be loaded on this machine. */
  readonly native: boolean;
  readonly relayOnly: boolean;
  /** Peers of this session in a row that never connected. */
  readonly failures: number;
}): PeerLibrary {
  if (!about.native || about.relayOnly) return "werift";
  if (about.setting !== "auto") return about.setting;
  return about.failures % 2 === 0 ? "libdatachannel" : "werift";
}
