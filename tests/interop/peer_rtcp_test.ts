/**
 * What a viewer says by RTCP, byte by byte and over real SRTP: a browser can be made to send
 * neither a FIR nor a wrong one. The viewer is werift, the agent's peer is either library's.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type RtcpPacket, RTCRtpCodecParameters } from "werift";
import { LibdatachannelPeer } from "../../agent/adapters/peer_libdatachannel/mod.ts";
import { WeriftPeer } from "../../agent/adapters/peer_werift/mod.ts";
import type { Peer, PeerEvents, PeerOptions } from "../../agent/core/ports.ts";
import { LOOPBACK } from "../support/peer_viewer.ts";
import { poll } from "../support/process.ts";
import { withWeriftConsole } from "../support/werift_console.ts";

const LIBRARIES: Readonly<Record<string, (options: PeerOptions, events: PeerEvents) => Peer>> = {
  werift: (options, events) => new WeriftPeer(options, events),
  libdatachannel: (options, events) => new LibdatachannelPeer(options, events),
};

/** Payload-specific feedback (RFC 4585 section 6.1) in words of 32 bits after the header. */
function feedback(format: number, ...words: readonly number[]): RtcpPacket {
  const bytes = Buffer.alloc(4 + words.length * 4);
  bytes.set([0x80 | format, 206, 0, words.length]);
  words.forEach((word, i) => bytes.writeUInt32BE(word >>> 0, 4 + i * 4));
  return { serialize: () => bytes } as RtcpPacket;
}

const SENDER = 1;
/** RFC 4585 section 6.3.1. */
const pli = (ssrc: number) => feedback(1, SENDER, ssrc);
/** RFC 5104 section 4.3.1.1: the target is in the entry, and the media source is 0. */
const fir = (ssrc: number, sequence: number) => feedback(4, SENDER, 0, ssrc, sequence << 24);
/** draft-alvestrand-rmcat-remb-03 section 2.2: one source, an exponent of 6 bits and 18 bits. */
const remb = (ssrc: number, kbps: number) =>
  feedback(15, SENDER, 0, 0x52454d42, 1 << 24 | 6 << 18 | Math.round(kbps * 1_000 / 64), ssrc);

const H264 = new RTCRtpCodecParameters({
  mimeType: "video/H264",
  clockRate: 90_000,
  parameters: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
  rtcpFeedback: [{ type: "nack", parameter: "pli" }, { type: "ccm", parameter: "fir" }],
});

for (const [library, create] of Object.entries(LIBRARIES)) {
  Deno.test(`${library} peer: PLI and FIR ask for a keyframe of this stream only, REMB sets the target`, async () => {
    const asked: string[] = [];
    const candidates: string[] = [];
    const peer = create(LOOPBACK, {
      onState: () => {},
      onLayer: () => {},
      onCandidate: (told) => void (told !== null && candidates.push(told.candidate)),
      onChannelOpen: () => {},
      onChannelClose: () => {},
      onMessage: () => {},
      onDrain: () => {},
      onKeyframeRequest: (reason) => asked.push(reason),
      onVideoTarget: () => {},
    });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => peer.close());
    await withWeriftConsole({ peer, candidates }, async (viewer) => {
      await poll("video", 10_000, () => peer.videoReady || null);
      const [dtls] = viewer.dtlsTransports;
      const ssrc = Number(/^a=ssrc:(\d+) /m.exec(viewer.remoteDescription?.sdp ?? "")?.[1]);
      for (const packet of [pli(ssrc + 1), fir(ssrc + 1, 1), pli(ssrc)]) {
        await dtls.sendRtcp([packet]);
      }
      await poll("the PLI", 5_000, () => asked.length > 0 || null);
      await dtls.sendRtcp([fir(ssrc, 2)]);
      await poll("the FIR", 5_000, () => asked.length > 1 || null);
      assert.deepEqual(asked, ["pli", "fir"]);

      await dtls.sendRtcp([remb(ssrc, 6_000)]);
      await poll("the REMB", 5_000, () => peer.network?.reason === "remb" || null);
      assert.equal(peer.network?.targetKbps, 5_400);
    }, {
      config: { codecs: { video: [H264], audio: [] }, bundlePolicy: "max-bundle" },
      prepare: (viewer) => void viewer.addTransceiver("video", { direction: "recvonly" }),
    });
  });
}
