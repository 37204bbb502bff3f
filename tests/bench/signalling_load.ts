/**
 * The load of bench:signalling, in a process of its own: one JSON command a line on stdin, one
 * JSON answer a line on stdout.
 */
import { randomUUID } from "node:crypto";
import WebSocket from "ws";
import type { Draft, Message, Signal } from "@farglass/protocol";
import { CAPS } from "../../server/testing/samples.ts";
import { percentile, round } from "../support/bench.ts";
import { chromiumOffer } from "../support/offers.ts";
import { type BenchLink, openAgent, openConsole, type Target } from "./signalling_client.ts";

export type Command =
  | { readonly op: "idle"; readonly target: Target; readonly count: number; readonly lanes: number }
  | {
    readonly op: "setups";
    readonly target: Target;
    readonly pairs: number;
    readonly perSecond: number;
    readonly seconds: number;
  }
  | {
    readonly op: "forward";
    readonly target: Target;
    readonly pairs: number;
    readonly perSecond: number;
    readonly seconds: number;
  }
  | {
    readonly op: "plain";
    readonly port: number;
    readonly pairs: number;
    readonly perSecond: number;
    readonly seconds: number;
  };

export interface LoadAnswer {
  readonly done: number;
  /** Of a set-up or message, in ms; null when there was none. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
  readonly seconds: number;
  readonly failed: number;
}

const CANDIDATES = 10;
const SDP = chromiumOffer();
const candidate = (i: number): Signal => ({
  kind: "ice-candidate",
  generation: 1,
  candidate: `candidate:${i} 1 udp ${2122260223 - i} 127.0.0.1 ${40_000 + i} typ host generation 0`,
  sdpMid: "0",
  sdpMLineIndex: 0,
});
/** As long as a candidate in its envelope. */
const PING: Draft["payload"] = { op: "ping", id: 1, at: 1 };

const answers = { idle, setups, forward, plain } as const;
const kept: unknown[] = [];

/** Connects agents with one desktop each and leaves them alone. */
async function idle(command: Extract<Command, { op: "idle" }>): Promise<LoadAnswer> {
  const startedAt = performance.now();
  let left = command.count;
  let failed = 0;
  const lane = async () => {
    while (left-- > 0) {
      try {
        const { client, agentId } = await openAgent(command.target);
        client.send({ type: "DESKTOP_CAPS", desktopId: agentId, payload: CAPS });
        client.socket.once("close", () => failed++);
        kept.push(client);
      } catch (cause) {
        failed++;
        console.error(String(cause));
      }
    }
  };
  await Promise.all(Array.from({ length: command.lanes }, lane));
  return answer(kept.length, [], startedAt, failed);
}

const answer = (
  done: number,
  timesMs: readonly number[],
  startedAt: number,
  failed: number,
): LoadAnswer => ({
  done,
  failed,
  seconds: (performance.now() - startedAt) / 1000,
  p50Ms: round(percentile(timesMs, 0.5)),
  p99Ms: round(percentile(timesMs, 0.99)),
  maxMs: round(percentile(timesMs, 1)),
});

interface Pair {
  readonly agent: BenchLink;
  readonly viewer: BenchLink;
  readonly desktopId: string;
}

/** Pairs of an agent and a console; the console knows of the desktop. */
async function openPairs(target: Target, count: number): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let i = 0; i < count; i++) {
    const { client: agent, agentId: desktopId } = await openAgent(target);
    agent.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
    pairs.push({ agent, viewer: await openConsole(target), desktopId });
  }
  return pairs;
}

interface SetUp {
  readonly startedAt: number;
  sessionId: string;
  atAgent: number;
  atViewer: number;
}

/** Complete set-ups at a steady rate, whatever the server does: latency counts from the plan. */
async function setups(command: Extract<Command, { op: "setups" }>): Promise<LoadAnswer> {
  const pairs = await openPairs(command.target, command.pairs);
  const bySession = new Map<string, SetUp>();
  const timesMs: number[] = [];
  let failed = 0;
  const check = (pair: Pair, one: SetUp) => {
    // The description and all candidates at both ends.
    if (one.atAgent < CANDIDATES + 1 || one.atViewer < CANDIDATES + 1) return;
    timesMs.push(performance.now() - one.startedAt);
    bySession.delete(one.sessionId);
    pair.viewer.send({
      type: "SESSION_ENDED",
      desktopId: pair.desktopId,
      sessionId: one.sessionId,
      payload: { reason: "operator-disconnect", by: "operator" },
    });
  };
  const planned = new Map<string, number>();
  for (const pair of pairs) {
    const { agent, viewer, desktopId } = pair;
    const signals = (link: BenchLink, sessionId: string, first: Signal) => {
      const all = [first, ...Array.from({ length: CANDIDATES }, (_, i) => candidate(i))];
      for (const payload of all) {
        link.send({ type: "DESKTOP_WEBRTC_SIGNAL", desktopId, sessionId, payload });
      }
    };
    const onError = (message: Message) => {
      if (message.type !== "ERROR") return;
      if (failed++ < 3) console.error(JSON.stringify(message.payload));
    };
    agent.onMessage = (message) => {
      onError(message);
      const { sessionId = "" } = message;
      if (message.type === "SESSION_REQUEST") {
        agent.send({
          type: "SESSION_DECISION",
          desktopId,
          sessionId,
          payload: {
            decision: "accept",
            by: "policy",
            reason: "approved-by-policy",
            viewOnly: false,
          },
        });
      }
      if (message.type !== "DESKTOP_WEBRTC_SIGNAL") return;
      const one = bySession.get(sessionId);
      if (one === undefined) return;
      one.atAgent++;
      if (message.payload.kind === "offer") {
        signals(agent, sessionId, { kind: "answer", generation: 1, sdp: SDP });
      }
      check(pair, one);
    };
    viewer.onMessage = (message) => {
      onError(message);
      const { sessionId = "" } = message;
      if (message.type === "SESSION_REQUEST") {
        const startedAt = planned.get(message.payload.requestId) ?? performance.now();
        planned.delete(message.payload.requestId);
        bySession.set(sessionId, { startedAt, sessionId, atAgent: 0, atViewer: 0 });
      }
      if (message.type === "DESKTOP_CAPS") {
        signals(viewer, sessionId, { kind: "offer", generation: 1, sdp: SDP });
      }
      if (message.type !== "DESKTOP_WEBRTC_SIGNAL") return;
      const one = bySession.get(sessionId);
      if (one === undefined) return;
      one.atViewer++;
      check(pair, one);
    };
  }
  const startedAt = performance.now();
  const total = await steady(command, (i, plannedAt) => {
    const { viewer, desktopId } = pairs[i % pairs.length];
    const requestId = randomUUID();
    planned.set(requestId, plannedAt);
    viewer.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId } });
  });
  await until(() => timesMs.length + failed >= total, 10_000);
  for (const { agent, viewer } of pairs) {
    agent.socket.close();
    viewer.socket.close();
  }
  return answer(timesMs.length, timesMs, startedAt, total - timesMs.length);
}

/** Control messages of consoles for their agents: one in, one out. */
async function forward(command: Extract<Command, { op: "forward" }>): Promise<LoadAnswer> {
  const pairs = await openPairs(command.target, command.pairs);
  const timesMs: number[] = [];
  const sent: number[][] = pairs.map(() => []);
  const ready = pairs.map(({ agent, viewer, desktopId }, i) =>
    new Promise<string>((resolve) => {
      agent.onMessage = (message) => {
        const { sessionId = "" } = message;
        if (message.type === "VIEWER_CONTROL") {
          timesMs.push(performance.now() - (sent[i].shift() ?? 0));
        }
        if (message.type !== "SESSION_REQUEST") return;
        const payload = {
          decision: "accept",
          by: "policy",
          reason: "approved-by-policy",
          viewOnly: false,
        } as const;
        agent.send({ type: "SESSION_DECISION", desktopId, sessionId, payload });
      };
      viewer.onMessage = ({ type, sessionId }) => {
        if (type === "DESKTOP_CAPS" && sessionId !== undefined) resolve(sessionId);
      };
      viewer.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId: randomUUID() } });
    })
  );
  const sessions = await Promise.all(ready);
  const startedAt = performance.now();
  const total = await steady(command, (i) => {
    const at = i % pairs.length;
    const { viewer, desktopId } = pairs[at];
    sent[at].push(performance.now());
    const draft = { type: "VIEWER_CONTROL", desktopId, sessionId: sessions[at], payload: PING };
    viewer.send(draft as Draft);
  });
  await until(() => timesMs.length >= total, 10_000);
  for (const { agent, viewer } of pairs) {
    agent.socket.close();
    viewer.socket.close();
  }
  return answer(timesMs.length, timesMs, startedAt, total - timesMs.length);
}

/** The same messages through the plain relay. */
async function plain(command: Extract<Command, { op: "plain" }>): Promise<LoadAnswer> {
  const timesMs: number[] = [];
  const text = JSON.stringify({
    type: "VIEWER_CONTROL",
    desktopId: randomUUID(),
    sessionId: randomUUID(),
    payload: PING,
    seq: 1,
    ack: 1,
    ts: Date.now(),
  });
  const pairs = await Promise.all(Array.from({ length: command.pairs }, async (_, i) => {
    const sent: number[] = [];
    const sockets = [0, 1].map(() => new WebSocket(`ws://127.0.0.1:${command.port}`));
    const [viewer, agent] = sockets;
    const ready = sockets.map((socket) => {
      socket.once("open", () => socket.send(`room ${i}`));
      return new Promise((resolve) => socket.once("message", resolve));
    });
    await Promise.all(ready);
    agent.on("message", (data: Uint8Array) => {
      JSON.parse(data.toString());
      timesMs.push(performance.now() - (sent.shift() ?? 0));
    });
    return { viewer, agent, sent };
  }));
  const startedAt = performance.now();
  const total = await steady(command, (i) => {
    const { viewer, sent } = pairs[i % pairs.length];
    sent.push(performance.now());
    viewer.send(text);
  });
  await until(() => timesMs.length >= total, 10_000);
  for (const { agent, viewer } of pairs) {
    agent.close();
    viewer.close();
  }
  return answer(timesMs.length, timesMs, startedAt, total - timesMs.length);
}

/** Calls `run` at a steady rate, catching up after every delay; the number of calls. */
async function steady(
  plan: { readonly perSecond: number; readonly seconds: number },
  run: (index: number, plannedAt: number) => void,
): Promise<number> {
  const total = Math.round(plan.perSecond * plan.seconds);
  const startedAt = performance.now();
  for (let i = 0; i < total;) {
    const due = Math.min(total, (performance.now() - startedAt) / 1000 * plan.perSecond);
    for (; i < due; i++) run(i, startedAt + i / plan.perSecond * 1000);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return total;
}

async function until(done: () => boolean, timeoutMs: number): Promise<void> {
  const endsAt = performance.now() + timeoutMs;
  while (!done() && performance.now() < endsAt) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

let rest = "";
for await (const part of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + part).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    const command = JSON.parse(line) as Command;
    const run = answers[command.op] as (command: Command) => Promise<LoadAnswer>;
    console.log(JSON.stringify(await run(command)));
  }
}
Deno.exit(0);
