/**
 * A bad network between console and agent, made of user space: the page's hook sends its packets
 * to a port of the relay instead of the agent's (`throughRelay`), and each direction passes a
 * LinkModel. Loopback only.
 */
import { createSocket, type Socket } from "node:dgram";
import type { Buffer } from "node:buffer";
import type { BrowserContext } from "playwright-core";
import { type LinkConditions, LinkModel } from "./link_model.ts";

const HOST = "127.0.0.1";
/** UDP and IP headers count on a link, too. */
const HEADER_BYTES = 28;

/** One link with a direction to the console (down) and one to the agent (up). */
export class BadNetwork implements AsyncDisposable {
  readonly down: LinkModel<() => void>;
  readonly up: LinkModel<() => void>;
  /** Ports of the relay by the agent's port. */
  readonly #ports = new Map<number, Promise<number>>();
  readonly #sockets: Socket[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(seed: number, conditions: Partial<LinkConditions> = {}) {
    this.down = new LinkModel(seed, conditions);
    // What the console sends is small: only delay and loss matter to it.
    this.up = new LinkModel(seed + 1, { ...conditions, kbps: null });
  }

  /** Changes both directions; a bottleneck only the one to the console. */
  set(change: Partial<LinkConditions>): void {
    const now = performance.now();
    this.down.set(change, now);
    this.up.set({ ...change, kbps: null }, now);
    this.#run();
  }

  /** Makes pages of this context reach agents through the relay only. Call it before the first page. */
  async prepare(context: BrowserContext): Promise<void> {
    await context.exposeBinding("relayPort", (_, port: number) => this.portFor(port));
    await context.addInitScript(throughRelay);
  }

  portFor(agentPort: number): Promise<number> {
    const known = this.#ports.get(agentPort) ?? this.#open(agentPort);
    this.#ports.set(agentPort, known);
    return known;
  }

  async #open(agentPort: number): Promise<number> {
    const front = await this.#socket();
    /** By the console's port: the agent tells its clients apart by where they send from. */
    const backs = new Map<number, Promise<Socket>>();
    const back = async (consolePort: number): Promise<Socket> => {
      const socket = await this.#socket();
      socket.on("message", (data) => {
        this.#push(this.down, data, () => front.send(data, consolePort, HOST));
      });
      return socket;
    };
    front.on("message", async (data, { port }) => {
      const known = backs.get(port) ?? back(port);
      backs.set(port, known);
      const socket = await known;
      this.#push(this.up, data, () => socket.send(data, agentPort, HOST));
    });
    return front.address().port;
  }

  #socket(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = createSocket("udp4");
      this.#sockets.push(socket);
      socket.once("error", reject);
      socket.bind(0, HOST, () => {
        socket.removeListener("error", reject);
        // A peer that has gone answers with ICMP errors, which are none of the network's.
        socket.on("error", () => {});
        resolve(socket);
      });
    });
  }

  #push(link: LinkModel<() => void>, data: Buffer, send: () => void): void {
    link.push(send, data.length + HEADER_BYTES, performance.now());
    this.#run();
  }

  /** Delivers what is due and waits for what comes next. */
  #run(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const now = performance.now();
    for (const link of [this.down, this.up]) for (const send of link.pull(now)) send();
    const next = Math.min(this.down.nextMs() ?? Infinity, this.up.nextMs() ?? Infinity);
    if (next === Infinity) return;
    this.#timer = setTimeout(() => this.#run(), Math.max(1, next - performance.now()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.allSettled(this.#ports.values());
    await Promise.all(
      this.#sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  }
}

/**
 * Runs in the page: the agent's candidates get the relay's port, and the page's own ones are kept
 * back, so that the agent knows no other way than the one by which it was reached.
 */
function throughRelay(): void {
  const { prototype } = RTCPeerConnection;
  const { relayPort } = globalThis as unknown as { relayPort(port: number): Promise<number> };
  // Of its overloads, the one with a promise.
  const add = prototype.addIceCandidate as (
    candidate?: RTCIceCandidateInit | null,
  ) => Promise<void>;
  prototype.addIceCandidate = async function (candidate?: RTCIceCandidateInit | null) {
    const found = /^(candidate:\S+ \d+ udp \d+ 127\.0\.0\.1) (\d+) (.*)$/i
      .exec(candidate?.candidate ?? "");
    if (candidate == null || candidate.candidate === "" || candidate.candidate === undefined) {
      return await add.call(this, candidate);
    }
    if (found === null) return;
    const port = await relayPort(Number(found[2]));
    await add.call(this, { ...candidate, candidate: `${found[1]} ${port} ${found[3]}` });
  };
  const own = Object.getOwnPropertyDescriptor(prototype, "onicecandidate")!;
  Object.defineProperty(prototype, "onicecandidate", {
    get: own.get,
    set(listener: ((event: RTCPeerConnectionIceEvent) => void) | null) {
      own.set!.call(
        this,
        listener === null ? null : (event: RTCPeerConnectionIceEvent) => {
          if (event.candidate === null) listener.call(this, event);
        },
      );
    },
  });
}
