/**
 * How much of a diff stream may be under way: what the link carries in a round trip, measured from
 * the console's answers, and a little more, so that a queue shows that it is full. Whatever does
 * not fit stays a note of damage, and goes out later with the pixels of then: nothing waits behind
 * something older. Pure: times are arguments.
 */
import type { PatchFlow, PatchReason } from "@farglass/protocol";
import { SlidingMinimum } from "./sliding_minimum.ts";

/** What a frame knows of the flow at its first message. */
export interface FlowMark {
  /** Bytes that had been answered, and since when the rate is counted. */
  readonly delivered: number;
  readonly sinceMs: number;
  /** The window held something back while it was under way: it says how much the link carries. */
  limited: boolean;
}

/** Until anything is known: a slow link still carries it within half a second. */
const FIRST_WINDOW_BYTES = 16 * 1024;
/** Where video has measured the link, what that carries in so long, and no more than most changes take. */
const FIRST_WINDOW_MS = 150;
const MOST_FIRST_WINDOW_BYTES = 64 * 1024;
/** Until a queue was seen the window grows by this every round trip. */
const STARTUP_GAIN = 2;
/** A queue of so much shows that the link is full. */
const FULL_MS = 50;
/** A small window is sent in so many frames, whose answers tell sooner what happens. */
const FRAMES_A_WINDOW = 4;
const SMALL_WINDOW_BYTES = 256 * 1024;
const SMALL_WINDOW_FRAMES = 6;
const MIN_FRAME_BYTES = 2 * 1024;
/** Some packets: a smaller window would wait for each answer. */
const MIN_WINDOW_BYTES = 6 * 1024;
const MAX_WINDOW_BYTES = 8 * 1024 * 1024;
/** What may wait in the network: less than what video takes for a queue. */
const QUEUE_MS = 60;
/** Older than this beyond a round trip, what is under way is waited for (issue 4 section 3). */
const OLD_MS = 100;
/** The least round trip is looked for in so many seconds; now and then the queue is drained for it. */
const BASE_SECONDS = 30;
const DRAIN_EVERY_MS = 8_000;
const DRAIN_FOR_MS = 300;
/**
 * What filled the window so long ago says nothing of the link any more: it may have been the page
 * that had to start, and where motion goes by video nothing would ever correct it.
 */
const KNOWN_MS = 10_000;
/** How far a rate that was limited by the window lowers the estimate. */
const LOWER = 0.3;
/** One message takes the link for at most so long, that control messages find a gap. */
const MESSAGE_MS = 20;
const MIN_MESSAGE_BYTES = 4 * 1024;
/** Frames under way without a known round trip: there, being painted, on the way back. */
const FRAMES = 3;
/** With a longer round trip as many more as a display of 60 Hz shows meanwhile. */
const FRAME_MS = 17;
/**
 * A third frame is begun only below this. Two may be larger, so that one is on its way while the
 * console paints the other.
 */
const LARGE_BYTES = 256 * 1024;
const LARGE_FRAMES = 2;
/**
 * No answer for so long: the frame counts as lost. Some round trips once one is known; doubles
 * while nothing is answered. Sending twice is waste, never harm.
 */
const ACK_TIMEOUT_MS = 5_000;
const MIN_ACK_TIMEOUT_MS = 750;
const ACK_TIMEOUT_ROUND_TRIPS = 6;
const MAX_ACK_TIMEOUT_MS = 30_000;
/** What is under way takes its time on a slow link: 256 kb/s until one knows better. */
const SLOWEST_BYTES_PER_MS = 32;
/** Part of the measured rate that is still no loss. */
const SLOWED = 0.5;
/** Weight of the newest round trip in the average (RFC 6298 section 2 takes an eighth). */
const ROUND_TRIP_WEIGHT = 0.25;
/** After a frame was skipped on the way, frames get this small, then grow again with each success. */
const SKIPPED_FRAME_BUDGET_BYTES = 128 * 1024;
const UNLIMITED_FRAME_BYTES = 16 * 1024 * 1024;
/** Pause after a skipped frame: whoever skipped it has no room now. */
const MIN_HOLD_MS = 50;
const MAX_HOLD_MS = 1_000;

/** What is under way at the moment. */
export interface UnderWay {
  readonly frames: number;
  readonly bytes: number;
  /** When the oldest frame that was not answered left. */
  readonly oldestMs: number | null;
}

/** One viewer's flow of patches. */
export class DiffFlow {
  #delivered = 0;
  #deliveredMs = -Infinity;
  /** Since when something has always been under way. */
  #busySinceMs = 0;
  /** Bytes a ms. */
  #rate = 0;
  #measured = false;
  readonly #base = new SlidingMinimum(BASE_SECONDS);
  #baseMs: number | null = null;
  #queueMs = 0;
  #hintKbps: number | null = null;
  #full = false;
  /** When the window last held something back, and the newest time that is known. */
  #limitedMs = -Infinity;
  #nowMs = -Infinity;
  #drainAtMs: number | null = null;
  #roundTripMs: number | null = null;
  #timeoutsInRow = 0;
  #frameBudgetBytes = UNLIMITED_FRAME_BYTES;
  #holdUntilMs = 0;
  #holdMs = MIN_HOLD_MS;
  #reason: PatchReason = "patches-fit";
  #decisions: Partial<Record<PatchReason, number>> = {};

  /** Live facts, for the HUD and for the choice between patches and video. */
  get facts(): PatchFlow {
    return {
      reason: this.#reason,
      // Until it was seen full, what went through says only what the desktop had to say.
      linkKbps: this.#full && this.#nowMs <= this.#limitedMs + KNOWN_MS
        ? Math.round(this.#rate * 8)
        : null,
      rttMs: this.#baseMs,
      queueMs: this.#queueMs,
      windowBytes: Math.round(this.windowBytes(-Infinity)),
      decisions: this.#decisions,
    };
  }

  /** What the video's measurement says of the same way: bounds the window until there is an own one. */
  hint(kbps: number): void {
    this.#hintKbps = kbps;
  }

  /** Bytes that may be under way. */
  windowBytes(nowMs: number): number {
    const least = this.#measured ? MIN_WINDOW_BYTES : this.#firstBytes;
    if (this.#baseMs === null) return least;
    const drains = this.#drainAtMs !== null && nowMs >= this.#drainAtMs;
    const gain = this.#full ? 1 : STARTUP_GAIN;
    const window = this.#rate * (gain * this.#baseMs + (drains ? 0 : QUEUE_MS));
    return Math.min(MAX_WINDOW_BYTES, Math.max(least, window));
  }

  get #firstBytes(): number {
    if (this.#hintKbps === null) return FIRST_WINDOW_BYTES;
    const bytes = this.#hintKbps * FIRST_WINDOW_MS / 8;
    return Math.min(MOST_FIRST_WINDOW_BYTES, Math.max(MIN_WINDOW_BYTES, bytes));
  }

  /** What one frame may take, given the bytes of the others. */
  frameBytes(others: number, nowMs: number): number {
    const window = this.windowBytes(nowMs);
    const room = Math.min(this.#frameBudgetBytes, Math.max(0, window - others));
    if (!this.#measured || window >= SMALL_WINDOW_BYTES) return room;
    return Math.min(room, Math.max(MIN_FRAME_BYTES, window / FRAMES_A_WINDOW));
  }

  /** What one message may take. */
  get messageBytes(): number {
    return this.#measured ? Math.max(MIN_MESSAGE_BYTES, this.#rate * MESSAGE_MS) : Infinity;
  }

  /** Until when nothing may be sent, or 0. */
  get holdUntilMs(): number {
    return this.#holdUntilMs;
  }

  /** Whether another frame may be begun now; `null` when nothing hinders it, else why not. */
  refusal(way: UnderWay, nowMs: number): PatchReason | null {
    this.#nowMs = nowMs;
    if (nowMs < this.#holdUntilMs) return "patches-skipped";
    this.#holdUntilMs = 0;
    const bdp = this.#rate * (this.#baseMs ?? 0);
    const window = this.windowBytes(nowMs);
    const most = (this.#measured && window < SMALL_WINDOW_BYTES ? SMALL_WINDOW_FRAMES : FRAMES) +
      Math.floor((this.#baseMs ?? 0) / FRAME_MS);
    const few = way.frames < LARGE_FRAMES ||
      (way.frames < most && way.bytes < Math.max(LARGE_BYTES, bdp));
    if (!few || way.bytes >= window) return "patches-window";
    if (way.oldestMs === null || this.#baseMs === null) return null;
    return nowMs - way.oldestMs - this.#baseMs > OLD_MS ? "patches-old" : null;
  }

  /** Notes why nothing more could be sent, or null when everything was. */
  decide(reason: PatchReason | null): void {
    const next = reason ?? "patches-fit";
    if (next === this.#reason) return;
    this.#reason = next;
    this.#decisions = { ...this.#decisions, [next]: (this.#decisions[next] ?? 0) + 1 };
  }

  /** A frame begins while `others` bytes are under way. */
  begin(others: number, nowMs: number): FlowMark {
    if (others === 0) this.#busySinceMs = nowMs;
    const sinceMs = Math.max(this.#deliveredMs, this.#busySinceMs);
    return { delivered: this.#delivered, sinceMs, limited: false };
  }

  /** The console painted a frame whose last message left at `sentAtMs`. */
  painted(mark: FlowMark, { bytes, sentAtMs }: { bytes: number; sentAtMs: number }, nowMs: number) {
    const tripMs = nowMs - sentAtMs;
    this.#roundTripMs = this.#roundTripMs === null
      ? tripMs
      : this.#roundTripMs + (tripMs - this.#roundTripMs) * ROUND_TRIP_WEIGHT;
    this.#base.add(tripMs, nowMs);
    this.#baseMs = this.#base.least;
    this.#queueMs = Math.max(0, tripMs - this.#baseMs);
    this.#timeoutsInRow = 0;
    this.#holdMs = MIN_HOLD_MS;
    this.#frameBudgetBytes = Math.min(UNLIMITED_FRAME_BYTES, this.#frameBudgetBytes * 2);
    this.#delivered += bytes;
    this.#deliveredMs = nowMs;
    const rate = (this.#delivered - mark.delivered) / Math.max(1, nowMs - mark.sinceMs);
    if (rate > this.#rate) this.#rate = rate;
    else if (mark.limited) this.#rate += LOWER * (rate - this.#rate);
    if (mark.limited) {
      this.#measured = true;
      this.#limitedMs = nowMs;
      if (this.#queueMs > FULL_MS) this.#full = true;
    }
    this.#planDrain(mark.limited, nowMs);
  }

  /** A link that is always full hides its own round trip. */
  #planDrain(limited: boolean, nowMs: number): void {
    if (!limited) this.#drainAtMs = null;
    else if (this.#drainAtMs === null || nowMs > this.#drainAtMs + DRAIN_FOR_MS) {
      this.#drainAtMs = nowMs + DRAIN_EVERY_MS;
    }
  }

  /** The way to the console has no room: pause, then send smaller frames for a while. */
  slowDown(nowMs: number): void {
    this.#frameBudgetBytes = SKIPPED_FRAME_BUDGET_BYTES;
    this.#holdUntilMs = nowMs + this.#holdMs;
    this.#holdMs = Math.min(MAX_HOLD_MS, this.#holdMs * 2);
  }

  /** Nothing was answered for too long. */
  timedOut(): void {
    this.#timeoutsInRow++;
    this.decide("patches-lost");
  }

  /** How long the answer to a frame may take, with so many bytes under way up to its end. */
  timeoutMs(bytes: number): number {
    const base = this.#roundTripMs === null ? ACK_TIMEOUT_MS : Math.min(
      ACK_TIMEOUT_MS,
      Math.max(MIN_ACK_TIMEOUT_MS, this.#roundTripMs * ACK_TIMEOUT_ROUND_TRIPS),
    );
    // The first repetition may be bad luck; only then the way counts as choked.
    const rate = Math.max(SLOWEST_BYTES_PER_MS, this.#measured ? this.#rate * SLOWED : 0);
    const factor = 2 ** Math.min(10, Math.max(0, this.#timeoutsInRow - 1));
    return Math.min(MAX_ACK_TIMEOUT_MS, (base + bytes / rate) * factor);
  }

  /** Everything is to be sent anew; what is known of the link stays. */
  reset(): void {
    this.#holdUntilMs = 0;
    this.#timeoutsInRow = 0;
    this.#frameBudgetBytes = UNLIMITED_FRAME_BYTES;
  }

  /** Another way to the console: nothing is known of it. */
  forget(): void {
    this.reset();
    this.#rate = 0;
    this.#measured = false;
    this.#full = false;
    this.#base.clear();
    this.#baseMs = null;
    this.#roundTripMs = null;
    this.#drainAtMs = null;
    this.#queueMs = 0;
  }
}
