/** Complete session set-ups: request, decision, offer, answer, candidates both ways, end. */
import { randomUUID } from "node:crypto";
import type { Message, Signal } from "@farglass/protocol";
import { CAPS } from "../../server/testing/samples.ts";
import { chromiumOffer } from "../support/offers.ts";
import { type BenchLink, openAgent, openConsole, type Target } from "./signalling_client.ts";
import { keptOpen, type LoadAnswer, type Plan, Timings } from "./signalling_plan.ts";

const CANDIDATES = 10;
const SDP = chromiumOffer();
const candidate = (i: number): Signal => ({
  kind: "ice-candidate",
  generation: 1,
  candidate: `candidate:${i} 1 udp ${2122260223 - i} 127.0.0.1 ${40_000 + i} typ host generation 0`,
  sdpMid: "0",
  sdpMLineIndex: 0,
});

export interface Pair {
  readonly agent: BenchLink;
  readonly viewer: BenchLink;
  readonly desktopId: string;
}

/**
 * Pairs of an agent and a console. With several nodes every way from an agent's node to a
 * console's is used equally often.
 */
export async function openPairs(targets: readonly Target[], count: number): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let i = 0; i < count; i++) {
    const { client: agent, agentId: desktopId } = await openAgent(targets[i % targets.length]);
    agent.send({ type: "DESKTOP_CAPS", desktopId, payload: CAPS });
    const at = Math.floor(i / targets.length) % targets.length;
    pairs.push({ agent, viewer: await openConsole(targets[at]), desktopId });
  }
  return pairs;
}

/** The agent's answer of a standing permission. */
export function accept({ agent, desktopId }: Pair, sessionId: string): void {
  const payload = {
    decision: "accept",
    by: "policy",
    reason: "approved-by-policy",
    viewOnly: false,
  } as const;
  agent.send({ type: "SESSION_DECISION", desktopId, sessionId, payload });
}

/** One set-up under way. */
interface SetUp {
  readonly dueAt: number;
  atAgent: number;
  atViewer: number;
}

/** Set-ups by the plan; a time runs from when a set-up was due until both ends have everything. */
export async function setUps(
  targets: readonly Target[],
  { pairs: count, ...plan }: Plan & { readonly pairs: number },
): Promise<LoadAnswer> {
  const pairs = await keptOpen(
    ["setups", count, ...targets.map((target) => target.signalUrl)],
    () => openPairs(targets, count),
  );
  const timings = new Timings();
  const due = new Map<string, number>();
  for (const pair of pairs) play(pair, { due, timings });
  return await timings.run(plan, (i, dueAt) => {
    const { viewer, desktopId } = pairs[i % pairs.length];
    const requestId = randomUUID();
    due.set(requestId, dueAt);
    viewer.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId } });
  });
}

/** Lets both ends do their part of every set-up of this desktop. */
function play(
  pair: Pair,
  { due, timings }: { readonly due: Map<string, number>; readonly timings: Timings },
): void {
  const { agent, viewer, desktopId } = pair;
  const bySession = new Map<string, SetUp>();
  const signals = (link: BenchLink, sessionId: string, first: Signal) => {
    const all = [first, ...Array.from({ length: CANDIDATES }, (_, i) => candidate(i))];
    for (const payload of all) {
      link.send({ type: "DESKTOP_WEBRTC_SIGNAL", desktopId, sessionId, payload });
    }
  };
  const came = (sessionId: string, end: "atAgent" | "atViewer") => {
    const one = bySession.get(sessionId);
    if (one === undefined) return;
    one[end]++;
    if (one.atAgent < CANDIDATES + 1 || one.atViewer < CANDIDATES + 1) return;
    bySession.delete(sessionId);
    const payload = { reason: "operator-disconnect", by: "operator" } as const;
    viewer.send({ type: "SESSION_ENDED", desktopId, sessionId, payload });
    timings.add(one.dueAt);
  };
  agent.onMessage = (message) => {
    const { sessionId = "" } = message;
    tellError(message);
    if (message.type === "SESSION_REQUEST") accept(pair, sessionId);
    if (message.type !== "DESKTOP_WEBRTC_SIGNAL") return;
    if (message.payload.kind === "offer") {
      signals(agent, sessionId, { kind: "answer", generation: 1, sdp: SDP });
    }
    came(sessionId, "atAgent");
  };
  viewer.onMessage = (message) => {
    const { sessionId = "" } = message;
    tellError(message);
    if (message.type === "SESSION_REQUEST") {
      const { requestId } = message.payload;
      const dueAt = due.get(requestId) ?? performance.now();
      due.delete(requestId);
      bySession.set(sessionId, { dueAt, atAgent: 0, atViewer: 0 });
    }
    if (message.type === "DESKTOP_CAPS") {
      signals(viewer, sessionId, { kind: "offer", generation: 1, sdp: SDP });
    }
    if (message.type === "DESKTOP_WEBRTC_SIGNAL") came(sessionId, "atViewer");
  };
}

let told = 0;
function tellError(message: Message): void {
  if (message.type === "ERROR" && told++ < 3) console.error(JSON.stringify(message.payload));
}
