/** The video element: which peer's stream it plays, and when that stream has painted. */

import type { Rect } from "@farglass/protocol";

/** A video frame on the screen. */
export interface PresentedFrame {
  readonly width: number;
  readonly height: number;
  /** Its RTP timestamp, where the browser tells it. */
  readonly rtpTime: number | null;
}

/** One video element and the stream it shows. */
export class VideoSurface {
  readonly #onFault: () => void;
  #video: HTMLVideoElement | null = null;
  #stream: MediaStream | null = null;
  /** Numbers waits: only the last one is answered. */
  #wait = 0;
  /** Numbers followers: only the last one is told. */
  #follow = 0;

  constructor(onFault: () => void) {
    this.#onFault = onFault;
  }

  get element(): HTMLVideoElement | null {
    return this.#video;
  }

  attach(video: HTMLVideoElement | null): void {
    if (this.#video !== null) {
      this.#video.onerror = null;
      this.#video.srcObject = null;
    }
    this.#video = video;
    if (video === null) return;
    video.muted = true;
    video.autoplay = true;
    video.playsInline = true;
    video.onerror = () => this.#stream !== null && this.#onFault();
    this.#play();
  }

  /** Whether another stream stands on the element now. */
  differs(stream: MediaStream | null): boolean {
    return this.#stream !== stream;
  }

  show(stream: MediaStream | null): void {
    if (this.#stream === stream) return;
    this.#stream = stream;
    this.#wait++;
    this.#play();
  }

  /**
   * Calls back once, at the next frame that is presented with this RTP time or a later one, where
   * the browser tells it; a later call replaces this one.
   */
  awaitFrame(sinceRtpTime: number | null, onFrame: () => void): void {
    const wait = ++this.#wait;
    const video = this.#video;
    if (video === null) return;
    const presented = () => {
      if (wait === this.#wait) onFrame();
    };
    if (typeof video.requestVideoFrameCallback === "function") {
      const look = (_now: number, { rtpTimestamp }: { readonly rtpTimestamp?: number }) => {
        const early = sinceRtpTime !== null && rtpTimestamp !== undefined &&
          ((rtpTimestamp - sinceRtpTime) | 0) < 0;
        if (!early) presented();
        else if (wait === this.#wait) video.requestVideoFrameCallback(look);
      };
      video.requestVideoFrameCallback(look);
    } else {
      video.addEventListener("timeupdate", presented, { once: true });
    }
  }

  /**
   * Draws only this part of the picture, or all of it: a browser without a GPU converts and blends
   * every pixel of every frame, seen or not.
   */
  clip(area: Rect | null, screen: { readonly width: number; readonly height: number }): void {
    if (this.#video === null) return;
    const percent = (part: number, of: number) => `${100 * part / of}%`;
    this.#video.style.clipPath = area === null ? "" : `inset(${
      [
        percent(area.y, screen.height),
        percent(screen.width - area.x - area.width, screen.width),
        percent(screen.height - area.y - area.height, screen.height),
        percent(area.x, screen.width),
      ].join(" ")
    })`;
  }

  /**
   * Tells every frame that is presented from now on, or stops with null. `rtpTime` is null in a
   * browser that does not say it.
   */
  follow(onFrame: ((frame: PresentedFrame) => void) | null): void {
    const follow = ++this.#follow;
    const next = () => {
      this.#video?.requestVideoFrameCallback?.((_now, metadata) => {
        if (follow !== this.#follow || onFrame === null) return;
        const { width, height, rtpTimestamp } = metadata;
        onFrame({ width, height, rtpTime: rtpTimestamp ?? null });
        next();
      });
    };
    if (onFrame !== null) next();
  }

  #play(): void {
    const video = this.#video;
    if (video === null || video.srcObject === this.#stream) return;
    video.srcObject = this.#stream;
    // Refused while another stream is put on, or by an autoplay policy that muted video passes.
    if (this.#stream !== null) video.play().catch(() => undefined);
  }
}
