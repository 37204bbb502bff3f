/**
 * A Sentinel whose answers the test times: real ones are too quick to catch a client between its
 * question and the announcement of a fail-over.
 */
import { type AddressInfo, createServer, type Socket } from "node:net";

export interface SentinelDouble extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /** Connections that listen for fail-overs. */
  readonly listeners: ReadonlySet<Socket>;
  /** Questions for the master that have no answer yet. */
  readonly asked: readonly Socket[];
  /** Answers with this port from now on; null holds the answers back. */
  answer(port: number | null): void;
  /** Tells all listeners that the master has changed. */
  announce(): void;
}

const CHANNEL = "+switch-master";

/** RESP3: an array is an answer, a push is told without a question. */
const frame = (kind: "*" | ">", ...texts: readonly string[]): string =>
  `${kind}${texts.length}\r\n${texts.map((text) => `$${text.length}\r\n${text}\r\n`).join("")}`;

/** Starts it on a free loopback port. */
export async function startSentinelDouble(): Promise<SentinelDouble> {
  const sockets = new Set<Socket>();
  const listeners = new Set<Socket>();
  const asked: Socket[] = [];
  let master: number | null = null;
  const answerAll = () => {
    if (master === null) return;
    for (const socket of asked.splice(0)) socket.write(frame("*", "127.0.0.1", String(master)));
  };
  const take = (socket: Socket, [verb = "", sub = ""]: readonly string[]) => {
    if (verb === "subscribe") {
      listeners.add(socket);
      socket.write(`>3\r\n$9\r\nsubscribe\r\n$${CHANNEL.length}\r\n${CHANNEL}\r\n:1\r\n`);
    } else if (verb === "sentinel" && sub === "get-master-addr-by-name") {
      asked.push(socket);
      answerAll();
    } else if (verb === "hello") socket.write("%1\r\n$5\r\nproto\r\n:3\r\n");
    else if (verb === "sentinel") socket.write("*0\r\n");
    else socket.write("+OK\r\n");
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    let text = "";
    socket.on("data", (data) => {
      text += data.toString();
      for (let read = readCommand(text); read !== null; read = readCommand(text)) {
        text = text.slice(read.length);
        take(socket, read.words);
      }
    });
    socket.on("error", () => {
      // It closes, too.
    });
    socket.on("close", () => {
      sockets.delete(socket);
      listeners.delete(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    listeners,
    asked,
    answer(next) {
      master = next;
      answerAll();
    },
    announce() {
      for (const socket of listeners) socket.write(frame(">", "message", CHANNEL, "a b"));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The first whole command (RESP, an array of bulk strings of ASCII), or null. */
function readCommand(text: string): { readonly words: string[]; readonly length: number } | null {
  const lines = text.split("\r\n");
  const count = Number(lines[0].slice(1));
  // A header line, then two lines for each word, then what follows the last line's end.
  if (lines[0] === "" || lines.length < 2 + 2 * count) return null;
  const used = lines.slice(0, 1 + 2 * count);
  const words = used.filter((_, i) => i > 0 && i % 2 === 0).map((word) => word.toLowerCase());
  return { words, length: used.join("\r\n").length + 2 };
}
