/** Signalling clients for tests: real sockets to a real server, messages awaited by type. */
import { createHmac, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import WebSocket from "ws";
import {
  decodeMessage,
  type Draft,
  linkReceive,
  linkResume,
  linkSend,
  type LinkState,
  type Message,
  type MessageOf,
  type MessageType,
  newLink,
  PROTOCOL_VERSION,
  SUBPROTOCOL,
} from "@farglass/protocol";
import type { RunningServer } from "../app.ts";
import { agentInfo } from "./samples.ts";

const WAIT_MS = 10_000;

export interface Closed {
  readonly code: number;
}

/** One client's link over any number of sockets. */
export class LinkClient {
  readonly messages: Message[] = [];
  readonly binary: Uint8Array[] = [];
  link: LinkState = newLink;
  linkId = "";
  socket: WebSocket | null = null;
  closed: Promise<Closed> = Promise.resolve({ code: 0 });
  readonly #waiters = new Map<() => void, (error: Error) => void>();

  /** Opens a socket, says HELLO and waits for WELCOME. */
  async open(
    url: string,
    headers: Record<string, string>,
    hello: Omit<MessageOf<"HELLO">["payload"], "version" | "software"> & { version?: number },
  ): Promise<MessageOf<"WELCOME">> {
    const socket = new WebSocket(url, SUBPROTOCOL, { headers, perMessageDeflate: false });
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.on("close", (code) => {
        resolve({ code });
        this.#wake();
      });
    });
    socket.on("message", (data: Uint8Array, isBinary: boolean) => {
      if (isBinary) this.binary.push(new Uint8Array(data));
      else this.#receive(new TextDecoder().decode(data));
      this.#wake();
    });
    socket.on("error", () => {
      // The close event follows.
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("open", () => resolve());
      socket.once("unexpected-response", (_request, response) => {
        const { statusCode } = response;
        response.resume();
        response.once("end", () => reject(new Error(`status ${statusCode}`)));
      });
      socket.once("error", (error) => reject(error));
    });
    const before = this.messages.length;
    const payload = { version: PROTOCOL_VERSION, software: "test", ...hello };
    this.raw(JSON.stringify({ type: "HELLO", seq: 0, ack: 0, ts: 0, payload }));
    return await this.next("WELCOME", before);
  }

  raw(data: string | Uint8Array): void {
    this.socket?.send(data);
  }

  /** Numbers and sends; without an open socket it waits for the next resume. */
  send(draft: Draft): number {
    const sent = linkSend(this.link, draft, Date.now());
    if (!sent.ok) throw new Error(sent.error.code);
    this.link = sent.value.link;
    if (this.socket?.readyState === WebSocket.OPEN) this.raw(sent.value.text);
    return this.link.sent;
  }

  /** The first message of a type at or after index `from` that fits, waiting for it. */
  async next<T extends MessageType>(
    type: T,
    from = 0,
    fits: (message: MessageOf<T>) => boolean = () => true,
  ): Promise<MessageOf<T>> {
    let found: MessageOf<T> | undefined;
    await this.until(() => {
      found = this.messages.slice(from).find((m): m is Extract<Message, { type: T }> =>
        m.type === type && fits(m as MessageOf<T>)
      ) as MessageOf<T> | undefined;
      return found !== undefined;
    }, type);
    if (found === undefined) throw new Error("unreachable");
    return found;
  }

  /** Waits until something received makes `done` true. */
  async until(done: () => boolean, what = "condition"): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const check = () => {
        if (!done()) return;
        clearTimeout(timer);
        this.#waiters.delete(check);
        resolve();
      };
      const fail = (error: Error) => {
        clearTimeout(timer);
        this.#waiters.delete(check);
        reject(error);
      };
      const timer = setTimeout(() => {
        const got = this.messages.map((m) => m.type).join(" ");
        fail(new Error(`Waited in vain for ${what}; got: ${got}`));
      }, WAIT_MS);
      this.#waiters.set(check, fail);
    });
  }

  /** Cuts the connection without a goodbye. */
  async drop(): Promise<void> {
    this.socket?.terminate();
    await this.closed;
  }

  async close(): Promise<Closed> {
    this.socket?.close(1000);
    return await this.closed;
  }

  /** Calls off whatever is still waited for. */
  abandon(): void {
    for (const fail of [...this.#waiters.values()]) fail(new Error("abandoned"));
  }

  /** At once: what follows on the socket is numbered by the link that begins here. */
  #welcome(welcome: MessageOf<"WELCOME">): void {
    this.linkId = welcome.payload.linkId;
    if (!welcome.payload.resumed) {
      this.link = newLink;
      return;
    }
    const { link, resend } = linkResume(this.link, welcome.payload.lastSeq);
    this.link = link;
    for (const text of resend) this.raw(text);
  }

  #wake(): void {
    for (const check of [...this.#waiters.keys()]) check();
  }

  #receive(text: string): void {
    const decoded = decodeMessage(text, "server");
    if (!decoded.ok) throw new Error(decoded.error.message);
    if (decoded.value.type === "WELCOME") this.#welcome(decoded.value);
    const receipt = linkReceive(this.link, decoded.value);
    this.link = receipt.link;
    if (receipt.kind === "gap") throw new Error("gap");
    if (receipt.kind === "deliver") this.messages.push(decoded.value);
  }
}

/** The header that proves an agent's key. */
export async function agentAuthorization(
  server: RunningServer,
  agentId: string,
  secret?: string,
): Promise<string> {
  const answer = await fetch(
    `${server.baseUrl}/api/v1/remote-desktop/agents/challenge`,
    { method: "POST", body: JSON.stringify({ agentId }) },
  );
  const { data: { nonce } } = await answer.json();
  const key = secret ?? (await readFile(server.agentSecretFile, "utf8")).trim();
  const proof = createHmac("sha256", key).update(`farglass-agent-v1\n${agentId}\n${nonce}`)
    .digest("hex");
  return `Farglass ${agentId}:${nonce}:${proof}`;
}

/** Opens, or with `client` resumes, an agent's link. */
export async function connectAgent(
  server: RunningServer,
  options: { readonly agentId?: string; readonly client?: LinkClient } = {},
): Promise<{ readonly client: LinkClient; readonly agentId: string; readonly resumed: boolean }> {
  const agentId = options.agentId ?? randomUUID();
  const client = options.client ?? new LinkClient();
  const authorization = await agentAuthorization(server, agentId);
  const resume = options.client === undefined
    ? undefined
    : { linkId: client.linkId, lastSeq: client.link.received };
  const welcome = await client.open(server.signalUrl, { authorization }, {
    role: "agent",
    agent: agentInfo(agentId),
    resume,
  });
  return { client, agentId, resumed: welcome.payload.resumed };
}

/** Follows a sign-in link and returns the cookie. */
export async function signIn(server: RunningServer): Promise<string> {
  const answer = await fetch(await server.newConsoleUrl(), { redirect: "manual" });
  await answer.body?.cancel();
  if (answer.status !== 303) throw new Error(`sign-in: ${answer.status}`);
  return answer.headers.getSetCookie()[0].split(";")[0];
}

export async function ticketFor(server: RunningServer, cookie: string): Promise<string> {
  const answer = await fetch(`${server.baseUrl}/api/v1/console/ticket`, {
    method: "POST",
    headers: { cookie, origin: server.baseUrl },
  });
  return (await answer.json()).data.ticket;
}

/** Opens, or with `client` resumes, a console's link. */
export async function connectConsole(
  server: RunningServer,
  options: {
    readonly cookie?: string;
    readonly client?: LinkClient;
    /** Its address, as a proxy would tell it. */
    readonly from?: string;
  } = {},
): Promise<{ readonly client: LinkClient; readonly cookie: string; readonly resumed: boolean }> {
  const cookie = options.cookie ?? await signIn(server);
  const client = options.client ?? new LinkClient();
  const ticket = await ticketFor(server, cookie);
  const resume = options.client === undefined
    ? undefined
    : { linkId: client.linkId, lastSeq: client.link.received };
  const welcome = await client.open(
    server.signalUrl,
    {
      ...{ cookie, origin: server.baseUrl },
      ...options.from === undefined ? {} : { "x-forwarded-for": options.from },
    },
    { role: "console", ticket, resume },
  );
  return { client, cookie, resumed: welcome.payload.resumed };
}
