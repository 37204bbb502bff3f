import assert from "node:assert/strict";
import { proofFor, serverAddresses } from "./signalling_socket.ts";

Deno.test("serverAddresses: the server or its socket, either scheme, a proxy's prefix", () => {
  const rows = [
    ["ws://127.0.0.1:8080", "http://127.0.0.1:8080", "ws://127.0.0.1:8080"],
    ["ws://127.0.0.1:8080/ws/rd-signal", "http://127.0.0.1:8080", "ws://127.0.0.1:8080"],
    ["https://desk.example.com/", "https://desk.example.com", "wss://desk.example.com"],
    ["wss://example.com/desk/", "https://example.com/desk", "wss://example.com/desk"],
    ["http://[::1]:9", "http://[::1]:9", "ws://[::1]:9"],
  ];
  for (const [url, http, ws] of rows) {
    const { challenge, socket } = serverAddresses(url);
    assert.equal(challenge.href, `${http}/api/v1/remote-desktop/agents/challenge`);
    assert.equal(socket.href, `${ws}/ws/rd-signal`);
  }
});

Deno.test("proofFor: known answer", () => {
  // printf 'farglass-agent-v1\nid\nnonce' | openssl dgst -sha256 -hmac key
  assert.equal(
    proofFor("key", "id", "nonce"),
    "eba6711a17c99577aace2d82bc40307398a1e74f7d21fca9d758f79825821c70",
  );
});
