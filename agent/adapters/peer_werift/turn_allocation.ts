/**
 * One allocation on a TURN server (RFC 8656), over UDP, TCP or TLS. Made here and not by werift's
 * own gathering, which takes one server only and cannot be stopped while a server is silent.
 */
import {
  StunOverTurnProtocol,
  TcpTransport,
  TlsTransport,
  TurnProtocol,
  UdpTransport,
} from "werift";
import type { TurnTarget } from "../../core/ice_policy.ts";
import type { IceProtocol } from "./internals.ts";

/** RFC 8656 section 7.2's default; werift refreshes at five sixths of it. */
const LIFETIME_SECONDS = 600;

export class TurnAllocation {
  readonly #aborted = Promise.withResolvers<never>();
  #turn: TurnProtocol | undefined;
  #closed = false;

  constructor(
    private readonly target: TurnTarget,
    private readonly connectTimeoutMs: number,
    /** Binds the socket to this address when given. */
    private readonly localAddress: string | undefined,
  ) {
    this.#aborted.promise.catch(() => {/* only an allocation under way minds */});
  }

  /** Resolves with the relayed socket. Rejects when the server refuses, is silent, or after abort. */
  async open(): Promise<IceProtocol> {
    return await Promise.race([this.#allocate(), this.#aborted.promise]);
  }

  /** Gives up an allocation that has not opened; an open one is closed by its ICE connection. */
  abort(): void {
    this.#closed = true;
    this.#aborted.reject(new Error("The allocation was given up"));
    void this.#drop();
  }

  async #allocate(): Promise<IceProtocol> {
    const { host, port, username, credential } = this.target;
    const transport = await this.#connect();
    if (this.#closed) {
      await transport.close();
      throw new Error("The allocation was given up");
    }
    const turn = new TurnProtocol([host, port], username, credential, LIFETIME_SECONDS, transport);
    this.#turn = turn;
    try {
      await turn.connectionMade();
    } catch (cause) {
      await this.#drop();
      throw cause;
    }
    this.#turn = undefined;
    const protocol = new StunOverTurnProtocol(turn) as unknown as IceProtocol;
    if (this.#closed) await protocol.close?.();
    return protocol;
  }

  #connect(): Promise<UdpTransport | TcpTransport | TlsTransport> {
    const { host, port, transport } = this.target;
    const options = { connectTimeoutMs: this.connectTimeoutMs };
    if (transport === "tcp") return TcpTransport.init([host, port], options);
    if (transport === "tls") return TlsTransport.init([host, port], undefined, options);
    const isIpv6 = host.includes(":");
    return UdpTransport.init(isIpv6 ? "udp6" : "udp4", {
      interfaceAddresses: this.localAddress === undefined ? undefined : { udp4: this.localAddress },
    });
  }

  async #drop(): Promise<void> {
    const turn = this.#turn;
    this.#turn = undefined;
    if (turn === undefined) return;
    for (const transaction of Object.values(turn.transactions)) transaction.cancel();
    await turn.close();
  }
}
