/**
 * The load of bench:signalling, in a process of its own: one JSON command a line on stdin, one
 * JSON answer a line on stdout.
 */
import { randomUUID } from "node:crypto";
import WebSocket from "ws";
import type { Draft } from "@farglass/protocol";
import { CAPS } from "../../server/testing/samples.ts";
import { openAgent, type Target } from "./signalling_client.ts";
import { keptOpen, type LoadAnswer, type Plan, Timings } from "./signalling_plan.ts";
import { accept, openPairs, type Pair, setUps } from "./signalling_setups.ts";

export type Command =
  | { readonly op: "idle"; readonly target: Target; readonly count: number; readonly lanes: number }
  | { readonly op: "setups"; readonly targets: readonly Target[]; readonly pairs: number } & Plan
  | { readonly op: "forward"; readonly target: Target; readonly pairs: number } & Plan
  | { readonly op: "plain"; readonly port: number; readonly pairs: number } & Plan;

type CommandOf<K extends Command["op"]> = Extract<Command, { op: K }>;

/** Must arrive, unlike a ping, and changes nothing at the server. */
const SELECT: Draft["payload"] = { op: "select", transport: "diff-ws", epoch: 1 };

const kept: unknown[] = [];

/** Connects agents with one desktop each and leaves them alone. */
async function idle({ target, count, lanes }: CommandOf<"idle">): Promise<LoadAnswer> {
  const startedAt = performance.now();
  let left = count;
  let failed = 0;
  const lane = async () => {
    while (left-- > 0) {
      try {
        const { client, agentId } = await openAgent(target);
        client.send({ type: "DESKTOP_CAPS", desktopId: agentId, payload: CAPS });
        client.socket.once("close", () => failed++);
        kept.push(client);
      } catch (cause) {
        if (failed++ < 3) console.error(String(cause));
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const seconds = (performance.now() - startedAt) / 1000;
  return { done: kept.length, failed, seconds, p50Ms: null, p99Ms: null, maxMs: null };
}

/** Agents and consoles with one session each. */
async function openSessions(target: Target, count: number) {
  const pairs = await openPairs([target], count);
  return await Promise.all(
    pairs.map((pair) =>
      new Promise<Pair & { readonly sessionId: string }>((resolve) => {
        const { agent, viewer, desktopId } = pair;
        agent.onMessage = (message) => {
          if (message.type === "SESSION_REQUEST") accept(pair, message.sessionId ?? "");
        };
        viewer.onMessage = ({ type, sessionId }) => {
          if (type !== "DESKTOP_CAPS" || sessionId === undefined) return;
          // Shown by the relay, the session waits for no offer and stays.
          const shown = { from: "none", to: "diff-ws", reason: "operator-choice" } as const;
          const payload = { ...shown, evidence: {}, at: Date.now() };
          viewer.send({ type: "DESKTOP_TRANSPORT_FALLBACK", desktopId, sessionId, payload });
          resolve({ ...pair, sessionId });
        };
        viewer.send({ type: "SESSION_REQUEST", desktopId, payload: { requestId: randomUUID() } });
      })
    ),
  );
}

/** Control messages of consoles for their agents: one in, one out. */
async function forward({ target, pairs: count, ...plan }: CommandOf<"forward">) {
  const key = ["forward", target.signalUrl, count];
  const pairs = await keptOpen(key, () => openSessions(target, count));
  const timings = new Timings();
  const sent: number[][] = pairs.map(() => []);
  pairs.forEach(({ agent, viewer }, i) => {
    agent.onMessage = ({ type }) => {
      if (type === "VIEWER_CONTROL") timings.add(sent[i].shift() ?? 0);
    };
    viewer.onMessage = () => {};
  });
  return await timings.run(plan, (i) => {
    const at = i % pairs.length;
    const { viewer, desktopId, sessionId } = pairs[at];
    sent[at].push(performance.now());
    viewer.send({ type: "VIEWER_CONTROL", desktopId, sessionId, payload: SELECT } as Draft);
  });
}

/** Pairs of sockets in rooms of the plain relay. */
function openRooms(port: number, count: number) {
  const room = randomUUID();
  return Promise.all(Array.from({ length: count }, async (_, i) => {
    const sockets = [0, 1].map(() => new WebSocket(`ws://127.0.0.1:${port}`));
    await Promise.all(sockets.map((socket) => {
      socket.once("open", () => socket.send(`${room} ${i}`));
      return new Promise((resolve) => socket.once("message", resolve));
    }));
    const [viewer, agent] = sockets;
    return { viewer, agent };
  }));
}

/** The same messages through the plain relay. */
async function plain({ port, pairs: count, ...plan }: CommandOf<"plain">): Promise<LoadAnswer> {
  const pairs = await keptOpen(["plain", port, count], () => openRooms(port, count));
  const timings = new Timings();
  const text = JSON.stringify({
    type: "VIEWER_CONTROL",
    desktopId: randomUUID(),
    sessionId: randomUUID(),
    payload: SELECT,
    seq: 1,
    ack: 1,
    ts: Date.now(),
  });
  const sent: number[][] = pairs.map(() => []);
  pairs.forEach(({ agent }, i) => {
    agent.removeAllListeners("message");
    agent.on("message", (data: Uint8Array) => {
      JSON.parse(data.toString());
      timings.add(sent[i].shift() ?? 0);
    });
  });
  return await timings.run(plan, (i) => {
    const at = i % pairs.length;
    sent[at].push(performance.now());
    pairs[at].viewer.send(text);
  });
}

function run(command: Command): Promise<LoadAnswer> {
  switch (command.op) {
    case "idle":
      return idle(command);
    case "setups":
      return setUps(command.targets, command);
    case "forward":
      return forward(command);
    case "plain":
      return plain(command);
  }
}

let rest = "";
for await (const part of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + part).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) console.log(JSON.stringify(await run(JSON.parse(line) as Command)));
}
Deno.exit(0);
