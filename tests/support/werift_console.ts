/** A console without a browser: werift, which says what no browser can be made to say. */
import { type PeerConfig, RTCPeerConnection } from "werift";
import { connectionInternals } from "../../agent/adapters/peer_werift/internals.ts";
import { WeriftPeer } from "../../agent/adapters/peer_werift/mod.ts";
import type { Peer } from "../../agent/core/ports.ts";
import { until } from "./peer_attacks.ts";

/** A peer and the candidates that it has told so far. */
export interface Answering {
  readonly peer: Peer;
  readonly candidates: readonly string[];
}

export interface WeriftConsoleOptions {
  readonly config?: Partial<PeerConfig>;
  /** Adds what shall be offered beside a data channel. */
  readonly prepare?: (viewer: RTCPeerConnection) => void;
}

/** Joins a console to `peer` on loopback, with full keys, and runs `run`. */
export async function withWeriftConsole(
  { peer, candidates }: Answering,
  run: (viewer: RTCPeerConnection) => Promise<void>,
  { config = {}, prepare = () => {} }: WeriftConsoleOptions = {},
): Promise<void> {
  const viewer = new RTCPeerConnection({
    iceServers: [],
    iceInterfaceAddresses: { udp4: "127.0.0.1" },
    iceAdditionalHostAddresses: ["127.0.0.1"],
    iceUseIpv6: false,
    ...config,
  });
  try {
    prepare(viewer);
    const channel = viewer.createDataChannel("control");
    const [ice] = viewer.iceTransports;
    const internals = connectionInternals(ice.connection);
    internals.stunServer = undefined;
    const gather = internals.getCandidatePromises.bind(internals);
    internals.getCandidatePromises = () => gather(["127.0.0.1"]);
    await viewer.setLocalDescription(await viewer.createOffer());
    const answer = await peer.answer(viewer.localDescription!.sdp);
    await viewer.setRemoteDescription({ type: "answer", sdp: answer });
    await until("the peer's candidate", () => candidates.length > 0);
    for (const candidate of candidates) await viewer.addIceCandidate({ candidate, sdpMid: "0" });
    // werift's SCTP does not get on with libdatachannel's; its DTLS does.
    const ready = peer instanceof WeriftPeer
      ? () => channel.readyState === "open"
      : () => viewer.dtlsTransports[0].state === "connected";
    await until("a way in", ready);
    await run(viewer);
  } finally {
    await viewer.close();
    // Its own DTLS sleeps up to half a second after its last flight.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
  }
}
