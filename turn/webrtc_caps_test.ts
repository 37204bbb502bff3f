import assert from "node:assert/strict";
import * as v from "valibot";
import { webrtcCapsSchema } from "@farglass/protocol";
import { mintsCredentials, webrtcCapsFor, type WebrtcSettings } from "./webrtc_caps.ts";

const settings: WebrtcSettings = {
  enabled: true,
  credentialTtlSeconds: 600,
  relayHint: "turn",
  iceTransportPolicy: "relay",
  servers: [
    { urls: ["stun:stun.example.com"], credentialSecret: "", credentialType: "password" },
    {
      urls: ["turns:turn1.example.com:5349?transport=tcp", "turn:turn1.example.com:3478"],
      credentialSecret: "coturn-static-secret",
      credentialType: "password",
    },
  ],
};
const moment = { desktopId: "desk", nowSeconds: 1_700_000_000 };

Deno.test("webrtcCapsFor: credentials per server, one token, what the schema takes", () => {
  const caps = webrtcCapsFor(settings, moment);
  assert.deepEqual(v.parse(webrtcCapsSchema, caps), caps);
  assert.deepEqual(caps.token, {
    issuedAt: 1_700_000_000,
    expiresAt: 1_700_000_600,
    ttlSeconds: 600,
  });
  assert.equal(caps.relayHint, "turn");
  assert.equal(caps.iceTransportPolicy, "relay");
  assert.deepEqual(caps.iceServers[0], { urls: ["stun:stun.example.com"] });
  assert.equal(caps.iceServers[1].username, "1700000600:desk");
  assert.ok(!JSON.stringify(caps).includes("coturn-static-secret"));
});

Deno.test("webrtcCapsFor: nothing to tell when switched off or without servers", () => {
  assert.deepEqual(webrtcCapsFor({ ...settings, enabled: false }, moment), {
    enabled: false,
    iceServers: [],
    iceTransportPolicy: "relay",
  });
  assert.deepEqual(webrtcCapsFor({ ...settings, servers: [], relayHint: "" }, moment), {
    enabled: true,
    iceServers: [],
    iceTransportPolicy: "relay",
  });
  assert.equal(mintsCredentials(settings), true);
  assert.equal(mintsCredentials({ ...settings, enabled: false }), false);
  assert.equal(mintsCredentials({ ...settings, servers: settings.servers.slice(0, 1) }), false);
});
