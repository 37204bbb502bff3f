/** Stages of a session's WebRTC state, in the order of a good negotiation (design section 3). */
export const STAGES = [
  "requested",
  "approved",
  "offered",
  "answered",
  "connecting",
  "connected",
  "degraded",
  "restarting",
  "fallback",
  "closed",
  "failed",
] as const;
export type Stage = (typeof STAGES)[number];

/**
 * States of a peer connection's two layers (W3C WebRTC sections 5.6.2 and 5.5.1); ICE's `completed`
 * is told as `connected`, and `new` not at all.
 */
export const ICE_STATES = ["checking", "connected", "disconnected", "failed", "closed"] as const;
export const DTLS_STATES = ["connecting", "connected", "failed", "closed"] as const;

/**
 * How pixels reach the console now; `none` before the first picture. `hybrid` is `rtp` where the
 * screen moves and `diff-dc` everywhere else.
 */
export const TRANSPORTS = ["hybrid", "rtp", "diff-dc", "diff-ws", "none"] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** What the operator asks for. */
export const TRANSPORT_CHOICES = ["auto", "video", "diff"] as const;
export type TransportChoice = (typeof TRANSPORT_CHOICES)[number];

/** What the video is made for: rate, pictures a second and sharpness in one word. */
export const VIDEO_PRESETS = ["text", "balanced", "motion", "low-bandwidth"] as const;
export type VideoPreset = (typeof VIDEO_PRESETS)[number];

/** Why something changed; each has a plain sentence for the HUD's timeline. */
export const REASONS = {
  "session-requested": "The operator asked for the desktop",
  "approved-by-policy": "The desktop's policy allows the session",
  "approved-by-owner": "The owner allowed the session",
  "denied-by-policy": "The desktop's policy does not allow the session",
  "denied-by-owner": "The owner denied the session",
  "consent-timeout": "Nobody at the desktop answered in time",
  "offer-received": "The browser offered a connection",
  "answer-received": "The agent answered",
  "ice-checking": "The two sides are looking for a path",
  "peer-connected": "The direct connection stands",
  "transport-selected": "The console chose how to show the picture",
  "negotiation-error": "The two sides could not agree on a connection",
  "connect-timeout": "No connection came about in time",
  "ice-failed": "No network path works between the two sides",
  "ice-disconnected": "The network path broke",
  "heartbeat-lost": "The agent's heartbeat stopped on this path",
  "channel-closed": "A data channel closed",
  "rtp-stalled": "The desktop changes but no video frame arrives",
  "loss-high": "Too many packets are lost",
  "rtt-high": "The round trip takes too long",
  "decoder-error": "The browser cannot decode the video",
  "jitter-buffer-growth": "The browser holds video back for too long",
  "webrtc-unavailable": "WebRTC is not available here",
  "operator-choice": "The operator chose this",
  "display-removed": "The display that was shown is no longer connected",
  "policy": "The desktop's policy asks for this",
  "caps-changed": "The desktop's abilities changed",
  "transport-recovered": "The better transport works again",
  "retry": "Another attempt is made",
  "retries-exhausted": "The limit of attempts is reached",
  "operator-disconnect": "The operator disconnected",
  "owner-stopped": "The owner stopped the session",
  "killed": "The session was ended by the server",
  "agent-lost": "The agent went away",
  "agent-restarted": "The agent was restarted",
  "console-lost": "The console went away",
  "server-restarted": "The server was restarted",
  "server-stopping": "The server is stopping",
  "negotiation-deadline": "The negotiation took too long",
} as const;
export type Reason = keyof typeof REASONS;
export const REASON_CODES = Object.keys(REASONS) as readonly Reason[];

/** Video formats that an encoder may make, as they are called in `DESKTOP_CAPS`. */
export const VIDEO_CODECS = ["h264", "vp8", "h265", "av1"] as const;
export type VideoCodec = (typeof VIDEO_CODECS)[number];

/** Why a viewer's video may take what it takes now; each has a plain sentence for the HUD. */
export const CONGESTION_REASONS = {
  "start": "The connection is new",
  "probe": "A probe showed that the link carries more",
  "ramp-up": "The link is filled and has no queue",
  "ceiling": "All that the settings allow",
  "application-limited": "The desktop needs less than the link carries",
  "queue-growing": "A queue begins to form in the network",
  "queue-standing": "Packets wait in the network",
  "drained": "The queue in the network is gone",
  "loss": "Too many packets are lost",
  "loss-inherent": "The link loses packets at any rate",
  "remb": "The browser asks for less",
  "patches-first": "Text and other patches take their part of the link first",
  "path-silent": "Nothing arrives at the browser",
  "path-back": "The path works again",
} as const;
export type CongestionReason = keyof typeof CONGESTION_REASONS;

export const CONGESTION_REASON_CODES = Object.keys(
  CONGESTION_REASONS,
) as readonly CongestionReason[];

/** Why the desktop's sound cannot be heard; each has a plain sentence for the console. */
export const SOUND_REASONS = {
  "not-allowed": "The desktop's owner does not share its sound",
  "muted-by-owner": "The desktop's owner has muted its sound",
  "no-sound-server": "No sound server runs on the desktop",
  "sound-server-refused": "The desktop's sound server does not let the agent listen",
  "no-sound-encoder": "The agent cannot encode sound on this machine",
} as const;
export type SoundAbsence = keyof typeof SOUND_REASONS;
export const SOUND_ABSENCES = Object.keys(SOUND_REASONS) as readonly SoundAbsence[];

/** Why patches go or wait; each has a plain sentence for the HUD. */
export const PATCH_REASONS = {
  "patches-fit": "Every change leaves at once",
  "patches-window": "As much is under way as the network carries",
  "patches-old": "What is under way is late; newer patches take its place",
  "patches-skipped": "The server's relay has no room",
  "patches-lost": "The browser did not answer for too long",
} as const;
export type PatchReason = keyof typeof PATCH_REASONS;
export const PATCH_REASON_CODES = Object.keys(PATCH_REASONS) as readonly PatchReason[];

/** By what a moving region of the screen goes, in hybrid mode; each has a sentence for the HUD. */
export const CHOICE_REASONS = {
  "choice-plenty": "The network has room: only costly motion goes by video",
  "choice-narrow": "The network carries little: motion goes by video early",
  "choice-lossy": "Lost packets hold up patches: motion goes by video early",
  "choice-behind": "Patches cannot keep up: all motion goes by video",
} as const;
export type ChoiceReason = keyof typeof CHOICE_REASONS;
export const CHOICE_REASON_CODES = Object.keys(CHOICE_REASONS) as readonly ChoiceReason[];

/** Why a viewer's video has its format. */
export const FORMAT_REASONS = {
  "format-best": "The best that browser and agent have in common",
  "format-failed": "The encoder of a better format failed",
} as const;
export type FormatReason = keyof typeof FORMAT_REASONS;
export const FORMAT_REASON_CODES = Object.keys(FORMAT_REASONS) as readonly FormatReason[];

/** What the console does about video that its browser holds back. */
export const PLAYOUT_REASONS = {
  "playout-zero": "Pictures are shown as they come",
  "playout-jitter": "Pictures come unevenly and wait a little",
  "playout-drained": "The browser held pictures back, and its buffer was emptied",
} as const;
export type PlayoutReason = keyof typeof PLAYOUT_REASONS;
export const PLAYOUT_REASON_CODES = Object.keys(PLAYOUT_REASONS) as readonly PlayoutReason[];

/** Every decision about media that is counted. */
export const MEDIA_DECISIONS = [
  ...CONGESTION_REASON_CODES,
  ...PATCH_REASON_CODES,
  ...CHOICE_REASON_CODES,
  ...PLAYOUT_REASON_CODES,
  ...FORMAT_REASON_CODES,
] as const;
export type MediaDecision = (typeof MEDIA_DECISIONS)[number];
export type DecisionCounts = Readonly<Partial<Record<MediaDecision, number>>>;
