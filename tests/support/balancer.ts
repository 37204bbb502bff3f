/** A TCP load balancer for tests: one address in front of several servers. */
import { connect, createServer, type Socket } from "node:net";
import { Transform } from "node:stream";

export interface Balancer extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** Ports behind it: a connection goes to the first that takes it. Those it has stay. */
  targets: readonly number[];
}

/** How much later bytes arrive, from the client and to it. */
export interface WayDelays {
  readonly thereMs: number;
  readonly backMs: number;
}

/** Passes everything on, so much later and in order. */
function later(ms: number): Transform {
  return new Transform({
    readableHighWaterMark: 1 << 24,
    transform(chunk, _encoding, done) {
      setTimeout(() => this.push(chunk), ms);
      done();
    },
    flush(done) {
      setTimeout(done, ms);
    },
  });
}

/** Listens on a free loopback port. */
export async function startBalancer(
  targets: readonly number[] = [],
  delays: WayDelays | null = null,
): Promise<Balancer> {
  const open = new Set<Socket>();
  const hold = (socket: Socket) => {
    open.add(socket);
    socket.on("error", () => {
      // The close event follows.
    });
    socket.once("close", () => open.delete(socket));
  };
  const server = createServer((client) => {
    hold(client);
    pass(client, [...balancer.targets]);
  });
  const pass = (client: Socket, left: number[]) => {
    const port = left.shift();
    if (port === undefined) return client.destroy();
    const upstream = connect({ port, host: "127.0.0.1" });
    hold(upstream);
    upstream.once("connect", () => {
      if (delays === null) {
        client.pipe(upstream);
        upstream.pipe(client);
      } else {
        client.pipe(later(delays.thereMs)).pipe(upstream);
        upstream.pipe(later(delays.backMs)).pipe(client);
      }
      upstream.once("close", () => client.destroy());
      client.once("close", () => upstream.destroy());
    });
    upstream.once("error", () => {
      if (upstream.connecting || upstream.bytesRead === 0 && upstream.bytesWritten === 0) {
        pass(client, left);
      }
    });
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const balancer: Balancer = {
    port,
    origin: `http://127.0.0.1:${port}`,
    targets,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
  return balancer;
}
