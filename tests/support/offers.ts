/** Offers as Chromium 150 makes them for the console, shortened to what matters. */

const FINGERPRINT = Array.from({ length: 32 }, (_, i) => (i * 7 + 16).toString(16).toUpperCase())
  .join(":");

export const REMOTE_UFRAG = "vQwF";
export const REMOTE_PASSWORD = "y2ulbuTybEHuful8Ga9oEjPT";

/** H.264 formats as payload type, RTX payload type and parameters. */
export const CHROMIUM_H264: readonly (readonly [number, number, string])[] = [
  [102, 103, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"],
  [104, 107, "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f"],
  [108, 109, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"],
  [114, 115, "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"],
  [116, 117, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f"],
  [41, 42, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=f4001f"],
];

const transport = [
  "c=IN IP4 0.0.0.0",
  `a=ice-ufrag:${REMOTE_UFRAG}`,
  `a=ice-pwd:${REMOTE_PASSWORD}`,
  "a=ice-options:trickle",
  `a=fingerprint:sha-256 ${FINGERPRINT}`,
  "a=setup:actpass",
];

export interface OfferOptions {
  readonly h264?: typeof CHROMIUM_H264;
  readonly candidates?: readonly string[];
}

/** One video section with VP8 and H.264, one for data channels. */
export function chromiumOffer(options: OfferOptions = {}): string {
  const { h264 = CHROMIUM_H264, candidates = [] } = options;
  const formats = [96, 97, ...h264.flatMap(([primary, rtx]) => [primary, rtx])];
  const feedback = ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"];
  const codec = (payloadType: number, name: string) => [
    `a=rtpmap:${payloadType} ${name}/90000`,
    ...feedback.map((part) => `a=rtcp-fb:${payloadType} ${part}`),
  ];
  const rtx = (payloadType: number, primary: number) => [
    `a=rtpmap:${payloadType} rtx/90000`,
    `a=fmtp:${payloadType} apt=${primary}`,
  ];
  return [
    ...["v=0", "o=- 4611731400430051336 2 IN IP4 127.0.0.1", "s=-", "t=0 0"],
    ...["a=group:BUNDLE 0 1", "a=extmap-allow-mixed", "a=msid-semantic: WMS"],
    `m=video 9 UDP/TLS/RTP/SAVPF ${formats.join(" ")}`,
    ...transport,
    ...["a=rtcp:9 IN IP4 0.0.0.0", "a=mid:0"],
    "a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid",
    ...["a=recvonly", "a=rtcp-mux", "a=rtcp-rsize"],
    ...codec(96, "VP8"),
    ...rtx(97, 96),
    ...h264.flatMap(([payloadType, rtxType, parameters]) => [
      ...codec(payloadType, "H264"),
      `a=fmtp:${payloadType} ${parameters}`,
      ...rtx(rtxType, payloadType),
    ]),
    ...candidates.map((candidate) => `a=${candidate}`),
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ...transport,
    ...["a=mid:1", "a=sctp-port:5000", "a=max-message-size:262144"],
    "",
  ].join("\r\n");
}
