/** The `webrtc` block of DESKTOP_CAPS, made per session from the server's settings. */
import type { IceServer, WebrtcCaps } from "@farglass/protocol";
import { mintTurnCredentials } from "./credentials.ts";

/** One entry of `webrtc.servers`. STUN servers need no secret. */
export interface TurnServerSettings {
  readonly urls: readonly string[];
  readonly credentialSecret: string;
  readonly credentialType: "password";
}

export interface WebrtcSettings {
  readonly enabled: boolean;
  readonly credentialTtlSeconds: number;
  /** Told to operators, such as `turn` or a region; empty for none. */
  readonly relayHint: string;
  readonly iceTransportPolicy: "all" | "relay";
  readonly servers: readonly TurnServerSettings[];
}

/** Whether sessions get credentials at all. */
export const mintsCredentials = (settings: WebrtcSettings): boolean =>
  settings.enabled && settings.servers.some((s) => s.credentialSecret !== "");

/** Builds the block for one desktop with credentials that are valid from now on. */
export function webrtcCapsFor(
  settings: WebrtcSettings,
  options: { readonly desktopId: string; readonly nowSeconds: number },
): WebrtcCaps {
  const { enabled, iceTransportPolicy, relayHint } = settings;
  if (!enabled) return { enabled, iceServers: [], iceTransportPolicy };
  let token: WebrtcCaps["token"];
  const iceServers = settings.servers.map((server): IceServer => {
    const urls = [...server.urls];
    if (server.credentialSecret === "") return { urls };
    const minted = mintTurnCredentials(server.credentialSecret, {
      ...options,
      ttlSeconds: settings.credentialTtlSeconds,
    });
    token = minted.token;
    return { urls, username: minted.username, credential: minted.credential };
  });
  return {
    enabled,
    iceServers,
    iceTransportPolicy,
    ...(token === undefined ? {} : { token }),
    ...(relayHint === "" ? {} : { relayHint }),
  };
}
