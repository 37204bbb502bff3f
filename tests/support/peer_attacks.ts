/** What tests throw at a peer from outside: sockets on loopback and forged STUN. */
import { Buffer } from "node:buffer";
import { createHmac, randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";

export const portOf = (candidate: string): number => Number(candidate.split(" ")[5]);
export const lineOf = (sdp: string, name: string): string =>
  new RegExp(`^a=${name}:(.*?)\r?$`, "m").exec(sdp)?.[1] ?? "";

/** A UDP socket on loopback that keeps what it receives. */
export async function openSocket(): Promise<
  { socket: Socket; received: Buffer[]; port: number } & AsyncDisposable
> {
  const socket = createSocket("udp4");
  const received: Buffer[] = [];
  socket.on("message", (data) => received.push(data));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const close = () => new Promise<void>((resolve) => socket.close(() => resolve()));
  return { socket, received, port: socket.address().port, [Symbol.asyncDispose]: close };
}

export const send = (socket: Socket, data: Uint8Array, port: number) =>
  new Promise<void>((resolve, reject) =>
    socket.send(data, port, "127.0.0.1", (error) => error ? reject(error) : resolve())
  );

function attribute(type: number, value: Uint8Array): Buffer {
  const out = Buffer.alloc(4 + (value.length + 3 & ~3));
  out.writeUInt16BE(type, 0);
  out.writeUInt16BE(value.length, 2);
  out.set(value, 4);
  return out;
}

/** A binding request (RFC 8445 section 7.2.2); unsigned when `password` is null. */
export function bindingRequest(username: string | null, password: string | null): Buffer {
  const attributes = [
    ...username === null ? [] : [attribute(0x0006, Buffer.from(username))],
    attribute(0x0024, Buffer.from([0x6e, 0, 1, 0xff])),
    attribute(0x802a, randomBytes(8)),
  ];
  const build = (extra: Buffer[], sizeBytes: number) => {
    const header = Buffer.alloc(20);
    header.writeUInt16BE(0x0001, 0);
    header.writeUInt16BE(sizeBytes, 2);
    header.writeUInt32BE(0x2112a442, 4);
    transaction.copy(header, 8);
    return Buffer.concat([header, ...attributes, ...extra]);
  };
  const transaction = randomBytes(12);
  const size = attributes.reduce((sum, part) => sum + part.length, 0);
  if (password === null) return build([], size);
  const hmac = createHmac("sha1", password).update(build([], size + 24)).digest();
  return build([attribute(0x0008, hmac)], size + 24);
}

/** Waits for an event of the socket or for a round trip through the event loop, bounded. */
export async function until(what: string, check: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!check()) {
    if (performance.now() > deadline) throw new Error(`Not in 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
