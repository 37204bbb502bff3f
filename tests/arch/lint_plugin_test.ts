import assert from "node:assert/strict";
import plugin from "../../tools/lint_plugin.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Messages of the plugin for `source` as if it stood at `path`. */
const lint = (path: string, source: string): string[] =>
  Deno.lint.runPlugin(plugin, `${ROOT}${path}`, source).map((found) =>
    `${found.id}: ${found.message}`
  );

const IMPURE: readonly { source: string; says: string }[] = [
  { source: "const t = Date.now();", says: "Pure code uses Date.now" },
  { source: "const t = new Date();", says: "Pure code uses new Date()" },
  { source: "const t = Date();", says: "Pure code uses Date()" },
  { source: "const r = Math.random();", says: "Pure code uses Math.random" },
  { source: "const t = performance.now();", says: "Pure code uses performance.now" },
  { source: "const f = performance.now;", says: "Pure code uses performance.now" },
  { source: "const id = crypto.randomUUID();", says: "Pure code uses crypto.randomUUID" },
  { source: "const e = Deno.env;", says: "Pure code uses Deno.env" },
  { source: "const d = globalThis.Date;", says: "Pure code uses globalThis.Date" },
  { source: "setTimeout(() => {}, 1);", says: "Pure code uses setTimeout()" },
  { source: "queueMicrotask(() => {});", says: "Pure code uses queueMicrotask()" },
  { source: 'await fetch("http://127.0.0.1/");', says: "Pure code uses fetch()" },
  { source: 'import fs from "node:fs";', says: 'Pure code uses "node:fs"' },
  { source: 'export * from "node:fs";', says: 'Pure code uses "node:fs"' },
  { source: 'const fs = await import("node:fs");', says: 'Pure code uses "node:fs"' },
  { source: 'import { Hono } from "hono";', says: 'Pure code uses "hono"' },
];

for (const room of ["protocol", "server/core", "agent/core", "browser/core"]) {
  Deno.test(`pure: ${room} may not reach the world`, () => {
    for (const { source, says } of IMPURE) {
      const found = lint(`${room}/x.ts`, source);
      assert.ok(found.includes(`farglass/pure: ${says}`), `${source} → ${found}`);
    }
  });
}

const PURE: readonly string[] = [
  "const d = new Date(0);",
  "const m = Math.max(1, 2);",
  'import { ok } from "@farglass/protocol";',
  'import * as v from "valibot";',
  'import { other } from "./other.ts";',
  "const state = { crypto: 1 }; const x = state.crypto;",
];

Deno.test("pure: arithmetic, own modules and the protocol are allowed", () => {
  for (const source of PURE) assert.deepEqual(lint("agent/core/x.ts", source), [], source);
});

Deno.test("pure: adapters, entries and tests may reach the world", () => {
  for (const path of ["agent/adapters/x.ts", "server/main.ts", "agent/core/x_test.ts"]) {
    assert.deepEqual(lint(path, "const t = Date.now();"), [], path);
  }
});

const IMPORTS: readonly { from: string; to: string; says: string | null }[] = [
  { from: "protocol/x.ts", to: "../server/core/y.ts", says: '"protocol" imports "server/core"' },
  {
    from: "server/core/x.ts",
    to: "../adapters/y.ts",
    says: '"server/core" imports "server/adapters"',
  },
  { from: "server/core/x.ts", to: "../config.ts", says: '"server/core" imports "server"' },
  {
    from: "server/core/x.ts",
    to: "../../agent/core/y.ts",
    says: '"server/core" imports "agent/core"',
  },
  { from: "server/main.ts", to: "../agent/core/y.ts", says: '"server" imports "agent/core"' },
  {
    from: "agent/adapters/x.ts",
    to: "../../server/core/y.ts",
    says: '"agent/adapters" imports "server/core"',
  },
  {
    from: "browser/adapters/x.ts",
    to: "../ui/y.tsx",
    says: '"browser/adapters" imports "browser/ui"',
  },
  { from: "agent/adapters/x.ts", to: "../main.ts", says: '"agent/adapters" imports "agent"' },
  { from: "turn/x.ts", to: "../server/core/y.ts", says: '"turn" imports "server/core"' },
  { from: "agent/main.ts", to: "../turn/y.ts", says: '"agent" imports "turn"' },
  {
    from: "server/adapters/x.ts",
    to: "../../tests/support/process.ts",
    says: '"server/adapters" imports "tests"',
  },
  { from: "tools/demo.ts", to: "../tests/support/process.ts", says: '"tools" imports "tests"' },
  {
    from: "server/core/x.ts",
    to: "../../protocol/mod.ts",
    says: "The protocol is imported by path",
  },
  {
    from: "server/core/x.ts",
    to: "@farglass/agent-core",
    says: '"@farglass/agent-core" is imported by its workspace name',
  },
  { from: "server/core/x.ts", to: "./y.ts", says: null },
  { from: "server/core/deep/x.ts", to: "../y.ts", says: null },
  { from: "server/adapters/x.ts", to: "../core/y.ts", says: null },
  { from: "server/adapters/x.ts", to: "../../turn/y.ts", says: null },
  { from: "server/main.ts", to: "./adapters/y.ts", says: null },
  { from: "browser/main.tsx", to: "./ui/y.tsx", says: null },
  { from: "protocol/x_test.ts", to: "./x.ts", says: null },
  { from: "tests/e2e/x_test.ts", to: "../../agent/adapters/y.ts", says: null },
];

for (const { from, to, says } of IMPORTS) {
  Deno.test(`one-way-imports: ${from} → ${to}: ${says === null ? "allowed" : "refused"}`, () => {
    const expected = says === null ? [] : [`farglass/one-way-imports: ${says}`];
    const rule = (found: string) => found.startsWith("farglass/one-way-imports");
    assert.deepEqual(lint(from, `import { y } from "${to}";`).filter(rule), expected);
    assert.deepEqual(lint(from, `import type { Y } from "${to}";`).filter(rule), expected);
    assert.deepEqual(lint(from, `export * from "${to}";`).filter(rule), expected);
  });
}

const FENCED: readonly { path: string; vendor: string; allowed: boolean }[] = [
  { path: "agent/adapters/peer_werift/mod.ts", vendor: "werift", allowed: true },
  { path: "agent/adapters/peer_libdatachannel/mod.ts", vendor: "node-datachannel", allowed: true },
  { path: "agent/adapters/peers.ts", vendor: "node-datachannel", allowed: false },
  { path: "agent/adapters/libav/encoder.ts", vendor: "werift", allowed: false },
  { path: "agent/main.ts", vendor: "werift", allowed: false },
  { path: "server/adapters/x.ts", vendor: "werift", allowed: false },
  { path: "agent/adapters/libav/encoder.ts", vendor: "node-av/lib", allowed: true },
  { path: "agent/adapters/libav/encoder.ts", vendor: "npm:node-av@6.1.1/lib", allowed: true },
  { path: "agent/core/x.ts", vendor: "node-av/lib", allowed: false },
  { path: "server/adapters/http/app.ts", vendor: "hono", allowed: true },
  { path: "server/adapters/http/api.ts", vendor: "hono/body-limit", allowed: true },
  { path: "server/main.ts", vendor: "npm:hono@4.13.19/cors", allowed: false },
  { path: "server/main.ts", vendor: "prom-client", allowed: false },
  { path: "agent/adapters/signalling_socket.ts", vendor: "ws", allowed: true },
  { path: "agent/adapters/control_socket.ts", vendor: "ws", allowed: false },
  { path: "browser/adapters/signalling_socket.ts", vendor: "ws", allowed: false },
  { path: "browser/core/x.ts", vendor: "react", allowed: false },
  { path: "browser/ui/x.tsx", vendor: "react", allowed: true },
  { path: "browser/ui/x.tsx", vendor: "fflate", allowed: false },
  { path: "tools/demo.ts", vendor: "playwright-core", allowed: false },
  { path: "tests/support/chromium.ts", vendor: "playwright-core", allowed: true },
];

for (const { path, vendor, allowed } of FENCED) {
  Deno.test(`vendor-fence: ${vendor} in ${path}: ${allowed ? "allowed" : "refused"}`, () => {
    const found = lint(path, `import * as vendor from "${vendor}";`)
      .filter((message) => message.startsWith("farglass/vendor-fence"));
    assert.equal(found.length, allowed ? 0 : 1, found.join());
  });
}

for (
  const { path, allowed } of [
    { path: "agent/adapters/x11/libraries.ts", allowed: true },
    { path: "tests/support/x11.ts", allowed: true },
    { path: "agent/adapters/deflate.ts", allowed: false },
    { path: "server/main.ts", allowed: false },
  ]
) {
  Deno.test(`vendor-fence: Deno.dlopen in ${path}: ${allowed ? "allowed" : "refused"}`, () => {
    const found = lint(path, 'const library = Deno.dlopen("libX11.so.6", {});')
      .filter((message) => message.startsWith("farglass/vendor-fence"));
    assert.equal(found.length, allowed ? 0 : 1, found.join());
  });
}
