/** Runs the link to the server: carries out what core/link_client.ts decides. */
import { type AgentInfo, type Draft, type Message, never } from "@farglass/protocol";
import {
  linkDeadline,
  type LinkEffect,
  type LinkEvent,
  type LinkFailure,
  newLinkClient,
  stepLink,
} from "./core/link_client.ts";

/** What the link asks of the machine: HTTP for the challenge and one socket. */
export interface LinkPorts {
  fetchNonce(signal: AbortSignal): Promise<
    { readonly nonce: string } | { readonly failure: LinkFailure }
  >;
  openSocket(nonce: string, events: LinkSocketEvents): LinkSocket;
  now(): number;
  random(): number;
  log(level: "info" | "warn", text: string): void;
}

export interface LinkSocketEvents {
  onOpen(): void;
  onText(text: string): void;
  onBinary(bytes: Uint8Array): void;
  onDrain(): void;
  onFailure(failure: LinkFailure): void;
  onClose(code: number): void;
}

export interface LinkSocket {
  sendText(text: string): void;
  sendBinary(bytes: Uint8Array): void;
  readonly bufferedBytes: number;
  close(code: number): void;
  closed(graceMs: number): Promise<void>;
}

export interface LinkListener {
  onUp(resumed: boolean): void;
  onDown(): void;
  onMessage(message: Message): void;
  onBinary(bytes: Uint8Array): void;
  onDrain(): void;
}

/** A closing socket gets so long to send what it holds and to say goodbye. */
const CLOSE_GRACE_MS = 800;

/** The agent's one link. */
export class Link {
  readonly #ports: LinkPorts;
  readonly #listener: LinkListener;
  #state: ReturnType<typeof newLinkClient>;
  #socket: LinkSocket | null = null;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(agent: AgentInfo, ports: LinkPorts, listener: LinkListener) {
    this.#ports = ports;
    this.#listener = listener;
    this.#state = newLinkClient(agent);
  }

  get online(): boolean {
    return this.#state.phase.kind === "online";
  }
  get bufferedBytes(): number {
    return this.#socket?.bufferedBytes ?? 0;
  }

  start(): void {
    this.#step({ kind: "start" });
  }

  send(draft: Draft): void {
    this.#step({ kind: "send", draft });
  }

  /** False when there is no link: relay frames are never kept for later. */
  sendBinary(bytes: Uint8Array): boolean {
    if (!this.online || this.#socket === null) return false;
    this.#socket.sendBinary(bytes);
    return true;
  }

  /** Closes for good; what was sent before still goes out. */
  async stop(): Promise<void> {
    const socket = this.#socket;
    this.#step({ kind: "stop" });
    await socket?.closed(CLOSE_GRACE_MS);
  }

  #step(event: LinkEvent): void {
    const at = { now: this.#ports.now(), random: this.#ports.random() };
    const [state, effects] = stepLink(this.#state, event, at);
    this.#state = state;
    for (const effect of effects) this.#run(effect);
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const due = linkDeadline(this.#state);
    if (due === null) return;
    this.#timer = setTimeout(
      () => this.#step({ kind: "tick" }),
      Math.max(0, due - this.#ports.now()),
    );
  }

  #run(effect: LinkEffect): void {
    switch (effect.kind) {
      case "challenge":
        this.#challenge(effect.epoch);
        break;
      case "open":
        this.#open(effect.epoch, effect.nonce);
        break;
      case "write":
        this.#socket?.sendText(effect.text);
        break;
      case "close":
        this.#abort?.abort();
        this.#abort = null;
        this.#socket?.close(effect.code);
        this.#socket = null;
        break;
      case "deliver":
        this.#listener.onMessage(effect.message);
        break;
      case "up":
        this.#listener.onUp(effect.resumed);
        break;
      case "down":
        this.#listener.onDown();
        break;
      case "log":
        this.#ports.log(effect.level, effect.text);
        break;
      default:
        never(effect);
    }
  }

  async #challenge(epoch: number): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    const answer = await this.#ports.fetchNonce(abort.signal);
    if (abort.signal.aborted) return;
    this.#abort = null;
    this.#step(
      "nonce" in answer
        ? { kind: "nonce", epoch, nonce: answer.nonce }
        : { kind: "failed", epoch, failure: answer.failure },
    );
  }

  #open(epoch: number, nonce: string): void {
    const mine = () => this.#socket === socket;
    const socket = this.#ports.openSocket(nonce, {
      onOpen: () => this.#step({ kind: "opened", epoch }),
      onText: (text) => this.#step({ kind: "text", epoch, text }),
      onBinary: (bytes) => mine() && this.online && this.#listener.onBinary(bytes),
      onDrain: () => mine() && this.#listener.onDrain(),
      onFailure: (failure) => this.#step({ kind: "failed", epoch, failure }),
      onClose: (code) => this.#step({ kind: "closed", epoch, code }),
    });
    this.#socket = socket;
  }
}
