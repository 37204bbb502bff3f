/**
 * Consoles that receive and throw away: signalling, DTLS, SRTP and feedback are real, nothing is
 * decoded. Ten Chromium pages would take more of two cores than there is, and so disturb what is
 * measured.
 *
 *   deno run -A viewers_receivers.ts SIGN_IN_LINK DESKTOP_ID COUNT
 *
 * Prints `{"ready":true}` when all receive video, then one JSON line a second.
 */
import { type Message, type MessageOf, PEER_HEARTBEAT_MS } from "@farglass/protocol";
import { RTCPeerConnection, RTCRtpCodecParameters, RTCRtpHeaderExtensionParameters } from "werift";
import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { EXTENSION_URI } from "../../agent/core/rtp_extensions.ts";
import { type BenchLink, openConsole, type Target } from "./signalling_client.ts";

const [link, desktopId, count] = Deno.args;

async function signIn(): Promise<Target> {
  const answer = await fetch(link, { redirect: "manual" });
  await answer.body?.cancel();
  const { origin } = new URL(link);
  const cookie = answer.headers.getSetCookie()[0].split(";")[0];
  const signalUrl = `${origin.replace("http", "ws")}/ws/rd-signal`;
  return { signalUrl, baseUrl: origin, agentSecret: "", cookie };
}

const H264 = new RTCRtpCodecParameters({
  mimeType: "video/H264",
  clockRate: 90_000,
  payloadType: 108,
  rtcpFeedback: [
    ...[{ type: "nack" }, { type: "nack", parameter: "pli" }],
    { type: "ccm", parameter: "fir" },
  ],
  parameters: "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1",
});

const FEEDBACK_MS = 50;
const REFERENCE_MS = 64;
const DELTAS_PER_MS = 4;

/**
 * Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) as a browser sends
 * it; the library's own has the wrong length.
 */
class Feedback {
  #arrivals: { readonly sequence: number; readonly atMs: number }[] = [];
  #count = 0;

  arrived(sequence: number): void {
    this.#arrivals.push({ sequence, atMs: performance.now() });
  }

  /** What came since the last time, or null when nothing did. */
  take(ssrc: number): Buffer | null {
    const arrivals = this.#arrivals.splice(0);
    if (arrivals.length === 0) return null;
    const reference = Math.floor(arrivals[0].atMs / REFERENCE_MS);
    let { sequence, atMs } = { ...arrivals[0], atMs: reference * REFERENCE_MS };
    let packets = 0;
    const chunks: number[] = [];
    const deltas: number[] = [];
    const run = (status: number, length: number) => {
      packets += length;
      chunks.push(status << 13 | length);
    };
    for (const one of arrivals) {
      const missing = (one.sequence - sequence) & 0xffff;
      // Late ones are left out: loopback has next to none.
      if (missing > 1_000) continue;
      if (missing > 0) run(0, missing);
      run(1, 1);
      const delta = Math.min(255, Math.round((one.atMs - atMs) * DELTAS_PER_MS));
      deltas.push(delta);
      atMs += delta / DELTAS_PER_MS;
      sequence = (one.sequence + 1) & 0xffff;
    }
    const bytes = 20 + chunks.length * 2 + deltas.length;
    const out = Buffer.alloc(Math.ceil(bytes / 4) * 4);
    out.set([0x8f, 205]);
    out.writeUInt16BE(out.length / 4 - 1, 2);
    out.writeUInt32BE(1, 4);
    out.writeUInt32BE(ssrc, 8);
    out.writeUInt16BE(arrivals[0].sequence, 12);
    out.writeUInt16BE(packets, 14);
    out.writeUIntBE(reference & 0xffffff, 16, 3);
    out[19] = this.#count++ & 0xff;
    chunks.forEach((chunk, i) => out.writeUInt16BE(chunk, 20 + i * 2));
    out.set(deltas, 20 + chunks.length * 2);
    return out;
  }
}

class Receiver {
  packets = 0;
  pictures = 0;
  #sessionId = "";
  readonly #pc = new RTCPeerConnection({
    iceServers: [],
    iceUseIpv6: false,
    iceInterfaceAddresses: { udp4: "127.0.0.1" },
    iceAdditionalHostAddresses: ["127.0.0.1"],
    bundlePolicy: "max-bundle",
    codecs: { audio: [], video: [H264] },
    headerExtensions: {
      video: Object.values(EXTENSION_URI).map((uri) =>
        new RTCRtpHeaderExtensionParameters({ uri })
      ),
    },
  });

  constructor(private readonly client: BenchLink) {
    let last = Promise.resolve();
    client.onMessage = (message) => {
      last = last.then(() => this.#onMessage(message)).catch((error) => console.error(error));
    };
    client.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId: randomUUID() } });
  }

  async #onMessage(message: Message): Promise<void> {
    if (message.type === "DESKTOP_CAPS" && this.#sessionId === "" && message.sessionId) {
      this.#sessionId = message.sessionId;
      await this.#offer();
    } else if (message.type === "DESKTOP_WEBRTC_SIGNAL") await this.#onSignal(message);
    else if (message.type === "ERROR") console.error(JSON.stringify(message.payload));
  }

  async #offer(): Promise<void> {
    const pc = this.#pc;
    const video = pc.addTransceiver("video", { direction: "recvonly" });
    video.onTrack.subscribe((track) => {
      const feedback = new Feedback();
      track.onReceiveRtp.subscribe(({ header }) => {
        this.packets++;
        if (header.marker) this.pictures++;
        const id = video.headerExtensions.find(({ uri }) => uri === EXTENSION_URI.transportWideCc);
        const sequence = header.extensions.find((one) => one.id === id?.id)?.payload;
        if (sequence !== undefined) feedback.arrived(sequence.readUInt16BE());
      });
      setInterval(() => {
        const packet = feedback.take(track.ssrc ?? 0);
        if (packet !== null) {
          void video.dtlsTransport.sendRtcp([{ serialize: () => packet }] as never);
        }
      }, FEEDBACK_MS);
      video.receiver.sendRtcpPLI(track.ssrc ?? 0).catch(() => {});
    });
    pc.onIceCandidate.subscribe((candidate) => {
      if (candidate?.candidate === undefined) return;
      const { candidate: line, sdpMid = null, sdpMLineIndex = null } = candidate;
      const trickled = { candidate: line, sdpMid, sdpMLineIndex };
      this.#send("DESKTOP_WEBRTC_SIGNAL", { kind: "ice-candidate", generation: 1, ...trickled });
    });
    pc.iceConnectionStateChange.subscribe((state) => {
      if (state !== "connected") return;
      this.#send("PEER_STATE", { generation: 1, state });
      // By the server, as a console without data channels does.
      this.#send("VIEWER_CONTROL", { op: "select", transport: "rtp", epoch: 1 });
      const ping = { op: "ping", id: 1, at: 0 } as const;
      setInterval(() => this.#send("VIEWER_CONTROL", ping), PEER_HEARTBEAT_MS);
    });
    const offer = await pc.createOffer();
    await pc.setLocalDescription(offer);
    const sdp = pc.localDescription?.sdp ?? "";
    this.#send("DESKTOP_WEBRTC_SIGNAL", { kind: "offer", generation: 1, sdp });
  }

  async #onSignal({ payload }: MessageOf<"DESKTOP_WEBRTC_SIGNAL">): Promise<void> {
    if (payload.kind === "answer") {
      // Else the library would send feedback of its own.
      const sdp = payload.sdp.replaceAll(/^a=rtcp-fb:\d+ transport-cc\r\n/gm, "");
      await this.#pc.setRemoteDescription({ type: "answer", sdp });
    } else if (payload.kind === "ice-candidate") {
      const { candidate, sdpMid, sdpMLineIndex } = payload;
      await this.#pc.addIceCandidate({
        candidate,
        sdpMid: sdpMid ?? undefined,
        sdpMLineIndex: sdpMLineIndex ?? undefined,
      });
    }
  }

  #send<T extends "PEER_STATE" | "DESKTOP_WEBRTC_SIGNAL" | "VIEWER_CONTROL">(
    type: T,
    payload: MessageOf<T>["payload"],
  ): void {
    this.client.send({ type, desktopId, sessionId: this.#sessionId, payload } as never);
  }
}

const target = await signIn();
const receivers: Receiver[] = [];
for (let i = 0; i < Number(count); i++) {
  const receiver = new Receiver(await openConsole(target));
  receivers.push(receiver);
  // One after the other: the server takes only so many offers at a time.
  while (receiver.pictures === 0) await new Promise((resolve) => setTimeout(resolve, 50));
}
let before = { packets: 0, pictures: 0 };
setInterval(() => {
  const sum = (of: "packets" | "pictures") => receivers.reduce((all, one) => all + one[of], 0);
  const now = { packets: sum("packets"), pictures: sum("pictures") };
  console.log(JSON.stringify({
    ready: true,
    packetsPerSecond: (now.packets - before.packets) / receivers.length,
    picturesPerSecond: (now.pictures - before.pictures) / receivers.length,
    least: Math.min(...receivers.map(({ pictures }) => pictures)),
  }));
  before = now;
}, 1_000);
