/** An agent inside the test's process, so that its screen can be compared pixel by pixel. */
import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { clearImmediate, setImmediate } from "node:timers";
import { readFile } from "node:fs/promises";
import type { DesktopPolicy } from "@farglass/protocol";
import { deflate } from "../../agent/adapters/deflate.ts";
import { openConverter } from "../../agent/adapters/libav/converter.ts";
import { openLibavEncoder } from "../../agent/adapters/libav/encoder.ts";
import { createWeriftPeer } from "../../agent/adapters/peer_werift/mod.ts";
import { fetchNonce, openSignallingSocket } from "../../agent/adapters/signalling_socket.ts";
import { openSynthetic } from "../../agent/adapters/synthetic/open_synthetic.ts";
import { Agent, type AgentPorts } from "../../agent/agent.ts";
import { Pipeline } from "../../agent/pipeline.ts";
import { LIBX264 } from "./libav.ts";

const SIZE = { width: 800, height: 600 };

export interface InProcessAgent extends AsyncDisposable {
  readonly agent: Agent;
  readonly pipeline: Pipeline;
  readonly desktopId: string;
  readonly logs: string[];
  /** Colours of the screen, row by row. */
  screen(): Uint32Array;
}

/** Starts an agent on the synthetic desktop; it may not be registered yet. */
export async function startInProcess(options: {
  readonly server: { readonly signalUrl: string; readonly agentSecretFile: string };
  readonly policy?: Partial<DesktopPolicy>;
  readonly consent?: AgentPorts["consent"];
  readonly secret?: string;
  readonly agentId?: string;
  /** How many displays the desktop has when it is opened; one from the start. */
  readonly displays?: () => number;
}): Promise<InProcessAgent> {
  const { signalUrl: url, agentSecretFile } = options.server;
  const secret = options.secret ?? (await readFile(agentSecretFile, "utf8")).trim();
  const agentId = options.agentId ?? randomUUID();
  const desktopId = randomUUID();
  const logs: string[] = [];
  const log = (_level: string, text: string) => logs.push(text);
  const now = () => performance.now();
  const random = () => Math.random();
  const pipeline = new Pipeline(
    {
      openDesktop: () => {
        const displays = options.displays?.() ?? 1;
        return Promise.resolve({
          ok: true,
          value: openSynthetic({ ...SIZE, maxFps: 60, displays }),
        });
      },
      openEncoder: openLibavEncoder,
      openConverter,
      encoders: () => [LIBX264],
      now,
      random,
      log,
    },
    { bitrateKbps: 4_000, maxFps: 30 },
    SIZE,
  );
  const agent = new Agent({
    info: { agentId, name: "agent", hostname: "test", os: "linux", software: "test" },
    desktopId,
    desktopName: "In process",
    capture: "synthetic",
    input: { pointer: true, keyboard: true },
    encoders: [],
    hybrid: false,
    policy: {
      viewOnly: false,
      diffOnly: false,
      videoOnly: false,
      consent: "allow",
      ...options.policy,
    },
    loopbackOnly: true,
    loopbackToo: false,
    relayOnly: false,
  }, {
    pipeline,
    createPeer: createWeriftPeer,
    consent: options.consent ?? null,
    deflate,
    base64: (bytes) => Buffer.from(bytes).toString("base64"),
    soon: (task) => {
      const handle = setImmediate(task);
      return () => clearImmediate(handle);
    },
    fetchNonce: (signal) => fetchNonce(url, agentId, signal),
    openSocket: (nonce, events) => openSignallingSocket({ url, agentId, nonce, secret }, events),
    now,
    random,
    log,
  });
  agent.start();
  return {
    agent,
    pipeline,
    desktopId,
    logs,
    screen: () => {
      const frame = pipeline.current();
      if (frame === null) throw new Error("No picture yet");
      const { pixels, width, height, strideBytes } = frame;
      const words = new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.byteLength / 4);
      return Uint32Array.from(
        { length: width * height },
        (_, i) => words[Math.floor(i / width) * (strideBytes / 4) + i % width] & 0xffffff,
      );
    },
    [Symbol.asyncDispose]: () => agent.stop(),
  };
}
