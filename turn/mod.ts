/** TURN: minting of credentials, and what sessions are told of the relay. */
export * from "./credentials.ts";
export * from "./duration.ts";
export * from "./webrtc_caps.ts";
