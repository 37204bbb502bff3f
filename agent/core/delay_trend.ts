/**
 * Whether a queue grows on the way (draft-ietf-rmcat-gcc-02 sections 5.3 to 5.5, with the trendline
 * that replaced its Kalman filter): packets sent together form a group, and a line is laid through
 * the smoothed one-way delay of the last groups. Pure measurement; times are arguments.
 */

/** Packets sent within so long count as one group (section 5.2). */
const GROUP_MS = 5;
/** Groups that the line is laid through. */
const WINDOW = 20;
const SMOOTHING = 0.9;
const GAIN = 4;
const MAX_DELTAS = 60;
/** The slope has to be too steep for so long before it counts. */
const OVERUSE_MS = 10;
const FIRST_THRESHOLD_MS = 12.5;
const MIN_THRESHOLD_MS = 6;
const MAX_THRESHOLD_MS = 600;
/** The threshold follows the slope quickly down and slowly up, so that jitter widens it. */
const THRESHOLD_UP = 0.0087;
const THRESHOLD_DOWN = 0.039;
/** A slope this far beyond the threshold says nothing about it (a route change, a sleeping laptop). */
const MAX_ADAPT_MS = 15;
const MAX_ADAPT_STEP_MS = 100;

export type DelayVerdict = "normal" | "growing" | "falling";

interface Group {
  readonly firstSentMs: number;
  lastSentMs: number;
  lastReceivedMs: number;
}

export class DelayTrend {
  #group: Group | null = null;
  #previous: Group | null = null;
  #line: { readonly atMs: number; readonly delayMs: number }[] = [];
  #deltas = 0;
  #sumMs = 0;
  #smoothMs = 0;
  #thresholdMs = FIRST_THRESHOLD_MS;
  #updatedMs: number | null = null;
  #steepMs = 0;
  #steepTimes = 0;
  #slope = 0;
  #verdict: DelayVerdict = "normal";

  get verdict(): DelayVerdict {
    return this.#verdict;
  }

  /** One packet that arrived, in the order of sending; two clocks that only need to run evenly. */
  add(sentMs: number, receivedMs: number): void {
    const group = this.#group;
    if (group === null) {
      this.#group = { firstSentMs: sentMs, lastSentMs: sentMs, lastReceivedMs: receivedMs };
    } else if (sentMs - group.firstSentMs <= GROUP_MS) {
      group.lastSentMs = Math.max(group.lastSentMs, sentMs);
      group.lastReceivedMs = Math.max(group.lastReceivedMs, receivedMs);
    } else {
      if (this.#previous !== null) this.#compare(this.#previous, group);
      this.#previous = group;
      this.#group = { firstSentMs: sentMs, lastSentMs: sentMs, lastReceivedMs: receivedMs };
    }
  }

  #compare(before: Group, after: Group): void {
    const sentMs = after.lastSentMs - before.lastSentMs;
    const receivedMs = after.lastReceivedMs - before.lastReceivedMs;
    this.#deltas = Math.min(MAX_DELTAS, this.#deltas + 1);
    this.#sumMs += receivedMs - sentMs;
    this.#smoothMs = SMOOTHING * this.#smoothMs + (1 - SMOOTHING) * this.#sumMs;
    this.#line.push({ atMs: after.lastReceivedMs, delayMs: this.#smoothMs });
    if (this.#line.length > WINDOW) this.#line.shift();
    const slope = this.#line.length < WINDOW ? this.#slope : slopeOf(this.#line);
    this.#judge(slope, sentMs, after.lastReceivedMs);
  }

  #judge(slope: number, sentMs: number, nowMs: number): void {
    const steepness = this.#deltas * slope * GAIN;
    if (steepness > this.#thresholdMs) {
      this.#steepMs += sentMs;
      this.#steepTimes++;
      if (this.#steepMs > OVERUSE_MS && this.#steepTimes > 1 && slope >= this.#slope) {
        this.#steepMs = 0;
        this.#steepTimes = 0;
        this.#verdict = "growing";
      }
    } else {
      this.#steepMs = 0;
      this.#steepTimes = 0;
      this.#verdict = steepness < -this.#thresholdMs ? "falling" : "normal";
    }
    this.#slope = slope;
    this.#adapt(Math.abs(steepness), nowMs);
  }

  #adapt(steepness: number, nowMs: number): void {
    const sinceMs = Math.min(MAX_ADAPT_STEP_MS, nowMs - (this.#updatedMs ?? nowMs));
    this.#updatedMs = nowMs;
    if (steepness > this.#thresholdMs + MAX_ADAPT_MS) return;
    const speed = steepness < this.#thresholdMs ? THRESHOLD_DOWN : THRESHOLD_UP;
    const next = this.#thresholdMs + speed * (steepness - this.#thresholdMs) * Math.max(0, sinceMs);
    this.#thresholdMs = Math.min(MAX_THRESHOLD_MS, Math.max(MIN_THRESHOLD_MS, next));
  }
}

/** Least squares: ms of delay gained per ms. */
function slopeOf(line: readonly { readonly atMs: number; readonly delayMs: number }[]): number {
  const meanAt = line.reduce((sum, p) => sum + p.atMs, 0) / line.length;
  const meanDelay = line.reduce((sum, p) => sum + p.delayMs, 0) / line.length;
  let over = 0;
  let under = 0;
  for (const { atMs, delayMs } of line) {
    over += (atMs - meanAt) * (delayMs - meanDelay);
    under += (atMs - meanAt) ** 2;
  }
  return under === 0 ? 0 : over / under;
}
