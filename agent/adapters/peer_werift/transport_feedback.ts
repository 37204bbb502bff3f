/**
 * Reads werift's parsed transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01
 * section 3.1). Its own `packetResults` skips the status vectors, so the chunks are walked here.
 */
import { RunLengthChunk, type TransportWideCC } from "werift";
import type { TransportFeedback } from "../../core/link_meter.ts";
import { LARGE_DELTA, ReferenceClock, SMALL_DELTA } from "../../core/transport_feedback.ts";

const MICROSECONDS_PER_MS = 1_000;

/** Reads the feedbacks of one receiver. */
export class FeedbackReader {
  readonly #clock = new ReferenceClock();

  read(feedback: TransportWideCC): TransportFeedback {
    const { baseSequenceNumber, packetStatusCount, recvDeltas } = feedback;
    let atMs = this.#clock.ms(feedback.referenceTime);
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
