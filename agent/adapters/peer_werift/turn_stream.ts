/**
 * Sending through a TCP or TLS connection to a TURN server. werift waits for each packet's write to
 * end before it makes the next one, so that a packet costs a turn of the event loop and a segment
 * of its own; here the packets of one turn leave as one write, and nobody waits for it.
 */
import { Buffer } from "node:buffer";

/** What is needed of werift's stream. */
export interface TurnStream {
  send: (data: Buffer) => Promise<void>;
  readonly client?: {
    setNoDelay(on: boolean): void;
    write(data: Buffer): unknown;
    readonly writableLength: number;
    readonly destroyed: boolean;
  };
}

/** A batch leaves at once when it has this much: one TLS record (RFC 8446 section 5.1). */
const BATCH_BYTES = 16 * 1024;
/**
 * Behind this much the path is stuck, and more packets are dropped as UDP would drop them: SCTP
 * sends again, and pictures are left out much earlier (mod.ts).
 */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/** Makes `stream` write its packets in batches. */
export function batchWrites(stream: TurnStream): void {
  const { client } = stream;
  if (client === undefined || typeof stream.send !== "function") {
    throw new Error("werift's TURN stream is not the one this was written for");
  }
  // Batches are as full as they get: the last one must not wait for an acknowledgement (Nagle).
  client.setNoDelay(true);
  let batch: Buffer[] = [];
  let batchBytes = 0;
  let scheduled = false;
  const flush = () => {
    if (batch.length === 0) return;
    if (!client.destroyed) client.write(batch.length === 1 ? batch[0] : Buffer.concat(batch));
    batch = [];
    batchBytes = 0;
  };
  stream.send = (data) => {
    if (client.destroyed) return Promise.reject(new Error("The connection to TURN is closed"));
    if (client.writableLength + batchBytes >= MAX_WAITING_BYTES) return Promise.resolve();
    batch.push(data);
    batchBytes += data.length;
    if (batchBytes >= BATCH_BYTES) flush();
    else if (!scheduled) {
      scheduled = true;
      setImmediate(() => {
        scheduled = false;
        flush();
      });
    }
    return Promise.resolve();
  };
}
