/**
 * A Unix socket in the state directory: `status`, `stop` and `audio` talk to the running agent over it,
 * and it keeps a second agent from starting with the same identity. One JSON line each way.
 */
import { join } from "node:path";
import { err, ok, type Result } from "@farglass/protocol";

export type ControlRequest =
  | { readonly op: "status" | "stop" }
  /** The owner's switch for the desktop's sound; answered with the status. */
  | { readonly op: "audio"; readonly on: boolean };

const FILE = "agent.sock";
/** `sun_path` of Linux has 108 bytes, of macOS 104, the last one is zero. */
const MAX_PATH_BYTES = 103;
const MAX_LINE_BYTES = 64 * 1024;

const socketPath = (stateDir: string): string => join(stateDir, FILE);

export interface ControlServer {
  /** Resolves when the socket's file is gone, so that the directory can be taken again. */
  close(): Promise<void>;
}

/** Takes the state directory for this process; an error is one sentence. */
export async function openControlServer(
  stateDir: string,
  answer: (request: ControlRequest) => unknown,
): Promise<Result<ControlServer, string>> {
  const path = socketPath(stateDir);
  if (new TextEncoder().encode(path).length > MAX_PATH_BYTES) {
    return err(`Choose a shorter agent.stateDir: "${stateDir}" is too long for a socket's path`);
  }
  let listener = listen(path);
  if (listener === null) {
    if ((await askAgent(stateDir, { op: "status" })).ok) {
      return err(
        `Stop the running agent first, or choose another agent.stateDir: "${stateDir}" is in use`,
      );
    }
    // Left behind by an agent that was killed.
    await Deno.remove(path).catch(() => {});
    listener = listen(path);
  }
  if (listener === null) {
    return err(`Choose another agent.stateDir: no socket can be made in "${stateDir}"`);
  }
  await Deno.chmod(path, 0o600);
  const live = listener;
  const connections = new Set<Deno.Conn>();
  const served = serve(live, connections, answer);
  return ok({
    close: async () => {
      live.close();
      for (const connection of connections) connection.close();
      // Until the last accept has ended the listener lives on, and would unlink its successor's file.
      await served;
    },
  });
}

function listen(path: string): Deno.UnixListener | null {
  try {
    return Deno.listen({ transport: "unix", path });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return null;
    if (error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}

async function serve(
  listener: Deno.UnixListener,
  connections: Set<Deno.Conn>,
  answer: (request: ControlRequest) => unknown,
): Promise<void> {
  for await (const connection of listener) {
    connections.add(connection);
    serveOne(connection, answer).finally(() => connections.delete(connection));
  }
}

async function serveOne(
  connection: Deno.Conn,
  answer: (request: ControlRequest) => unknown,
): Promise<void> {
  try {
    const line = await readLine(connection);
    const request = line === null ? null : readRequest(line);
    if (request !== null) await writeLine(connection, JSON.stringify(answer(request)));
    connection.close();
  } catch {
    // The other side left early, or the agent closed it while stopping.
  }
}

function readRequest(line: string): ControlRequest | null {
  try {
    const { op, on } = JSON.parse(line) ?? {};
    if (op === "audio") return typeof on === "boolean" ? { op, on } : null;
    return op === "status" || op === "stop" ? { op } : null;
  } catch {
    return null;
  }
}

/** Asks the running agent; not ok when there is none. */
export async function askAgent(
  stateDir: string,
  request: ControlRequest,
): Promise<Result<unknown, "not-running">> {
  let connection: Deno.Conn;
  try {
    connection = await Deno.connect({ transport: "unix", path: socketPath(stateDir) });
  } catch {
    return err("not-running");
  }
  try {
    await writeLine(connection, JSON.stringify(request));
    const line = await readLine(connection);
    return line === null ? err("not-running") : ok(JSON.parse(line));
  } catch {
    return err("not-running");
  } finally {
    connection.close();
  }
}

/** Resolves when no agent answers any more, or with false after `timeoutMs`. */
export async function agentGone(stateDir: string, timeoutMs: number): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  while ((await askAgent(stateDir, { op: "status" })).ok) {
    if (performance.now() > until) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
}

async function readLine(connection: Deno.Conn): Promise<string | null> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  while (text.length < MAX_LINE_BYTES) {
    const count = await connection.read(buffer);
    if (count === null) return null;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  return null;
}

async function writeLine(connection: Deno.Conn, line: string): Promise<void> {
  let rest = new TextEncoder().encode(line + "\n");
  while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
}
