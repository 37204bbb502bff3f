/** Runs in the page: an RTCPeerConnection like the console's, and readers of what it shows. */
const config = JSON.parse(document.body.dataset.config);
const pc = new RTCPeerConnection(config);
const channels = {};
const received = {};
const video = document.createElement("video");
video.muted = true;
video.autoplay = true;
document.body.append(video);
pc.ontrack = ({ receiver, track }) => {
  receiver.jitterBufferTarget = 0;
  if (track.kind === "audio") return;
  video.srcObject = new MediaStream([track]);
  void video.play();
};
pc.onicecandidate = ({ candidate }) => {
  void globalThis.agentCandidate(candidate?.candidate ? candidate.toJSON() : null);
};
pc.addTransceiver("video", { direction: "recvonly" });
if (config.sound) pc.addTransceiver("audio", { direction: "recvonly" });
function open(label, init) {
  const channel = pc.createDataChannel(label, init);
  channel.binaryType = "arraybuffer";
  received[label] = [];
  channel.onmessage = ({ data }) => {
    received[label].push(typeof data === "string" ? data : [...new Uint8Array(data)]);
  };
  channels[label] = channel;
}
open("control", { ordered: true });
open("input", { ordered: true });
open("motion", { ordered: false, maxRetransmits: 0 });
open("diff", { ordered: true });
const canvas = document.createElement("canvas");
globalThis.viewer = {
  pc,
  video,
  channels,
  received,
  open,
  async offer() {
    if (!config.sound) await pc.setLocalDescription();
    else {
      const { type, sdp } = await pc.createOffer();
      // Chromium decodes one channel unless its own description asks for two.
      const stereo = sdp.replace(/^(a=fmtp:\d+ .*useinbandfec=1)/gm, "$1;stereo=1");
      await pc.setLocalDescription({ type, sdp: stereo });
    }
    return pc.localDescription.sdp;
  },
  async inbound(kind = "video") {
    for (const report of (await pc.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.kind === kind) return { ...report };
    }
    return null;
  },
  async pair() {
    const stats = await pc.getStats();
    for (const report of stats.values()) {
      if (report.type === "transport" && report.selectedCandidatePairId) {
        const pair = stats.get(report.selectedCandidatePairId);
        return {
          local: { ...stats.get(pair.localCandidateId) },
          remote: { ...stats.get(pair.remoteCandidateId) },
          dtlsRole: report.dtlsRole,
        };
      }
    }
    return null;
  },
  /** Colours at points of the video's own pixels. */
  pixels(points) {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0);
    return points.map(([x, y]) => [...context.getImageData(x, y, 1, 1).data.slice(0, 3)]);
  },
};
