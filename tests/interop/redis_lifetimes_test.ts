/** 10,000 sessions that end in every way leave no key behind once the lifetimes are over. */
import assert from "node:assert/strict";
import type { Signal } from "@farglass/protocol";
import { corruptionReporter } from "../../server/adapters/corruption.ts";
import { ControllerShell } from "../../server/adapters/controller_shell.ts";
import { RedisBatch } from "../../server/adapters/redis_batch.ts";
import { RedisBus } from "../../server/adapters/redis_bus.ts";
import { RedisClient } from "../../server/adapters/redis_client.ts";
import { RedisLinkStore } from "../../server/adapters/redis_links.ts";
import { RedisOnceStore } from "../../server/adapters/redis_once_store.ts";
import { RedisDesktopStore } from "../../server/adapters/redis_store.ts";
import type { ControllerEvent, ControllerMessage } from "../../server/core/events.ts";
import { DEFAULT_POLICY } from "../../server/core/policy.ts";
import { DEFAULT_SETTINGS } from "../../server/settings_schema.ts";
import { agentInfo, CAPS, sampleCandidate, sampleSdp } from "../../server/testing/samples.ts";
import { poll } from "../support/process.ts";
import { startRedis } from "../support/redis.ts";

const DESKTOPS = 100;
const SESSIONS_EACH = 100;
const LIFETIME_MS = 4_000;
const WAIT_MS = 1_000;
const REF = { seq: 1, type: "REST" } as const;

const uuid = (kind: number, n: number): string =>
  `${String(kind).padStart(8, "0")}-0000-4000-8000-${String(n).padStart(12, "0")}`;

/** Everything that ends a session, by what the shell is told. */
type Way = (ids: Ids) => readonly ControllerEvent[];
interface Ids {
  readonly sessionId: string;
  readonly agentLink: string;
  readonly consoleLink: string;
}

const say = (
  from: "agent" | "console",
  { sessionId, agentLink, consoleLink }: Ids,
  message: Pick<ControllerMessage, "type" | "payload">,
): ControllerEvent => ({
  kind: "message",
  from,
  linkId: from === "agent" ? agentLink : consoleLink,
  message: { desktopId: "", sessionId, seq: 0, ack: 0, ts: 0, ...message } as ControllerMessage,
});

const decide = (decision: "accept" | "deny"): Way => (ids) => [
  say("agent", ids, {
    type: "SESSION_DECISION",
    payload: { decision, by: "policy", reason: "policy", viewOnly: false },
  }),
];
const accept = decide("accept");
const signal = (from: "agent" | "console", ids: Ids, payload: Signal) =>
  say(from, ids, { type: "DESKTOP_WEBRTC_SIGNAL", payload });
const candidate = (port: number): Signal => ({
  kind: "ice-candidate",
  generation: 1,
  candidate: sampleCandidate(port),
  sdpMid: "0",
  sdpMLineIndex: 0,
});
/** Approved, offered, and with candidates that wait for an answer. */
const offer: Way = (ids) => [
  ...accept(ids),
  signal("console", ids, candidate(40_001)),
  signal("console", ids, { kind: "offer", generation: 1, sdp: sampleSdp() }),
  signal("agent", ids, candidate(40_002)),
];
const connect: Way = (ids) => [
  ...offer(ids),
  signal("agent", ids, { kind: "answer", generation: 1, sdp: sampleSdp() }),
  say("console", ids, {
    type: "PEER_STATE",
    payload: { generation: 1, state: "connected" },
  }),
];
const WAYS: Readonly<Record<string, Way>> = {
  denied: decide("deny"),
  "offered and never answered": offer,
  "connected, then stopped by the owner": (ids) => [
    ...connect(ids),
    say("agent", ids, {
      type: "DESKTOP_KILL",
      payload: { scope: "session", reason: "owner-stopped" },
    }),
  ],
  "connected, degraded, on the relay, then failed at the agent": (ids) => [
    ...connect(ids),
    say("agent", ids, {
      type: "PEER_STATE",
      payload: { generation: 1, state: "failed" },
    }),
    say("console", ids, {
      type: "DESKTOP_TRANSPORT_FALLBACK",
      payload: { from: "rtp", to: "diff-ws", reason: "ice-failed", evidence: {}, at: 1 },
    }),
    say("agent", ids, {
      type: "SESSION_ENDED",
      payload: { reason: "agent-lost", by: "agent" },
    }),
  ],
  "never decided": () => [],
  "ended by the operator": (ids) => [
    ...accept(ids),
    say("console", ids, {
      type: "SESSION_ENDED",
      payload: { reason: "operator-disconnect", by: "operator" },
    }),
  ],
  "ended by the agent": (ids) => [
    ...accept(ids),
    say("agent", ids, {
      type: "SESSION_ENDED",
      payload: { reason: "owner-stopped", by: "agent" },
    }),
  ],
  killed: (ids) => [
    ...accept(ids),
    { kind: "kill", sessionId: ids.sessionId, reason: "killed", ref: REF },
  ],
  "console gone": (ids) => [
    ...accept(ids),
    { kind: "link", linkId: ids.consoleLink, change: "lost" },
    { kind: "link", linkId: ids.consoleLink, change: "gone" },
  ],
  "console lost with its node": (ids) => [
    ...accept(ids),
    { kind: "link", linkId: ids.consoleLink, change: "lost" },
  ],
  "live when everything stops": accept,
};

Deno.test("lifetimes: 10,000 sessions ended in every way leave no key", async () => {
  await using redis = await startRedis({ args: ["--appendonly", "no"] });
  const log = { write: () => {} };
  const client = await RedisClient.open({ ...DEFAULT_SETTINGS.redis, url: redis.url }, log);
  await client.whenUp();
  const onCorrupt = corruptionReporter(log, () => {});
  const bus = new RedisBus(client, onCorrupt);
  const history = { keepMs: LIFETIME_MS, perDesktop: 50 };
  const writer = new RedisBatch(client);
  const times = { writer, desktopMs: LIFETIME_MS, linkMs: LIFETIME_MS, history };
  const store = new RedisDesktopStore({ client, bus, log, onCorrupt, ...times });
  const links = new RedisLinkStore({ client, writer, nodeId: "node", linkMs: LIFETIME_MS });
  const reasons = new Set<string>();
  const shell = new ControllerShell({
    ...{ store, bus, log, telemetry: { emit: () => {} } },
    metrics: {
      message: () => {},
      rejected: () => {},
      sessionEvent: (event) => {
        if (event.type === "SESSION_ENDED") reasons.add(event.reason);
      },
      connections: () => {},
      relayed: () => {},
      relaySkipped: () => {},
      mediaDecisions: () => {},
      dropped: () => {},
    },
    clock: Date.now,
    policy: {
      ...DEFAULT_POLICY,
      maxSessionsPerDesktop: SESSIONS_EACH,
      maxOffersInFlight: SESSIONS_EACH,
      // So that waits come to their ends before the stored values do.
      ...{ consentMs: WAIT_MS, negotiationMs: WAIT_MS, resumeMs: WAIT_MS },
    },
    webrtcFor: () => ({ enabled: true, iceServers: [], iceTransportPolicy: "all" }),
    onRoute: () => {},
    onUnroute: () => {},
  });
  const ways = Object.values(WAYS);
  const one = async (d: number) => {
    const desktopId = uuid(1, d);
    const agentLink = uuid(2, d);
    await links.create(agentLink, "owner", "agent");
    await links.addDesktop(agentLink, "owner", desktopId);
    await shell.dispatch(desktopId, {
      kind: "caps",
      desktopId,
      linkId: agentLink,
      agent: agentInfo(uuid(3, d)),
      caps: CAPS,
      ref: REF,
    });
    for (let s = 0; s < SESSIONS_EACH; s++) {
      const n = d * SESSIONS_EACH + s;
      const ids = { sessionId: uuid(4, n), agentLink, consoleLink: uuid(5, n) };
      const operator = { operatorId: "op", name: "op" };
      if (s % 3 === 0) await links.create(ids.consoleLink, "owner", "console");
      await shell.dispatch(desktopId, {
        kind: "request",
        sessionId: ids.sessionId,
        requestId: ids.sessionId,
        consoleLinkId: ids.consoleLink,
        operator,
        ref: REF,
      }, { handled: { linkId: ids.consoleLink, seq: 1 } });
      for (const event of ways[n % ways.length](ids)) await shell.dispatch(desktopId, event);
      if (s % 6 === 0) await links.remove(ids.consoleLink, "owner");
    }
    // Some agents go, some are cut off with their node, some desktops are stopped whole.
    const change = (["gone", "lost", "replaced"] as const)[d % 4];
    if (change !== undefined) {
      await shell.dispatch(desktopId, { kind: "link", linkId: agentLink, change });
    } else {
      await shell.dispatch(desktopId, {
        kind: "kill",
        sessionId: null,
        reason: "killed",
        ref: REF,
      });
    }
  };
  for (let d = 0; d < DESKTOPS; d += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, i) => one(d + i)));
  }
  await new RedisOnceStore(client).put("token", "value", LIFETIME_MS);
  await shell.close();
  const before = Number(await client.call("DBSIZE"));
  assert.ok(before > 1_000, `${before} keys`);
  // The index of single-use secrets has the longest lifetime of all: ten minutes.
  await poll("all keys gone", 30_000, async () => {
    const keys = await client.call("KEYS", "*") as string[];
    return keys.every((key) => key === "fg:{once}:all") || null;
  });
  assert.ok(Number(await client.call("PTTL", "fg:{once}:all")) > 0);
  console.log(
    `lifetimes: ${before} keys at the end of the last session; ${[...reasons].toSorted()}`,
  );
  // By whom and by what: both ends, the owner, REST, and each wait that ran out.
  for (
    const reason of [
      ...["policy", "operator-disconnect", "owner-stopped", "killed", "agent-lost"],
      ...["console-lost", "consent-timeout", "negotiation-deadline", "agent-restarted"],
    ]
  ) assert.ok(reasons.has(reason), `nobody ended by ${reason}`);
  bus.close();
  client.close();
});
