/** A coturn on loopback with shared-secret credentials (design section 8). */
import { createHmac } from "node:crypto";
import { createServer } from "node:net";
import { join } from "node:path";
import { poll, type SpawnedProcess, spawnProcess } from "./process.ts";

export interface CoturnOptions {
  /** `static-auth-secret`. */
  readonly secret?: string;
  readonly realm?: string;
  /** UDP and TCP; a free one when left out. */
  readonly port?: number;
  /** Further lines of turnserver.conf. */
  readonly extra?: readonly string[];
  /** No UDP listener: clients must use TCP. */
  readonly tcpOnly?: boolean;
}

export interface Coturn extends AsyncDisposable {
  readonly port: number;
  readonly secret: string;
  readonly realm: string;
  /** `turn:127.0.0.1:PORT?transport=udp` and `…tcp`. */
  readonly udpUrl: string;
  readonly tcpUrl: string;
  readonly process: SpawnedProcess;
  /** Username and password that expire at `expiresAt` (Unix seconds), as the server mints them. */
  credentials(name: string, expiresAt: number): { username: string; credential: string };
  /** Everything coturn has logged so far. */
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** Relay ports; few, so that two runs on one machine rarely meet. */
const RELAY_PORTS = 64;

/** Starts coturn; resolves when it answers a STUN binding request. */
export async function startCoturn(options: CoturnOptions = {}): Promise<Coturn> {
  const { secret = "loopback-test-secret", realm = "farglass.test", extra = [] } = options;
  const port = options.port ?? await freePort();
  const dir = await Deno.makeTempDir({ prefix: "farglass-coturn-" });
  const minPort = 49_152 + Math.floor(Math.random() * (65_535 - 49_152 - RELAY_PORTS));
  const logFile = join(dir, "turn.log");
  await Deno.writeTextFile(
    join(dir, "turnserver.conf"),
    [
      ...["listening-ip=127.0.0.1", "relay-ip=127.0.0.1", `listening-port=${port}`],
      ...[`min-port=${minPort}`, `max-port=${minPort + RELAY_PORTS}`],
      ...["use-auth-secret", `static-auth-secret=${secret}`, `realm=${realm}`],
      ...["allow-loopback-peers", "cli-password=unused-but-required", "no-cli"],
      ...["no-tls", "no-dtls", "fingerprint", "verbose", "simple-log"],
      ...[`log-file=${logFile}`, `userdb=${join(dir, "turn.db")}`, `pidfile=${join(dir, "pid")}`],
      ...options.tcpOnly === true ? ["no-udp"] : [],
      ...extra,
    ].join("\n"),
  );
  const child = spawnProcess({
    name: "coturn",
    command: "turnserver",
    args: ["-c", join(dir, "turnserver.conf")],
    cwd: dir,
  });
  const stop = async () => {
    await child.stop();
    await Deno.remove(dir, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  };
  try {
    await poll("coturn answers", 15_000, () => stunBinding(port));
  } catch (error) {
    const report = child.report();
    await stop();
    throw new Error(`coturn does not answer\n${report}`, { cause: error });
  }
  return {
    port,
    secret,
    realm,
    udpUrl: `turn:127.0.0.1:${port}?transport=udp`,
    tcpUrl: `turn:127.0.0.1:${port}?transport=tcp`,
    process: child,
    credentials(name, expiresAt) {
      const username = `${expiresAt}:${name}`;
      const credential = createHmac("sha1", secret).update(username).digest("base64");
      return { username, credential };
    },
    log: () => Deno.readTextFile(logFile).catch(() => ""),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** One STUN binding request (RFC 8489 section 5) by TCP; null when nobody answers. */
async function stunBinding(port: number): Promise<true | null> {
  const request = new Uint8Array(20);
  const view = new DataView(request.buffer);
  view.setUint16(0, 0x0001);
  view.setUint32(4, 0x2112a442);
  crypto.getRandomValues(request.subarray(8));
  let connection: Deno.TcpConn;
  try {
    connection = await Deno.connect({ hostname: "127.0.0.1", port });
  } catch {
    return null; // Not listening yet.
  }
  try {
    await connection.write(request);
    const answer = new Uint8Array(256);
    const length = await connection.read(answer);
    return length !== null && length >= 20 && answer[0] === 1 && answer[1] === 1 ? true : null;
  } catch {
    return null; // Closed before it answered.
  } finally {
    connection.close();
  }
}

/** A TCP port of 127.0.0.1 that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
