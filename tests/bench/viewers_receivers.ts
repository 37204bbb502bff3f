/**
 * Consoles that receive and throw away: signalling, DTLS, SRTP and feedback are real, nothing is
 * decoded. Ten Chromium pages would take more of two cores than there is, and so disturb what is
 * measured; so would a receiver that is slow, for its packets then seem to queue in the network.
 *
 *   deno run -A viewers_receivers.ts SIGN_IN_LINK DESKTOP_ID COUNT rtp|diff-dc|hybrid
 *
 * Prints `{"ready":true}` when all receive pictures, then one JSON line a second.
 */
import {
  CHANNELS,
  decodeDiff,
  encodeDiffAck,
  type Message,
  type MessageOf,
  PEER_HEARTBEAT_MS,
} from "@farglass/protocol";
import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { type DataChannel, PeerConnection, type Track, Video } from "node-datachannel";
import { EXTENSION_URI } from "../../agent/core/rtp_extensions.ts";
import { type BenchLink, openConsole, type Target } from "./signalling_client.ts";

const [link, desktopId, count, transport] = Deno.args;

async function signIn(): Promise<Target> {
  const answer = await fetch(link, { redirect: "manual" });
  await answer.body?.cancel();
  const { origin } = new URL(link);
  const cookie = answer.headers.getSetCookie()[0].split(";")[0];
  const signalUrl = `${origin.replace("http", "ws")}/ws/rd-signal`;
  return { signalUrl, baseUrl: origin, agentSecret: "", cookie };
}

const PAYLOAD_TYPE = 108;
const RTX_PAYLOAD_TYPE = 109;
const CLOCK_HZ = 90_000;
const H264 = "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1";
/** What a browser offers, with RTX: without it a sender cannot pad, and so cannot probe. */
function videoSection(): Video {
  const video = new Video("0", "RecvOnly");
  video.addVideoCodec(PAYLOAD_TYPE, "H264", H264);
  for (const feedback of ["ccm fir", "transport-cc"]) {
    video.parseSdpLine(`a=rtcp-fb:${PAYLOAD_TYPE} ${feedback}`);
  }
  video.addRTXCodec(RTX_PAYLOAD_TYPE, PAYLOAD_TYPE, CLOCK_HZ);
  Object.values(EXTENSION_URI).forEach((uri, i) => video.parseSdpLine(`a=extmap:${i + 1} ${uri}`));
  return video;
}
const SEQUENCE_ID = 1 + Object.values(EXTENSION_URI).indexOf(EXTENSION_URI.transportWideCc);

/** The transport-wide number of an RTP packet (RFC 8285 section 4.2), or null. */
function sequenceOf(packet: Buffer): number | null {
  if ((packet[0] & 0x10) === 0) return null;
  let at = 12 + (packet[0] & 0x0f) * 4;
  const end = at + 4 + packet.readUInt16BE(at + 2) * 4;
  at += 4;
  while (at < end) {
    const bytes = (packet[at] & 0x0f) + 1;
    if (packet[at] >> 4 === SEQUENCE_ID) return packet.readUInt16BE(at + 1);
    at += packet[at] === 0 ? 1 : 1 + bytes;
  }
  return null;
}

const FEEDBACK_MS = 50;
const REFERENCE_MS = 64;
const DELTAS_PER_MS = 4;

/**
 * Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) as a browser sends
 * it.
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

/** Whether RTP time `a` (90 kHz, modulo 2^32) is no earlier than `b`. */
const notBefore = (a: number, b: number): boolean => ((a - b) >>> 0) < 0x80000000;

class Receiver {
  packets = 0;
  bytes = 0;
  /** Pictures of video, and frames of patches. */
  videoPictures = 0;
  diffFrames = 0;
  #sessionId = "";
  readonly #pc = new PeerConnection("console", {
    iceServers: [],
    disableAutoNegotiation: true,
    bindAddress: "127.0.0.1",
  });
  readonly #track: Track;
  readonly #control: DataChannel;
  readonly #diff: DataChannel;
  readonly #feedback = new Feedback();
  readonly #candidates: {
    readonly candidate: string;
    readonly sdpMid: string;
    readonly sdpMLineIndex: number;
  }[] = [];
  #ssrc = 0;
  #videoTime: number | null = null;
  /** Hybrid: the regions that were told and are not shown yet. */
  #regions: { readonly version: number; readonly sinceRtpTime: number } | null = null;
  #shownVersion = 0;

  constructor(private readonly client: BenchLink) {
    client.onMessage = (message) => this.#onMessage(message);
    this.#track = this.#pc.addTrack(videoSection());
    this.#track.onMessage((packet) => this.#onPacket(packet));
    this.#control = this.#pc.createDataChannel(CHANNELS.control.label);
    this.#control.onOpen(() => this.#onOpen());
    this.#diff = this.#pc.createDataChannel(CHANNELS.diff.label);
    this.#diff.onMessage((message) => this.#onDiff(message));
    client.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId: randomUUID() } });
  }

  #onPacket(packet: Buffer): void {
    const payloadType = packet[1] & 0x7f;
    // RTCP shares the port (RFC 5761 section 4).
    if (payloadType !== PAYLOAD_TYPE && payloadType !== RTX_PAYLOAD_TYPE) return;
    const sequence = sequenceOf(packet);
    if (sequence !== null) this.#feedback.arrived(sequence);
    if (payloadType === RTX_PAYLOAD_TYPE) return;
    this.#ssrc = packet.readUInt32BE(8);
    this.packets++;
    this.bytes += packet.length;
    if ((packet[1] & 0x80) === 0) return;
    this.videoPictures++;
    this.#videoTime = packet.readUInt32BE(4);
    this.#showRegions();
  }

  get pictures(): number {
    return this.videoPictures + this.diffFrames;
  }

  /** Regions are shown with the first video picture of their time; without any, at once. */
  #showRegions(): void {
    const regions = this.#regions;
    if (regions === null) return;
    const { version, sinceRtpTime } = regions;
    if (this.#videoTime === null || !notBefore(this.#videoTime, sinceRtpTime)) return;
    this.#regions = null;
    this.#shownVersion = version;
    this.#control.sendMessage(JSON.stringify({ op: "regions", version }));
  }

  /** Answers each picture at once, as a console that paints in no time. */
  #onDiff(message: string | Buffer | ArrayBuffer): void {
    if (typeof message === "string") return;
    this.packets++;
    this.bytes += message.byteLength;
    const decoded = decodeDiff(new Uint8Array(message));
    if (!decoded.ok) throw new Error(decoded.error.message);
    const { frame, last, regions } = decoded.value;
    if (regions !== null && regions.version > this.#shownVersion) {
      this.#regions = regions;
      if (regions.rects.length === 0) this.#videoTime ??= regions.sinceRtpTime;
      this.#showRegions();
    }
    if (!last) return;
    this.diffFrames++;
    this.#diff.sendMessageBinary(encodeDiffAck({ frame, outcome: "painted" }));
  }

  /** By the data channel, as a browser does; the server hears of it only that it stands. */
  #onOpen(): void {
    this.#send("PEER_STATE", { generation: 1, state: "connected" });
    this.#control.sendMessage(JSON.stringify({ op: "select", transport, epoch: 1 }));
    const ping = JSON.stringify({ op: "ping", id: 1, at: 0 });
    setInterval(() => this.#control.sendMessage(ping), PEER_HEARTBEAT_MS);
    setInterval(() => {
      const packet = this.#feedback.take(this.#ssrc);
      if (packet !== null) this.#track.sendMessageBinary(packet);
    }, FEEDBACK_MS);
  }

  #onMessage(message: Message): void {
    if (message.type === "DESKTOP_CAPS" && this.#sessionId === "" && message.sessionId) {
      this.#sessionId = message.sessionId;
      this.#offer();
    } else if (message.type === "DESKTOP_WEBRTC_SIGNAL") this.#onSignal(message);
    else if (message.type === "ERROR") console.error(JSON.stringify(message.payload));
  }

  #offer(): void {
    const pc = this.#pc;
    pc.onLocalDescription((sdp) => {
      this.#send("DESKTOP_WEBRTC_SIGNAL", { kind: "offer", generation: 1, sdp });
    });
    pc.onLocalCandidate((line, sdpMid) => {
      const candidate = line.replace(/^a=/, "");
      this.#candidates.push({ candidate, sdpMid, sdpMLineIndex: 0 });
    });
    pc.setLocalDescription("offer");
  }

  #onSignal({ payload }: MessageOf<"DESKTOP_WEBRTC_SIGNAL">): void {
    if (payload.kind === "answer") {
      this.#pc.setRemoteDescription(payload.sdp, "answer");
      // Not sooner: the library would answer the agent's checks before it knows whose certificate
      // is the right one, and refuse it.
      for (const candidate of this.#candidates.splice(0)) {
        this.#send("DESKTOP_WEBRTC_SIGNAL", { kind: "ice-candidate", generation: 1, ...candidate });
      }
    } else if (payload.kind === "ice-candidate" && payload.candidate !== "") {
      this.#pc.addRemoteCandidate(`a=${payload.candidate}`, payload.sdpMid ?? "0");
    }
  }

  #send<T extends "PEER_STATE" | "DESKTOP_WEBRTC_SIGNAL">(
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
const FIGURES = ["packets", "bytes", "videoPictures", "diffFrames"] as const;
type Figure = (typeof FIGURES)[number];
const sums = () =>
  Object.fromEntries(
    FIGURES.map((key) => [key, receivers.reduce((all, one) => all + one[key], 0)]),
  ) as Record<Figure, number>;
let before = sums();
let slowest = receivers.map(({ pictures }) => pictures);
setInterval(() => {
  const now = sums();
  const perSecond = Object.fromEntries(
    FIGURES.map((key) => [key, (now[key] - before[key]) / receivers.length]),
  );
  const least = Math.min(...receivers.map(({ pictures }, i) => pictures - slowest[i]));
  console.log(JSON.stringify({ ready: true, ...perSecond, least }));
  before = now;
  slowest = receivers.map(({ pictures }) => pictures);
}, 1_000);
