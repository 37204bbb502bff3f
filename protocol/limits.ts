/**
 * Every limit that both ends of a wire must agree on. Units are in the names.
 * A limit that only one side knows lives beside its use.
 */

/** One signalling text frame; a 16 KiB SDP in JSON with escapes stays well under it. */
export const MAX_ENVELOPE_BYTES = 64 * 1024;
/** One binary relay frame: a full diff message and its 17-byte relay header. */
export const MAX_RELAY_FRAME_BYTES = 64 * 1024;
/** werift's SCTP slows down under many small and under very large messages: 16–60 KiB is its best range. */
export const MAX_DIFF_MESSAGE_BYTES = 60 * 1024;
/** Input messages are a few bytes; the longest is a text message of MAX_TEXT_CODE_POINTS. */
export const MAX_INPUT_MESSAGE_BYTES = 2 * 1024;
export const MAX_TEXT_CODE_POINTS = 256;
/** Control messages are JSON; the largest is a cursor picture (96×96 RGBA as base64 is 48 KiB). */
export const MAX_CONTROL_MESSAGE_BYTES = 64 * 1024 - 4096;
export const MAX_CURSOR_SIDE_PX = 96;

/** Largest picture a diff frame can describe; 16-bit coordinates on the wire, bounded memory at the console. */
export const MAX_SCREEN_SIDE_PX = 8192;
export const MAX_SCREEN_PIXELS = 8192 * 4320;
/** Displays of one desktop that are told and can be chosen. */
export const MAX_DISPLAYS = 16;
/** Patches in one diff message. */
export const MAX_PATCHES_PER_MESSAGE = 1024;
/** Parts of the screen that the video may show in hybrid mode at one time. */
export const MAX_VIDEO_REGIONS = 8;
/** Pixels that one diff message may unpack to: a full 4K screen, so that a tiny bomb cannot claim more. */
export const MAX_PIXELS_PER_MESSAGE = 3840 * 2160;

export const MAX_SDP_BYTES = 16 * 1024;
export const MAX_SDP_MEDIA_SECTIONS = 4;
export const MAX_SDP_CANDIDATES = 32;
export const MAX_CANDIDATE_BYTES = 512;

/** Frames whose times one pong tells. */
export const MAX_TIMED_FRAMES = 8;

/** Changes of ICE and DTLS that one PEER_STATE tells. */
export const MAX_LAYER_CHANGES = 16;

/** Signals kept for a peer that is away or not yet ready, per session and direction. */
export const MAX_BUFFERED_SIGNALS = 64;
/** Their text, beside one description of MAX_SDP_BYTES: many times what real candidates take. */
export const MAX_BUFFERED_SIGNAL_BYTES = 16 * 1024;
/** Unacknowledged messages a link keeps for a peer that may come back. */
export const MAX_UNACKED_MESSAGES = 512;
export const MAX_UNACKED_BYTES = 1024 * 1024;

/** How often a client pings its server, and after how long without a word a link counts as dead. */
export const LINK_HEARTBEAT_MS = 1_500;
export const LINK_TIMEOUT_MS = 4_500;
/** Heartbeat on the control channel; design section 8: werift itself notices a lost path only after 30 s. */
export const PEER_HEARTBEAT_MS = 500;
/** The same while the desktop is still: each beat costs the agent about a millisecond of processor. */
export const PEER_STILL_HEARTBEAT_MS = 1_000;
export const PEER_TIMEOUT_MS = 2_500;
/** How long a link that broke may be resumed. */
export const LINK_RESUME_MS = 30_000;
