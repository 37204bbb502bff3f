/** When frames came, were decoded and shown: the surfaces' side of the latency. */
import type { ShownFrame } from "../core/mod.ts";

/** Frames that wait to be asked for; at 60 a second the console asks after 30. */
const MAX_FRAMES = 128;

/** What a decoded diff frame is known by; times by `performance.now()`. */
export interface DecodedFrame {
  readonly key: number;
  readonly receivedAt: number;
  readonly decodedAt: number;
}

/** Times of the newest frames of both surfaces. */
export class FrameTimes {
  #frames: ShownFrame[] = [];
  #video: HTMLVideoElement | null = null;
  #callback = 0;

  /** Watches this video element's frames, and no other's. */
  watch(video: HTMLVideoElement | null): void {
    this.#video?.cancelVideoFrameCallback?.(this.#callback);
    this.#video = video;
    this.#next();
  }

  /** A diff frame stands on the canvas; the display takes it with the next animation frame. */
  painted({ key, receivedAt, decodedAt }: DecodedFrame): void {
    // A hidden page has no animation frames, and shows nothing either.
    if (document.hidden) return;
    requestAnimationFrame(() => {
      this.#add({
        path: "diff",
        key,
        receivedAt,
        decodeMs: decodedAt - receivedAt,
        readyAt: decodedAt,
        shownAt: performance.now(),
      });
    });
  }

  /** The frames since the last call, oldest first. */
  take(): readonly ShownFrame[] {
    const frames = this.#frames;
    this.#frames = [];
    return frames;
  }

  /** A browser without the callback, or without its RTP times, has no latency of its video. */
  #next(): void {
    const video = this.#video;
    if (video === null || typeof video.requestVideoFrameCallback !== "function") return;
    this.#callback = video.requestVideoFrameCallback((_now, frame) => {
      const { rtpTimestamp, receiveTime, processingDuration, presentationTime } = frame;
      if (rtpTimestamp !== undefined && receiveTime !== undefined) {
        const decodeMs = (processingDuration ?? 0) * 1_000;
        this.#add({
          path: "rtp",
          key: rtpTimestamp,
          receivedAt: receiveTime,
          decodeMs,
          readyAt: Math.max(presentationTime, receiveTime + decodeMs),
          // Now the page is rendered with it, as with a canvas: what compositor and monitor add is
          // the same for both, and no page is told.
          shownAt: Math.max(performance.now(), presentationTime),
        });
      }
      this.#next();
    });
  }

  #add(frame: ShownFrame): void {
    const { timeOrigin } = performance;
    this.#frames.push({
      ...frame,
      receivedAt: timeOrigin + frame.receivedAt,
      readyAt: timeOrigin + frame.readyAt,
      shownAt: timeOrigin + frame.shownAt,
    });
    if (this.#frames.length > MAX_FRAMES) this.#frames.shift();
  }
}
