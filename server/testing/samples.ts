/** Messages' contents that pass every check. */
import type { AgentInfo, DesktopCaps } from "@farglass/protocol";

export const CAPS: DesktopCaps = {
  name: "Test desktop",
  transports: ["webrtc", "diff"],
  encoders: [{
    name: "libx264",
    codec: "h264",
    hardware: false,
    minBitrateKbps: 100,
    maxBitrateKbps: 20_000,
    defaultBitrateKbps: 6_000,
    maxFps: 60,
    defaultFps: 30,
  }],
  displays: [{ id: "0", name: "screen", width: 1280, height: 720, primary: true }],
  input: { pointer: true, keyboard: true },
  audio: { available: false },
  capture: "synthetic",
  policy: { viewOnly: false, diffOnly: false, videoOnly: false, consent: "allow" },
};

export const agentInfo = (agentId: string): AgentInfo => ({
  agentId,
  name: "test agent",
  hostname: "machine",
  os: "linux",
  software: "0.1.0",
});

/** A description that passes the checks; `codecs` fill the video section. */
export function sampleSdp(options: { readonly codecs?: readonly string[] } = {}): string {
  const fingerprint = Array.from({ length: 32 }, () => "AB").join(":");
  const codecs = options.codecs ?? ["H264"];
  const video = codecs.length === 0 ? [] : [
    `m=video 9 UDP/TLS/RTP/SAVPF ${codecs.map((_, i) => 96 + i).join(" ")}`,
    "c=IN IP4 0.0.0.0",
    ...codecs.map((c, i) => `a=rtpmap:${96 + i} ${c}/90000`),
  ];
  return [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=ice-ufrag:test",
    `a=ice-pwd:${"p".repeat(22)}`,
    `a=fingerprint:sha-256 ${fingerprint}`,
    ...video,
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "",
  ].join("\r\n");
}

export const sampleCandidate = (port: number): string =>
  `candidate:1 1 udp 2122260223 127.0.0.1 ${port} typ host`;
