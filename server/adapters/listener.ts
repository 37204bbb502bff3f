/**
 * Keeps a server listening. When file descriptors run out accept(2) fails, and then the runtime's
 * listener takes no connection ever again, without an error or an event: clients hang in its
 * backlog. So a connection to ourselves asks now and then, and a listener that has died is made
 * anew, with a growing pause while descriptors are short.
 */
import { connect, type Server, type Socket } from "node:net";

export interface ListenerOptions {
  readonly host: string;
  /** Makes a server with its handlers; it is not listening yet. */
  readonly make: () => Server;
  /** The listener has died, or takes connections again. */
  readonly onChange: (listening: boolean) => void;
}

/** A quiet listener is asked this often. */
const PROBE_MS = 2_000;
/** A connection to ourselves that is not accepted within this time has met a dead listener. */
const ACCEPT_MS = 1_500;
/** A busy process may be slow once. */
const FAILURES = 2;
const MIN_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;

type Probe = "accepted" | "dead" | "unknown";

/** A listening server and its successors on the same port. */
export class Listener {
  readonly #options: ListenerOptions;
  #server: Server;
  #port = 0;
  #accepted = 0;
  #onAccept: () => void = () => {};
  #proved = false;
  #listening = true;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #probe: Socket | null = null;
  #closed = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = this.#make();
  }

  get port(): number {
    return this.#port;
  }

  /** Whether connections are accepted, as far as is known. */
  get listening(): boolean {
    return this.#listening;
  }

  /** Rejects with the system's error when the address cannot be had. */
  async open(port: number): Promise<void> {
    await this.#listen(port);
    const address = this.#server.address();
    this.#port = typeof address === "object" && address !== null ? address.port : port;
    this.#later(PROBE_MS, { failures: 0, pauseMs: MIN_PAUSE_MS });
  }

  /** Stops listening; resolves when all its connections have ended. */
  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#probe?.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #make(): Server {
    const server = this.#options.make();
    server.on("connection", () => {
      this.#accepted++;
      this.#onAccept();
    });
    return server;
  }

  #listen(port: number): Promise<void> {
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, this.#options.host, () => {
        server.off("error", reject);
        server.on("error", () => {
          // Nothing that is known makes one; the next probe judges.
        });
        resolve();
      });
    });
  }

  #later(ms: number, so: { readonly failures: number; readonly pauseMs: number }): void {
    if (this.#closed) return;
    const before = this.#accepted;
    this.#timer = setTimeout(() => {
      // Whoever came meanwhile has answered the question.
      const asked = this.#accepted > before ? Promise.resolve("accepted" as const) : this.#ask();
      asked.then((probe) => this.#judge(probe, so));
    }, ms);
  }

  #judge(probe: Probe, so: { readonly failures: number; readonly pauseMs: number }): void {
    if (this.#closed) return;
    if (probe === "accepted") {
      this.#proved = true;
      this.#tell(true);
      return this.#later(PROBE_MS, { failures: 0, pauseMs: MIN_PAUSE_MS });
    }
    if (probe === "unknown") return this.#later(this.#listening ? PROBE_MS : MIN_PAUSE_MS, so);
    const failures = so.failures + 1;
    if (failures < FAILURES) return this.#later(MIN_PAUSE_MS, { ...so, failures });
    this.#tell(false);
    this.#renew().then((made) => {
      // A new one that descriptors kill again is found out at once, and made after a longer pause.
      const pauseMs = Math.min(MAX_PAUSE_MS, so.pauseMs * 2);
      this.#later(so.pauseMs, { failures: made ? FAILURES - 1 : FAILURES, pauseMs });
    });
  }

  #tell(listening: boolean): void {
    if (this.#listening === listening) return;
    this.#listening = listening;
    this.#options.onChange(listening);
  }

  /** Connections of the old listener live on. */
  async #renew(): Promise<boolean> {
    this.#server.close();
    this.#server = this.#make();
    try {
      await this.#listen(this.#port);
      if (this.#closed) this.#server.close();
      return true;
    } catch {
      // No descriptor for it yet: the caller tries again.
      return false;
    }
  }

  #ask(): Promise<Probe> {
    const before = this.#accepted;
    return new Promise((resolve) => {
      let connected = false;
      const socket = connect(this.#port, targetOf(this.#options.host));
      this.#probe = socket;
      const end = (probe: Probe) => {
        clearTimeout(timer);
        this.#onAccept = () => {};
        this.#probe = null;
        socket.destroy();
        resolve(probe);
      };
      const timer = setTimeout(
        // A full backlog lets no connection in; where none ever came in it may be a firewall.
        () => end(connected || this.#proved ? "dead" : "unknown"),
        ACCEPT_MS,
      );
      this.#onAccept = () => end("accepted");
      socket.once("connect", () => {
        connected = true;
        if (this.#accepted > before) end("accepted");
      });
      socket.once("error", (error: Error & { code?: string }) => {
        end(error.code === "ECONNREFUSED" ? "dead" : "unknown");
      });
      socket.once("close", () => end("unknown"));
    });
  }
}

/** Where a wildcard address is reached from this machine. */
const targetOf = (host: string): string =>
  host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
