/**
 * Reads werift's parsed transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01
 * section 3.1). Its own `packetResults` skips the status vectors, so the chunks are walked here.
 */
import { RunLengthChunk, type TransportWideCC } from "werift";
import type { TransportFeedback } from "../../core/link_meter.ts";

const REFERENCE_UNIT_MS = 64;
const REFERENCE_RANGE = 2 ** 24;
const MICROSECONDS_PER_MS = 1_000;
/** Packet status symbols: received with a small or a large delta. */
const SMALL_DELTA = 1;
const LARGE_DELTA = 2;

/** Keeps the receiver's clock going where its 24-bit reference time wraps (each 12 days). */
export class FeedbackReader {
  #reference: number | null = null;

  read(feedback: TransportWideCC): TransportFeedback {
    const { baseSequenceNumber, packetStatusCount, recvDeltas } = feedback;
    let atMs = this.#unwrap(feedback.referenceTime) * REFERENCE_UNIT_MS;
    const receivedAtMs: (number | null)[] = [];
    let delta = 0;
    for (const status of statuses(feedback)) {
      if (receivedAtMs.length === packetStatusCount) break;
      if (status !== SMALL_DELTA && status !== LARGE_DELTA) {
        receivedAtMs.push(null);
        continue;
      }
      const next = recvDeltas[delta++];
      if (next === undefined) break;
      atMs += next.delta / MICROSECONDS_PER_MS;
      receivedAtMs.push(atMs);
    }
    return { base: baseSequenceNumber, receivedAtMs };
  }

  #unwrap(reference: number): number {
    const last = this.#reference ?? reference;
    const step = ((reference - last) % REFERENCE_RANGE + REFERENCE_RANGE * 1.5) %
        REFERENCE_RANGE - REFERENCE_RANGE / 2;
    return this.#reference = last + step;
  }
}

function* statuses(feedback: TransportWideCC): Generator<number> {
  for (const chunk of feedback.packetChunks) {
    if (chunk instanceof RunLengthChunk) {
      for (let i = 0; i < chunk.runLength; i++) yield chunk.packetStatus;
    } else {
      // A vector of single bits says "small delta" by 1, as the two-bit symbol does.
      yield* chunk.symbolList;
    }
  }
}
