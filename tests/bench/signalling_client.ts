/** A light signalling client: numbers and acknowledges as the protocol does, trusts the server. */
import { createHmac, randomUUID } from "node:crypto";
import WebSocket from "ws";
import {
  type Draft,
  linkReceive,
  linkSend,
  type Message,
  newLink,
  PROTOCOL_VERSION,
  SUBPROTOCOL,
} from "@farglass/protocol";

/** Where the server is, and what proves a client. */
export interface Target {
  readonly signalUrl: string;
  readonly baseUrl: string;
  readonly agentSecret: string;
  /** A console's cookie; empty where only agents connect. */
  readonly cookie: string;
}

const open = new Set<BenchLink>();

/** One timer for all clients of the process: whoever's heartbeat is due sends it. */
setInterval(() => {
  const now = Date.now();
  for (const client of open) client.beat(now);
}, 100);

export class BenchLink {
  onMessage: (message: Message) => void = () => {};
  readonly socket: WebSocket;
  #link = newLink;
  #heartbeatMs = 1_500;
  #pingAtMs = Infinity;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Uint8Array) => this.#receive(data.toString()));
    socket.on("close", () => open.delete(this));
    socket.on("error", () => {
      // The close event follows.
    });
  }

  send(draft: Draft): void {
    const sent = linkSend(this.#link, draft, Date.now());
    if (!sent.ok) throw new Error(sent.error.code);
    this.#link = sent.value.link;
    this.socket.send(sent.value.text);
  }

  beat(now: number): void {
    if (now < this.#pingAtMs) return;
    this.#pingAtMs = now + this.#heartbeatMs;
    this.send({ type: "PING", payload: {} });
  }

  #receive(text: string): void {
    const message = JSON.parse(text) as Message;
    const receipt = linkReceive(this.#link, message);
    this.#link = receipt.link;
    if (receipt.kind !== "deliver") return;
    if (message.type === "WELCOME" || message.type === "PONG") {
      this.#heartbeatMs = message.payload.heartbeatMs ?? this.#heartbeatMs;
      if (message.type === "PONG") return;
      // Spread over the first interval, as clients that came at different times are.
      this.#pingAtMs = Date.now() + Math.random() * this.#heartbeatMs;
      open.add(this);
    }
    this.onMessage(message);
  }
}

async function post(target: Target, path: string, body: unknown): Promise<Record<string, string>> {
  const answer = await fetch(`${target.baseUrl}/api/v1/${path}`, {
    method: "POST",
    headers: { cookie: target.cookie, origin: target.baseUrl },
    body: JSON.stringify(body),
  });
  const { success, data, error } = await answer.json();
  if (!success) throw new Error(`${path}: ${error.code}`);
  return data;
}

async function greet(
  target: Target,
  headers: Record<string, string>,
  hello: Record<string, unknown>,
): Promise<BenchLink> {
  const socket = new WebSocket(target.signalUrl, SUBPROTOCOL, {
    headers,
    perMessageDeflate: false,
  });
  const client = new BenchLink(socket);
  const welcome = new Promise<void>((resolve, reject) => {
    client.onMessage = (message) => {
      if (message.type === "WELCOME") resolve();
      else reject(new Error(JSON.stringify(message)));
    };
    socket.once("close", (code) => reject(new Error(`closed with ${code}`)));
  });
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  const payload = { version: PROTOCOL_VERSION, software: "bench", ...hello };
  socket.send(JSON.stringify({ type: "HELLO", seq: 0, ack: 0, ts: 0, payload }));
  await welcome;
  return client;
}

/** An agent that has proved its key. */
export async function openAgent(target: Target): Promise<{ client: BenchLink; agentId: string }> {
  const agentId = randomUUID();
  const { nonce } = await post(target, "remote-desktop/agents/challenge", { agentId });
  const proof = createHmac("sha256", target.agentSecret)
    .update(`farglass-agent-v1\n${agentId}\n${nonce}`).digest("hex");
  const authorization = `Farglass ${agentId}:${nonce}:${proof}`;
  const agent = { agentId, name: "bench", hostname: "bench", os: "linux", software: "bench" };
  return { client: await greet(target, { authorization }, { role: "agent", agent }), agentId };
}

/** A console with a ticket of its own. */
export async function openConsole(target: Target): Promise<BenchLink> {
  const { ticket } = await post(target, "console/ticket", {});
  const headers = { cookie: target.cookie, origin: target.baseUrl };
  return await greet(target, headers, { role: "console", ticket });
}
