/**
 * What the receiver's transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01)
 * says about the way there: which packets arrived when, how long they queued, how fast the link
 * let them through. Measures only; core/congestion.ts decides. Times are arguments.
 */
import { DelayTrend, type DelayVerdict } from "./delay_trend.ts";
import { SentLog } from "./sent_log.ts";
import { SlidingMinimum } from "./sliding_minimum.ts";

/** One feedback: the packet numbers from `base` on, each with its time of arrival or null for lost. */
export interface TransportFeedback {
  /** 16 bits. */
  readonly base: number;
  /** Milliseconds of the receiver's clock. */
  readonly receivedAtMs: readonly (number | null)[];
}

/** What one probe (a burst at a chosen rate) found. */
export interface ProbeResult {
  readonly id: number;
  /** The lower of the rates at which it was sent and at which it came through. */
  readonly kbps: number;
  /** It came through slower than it was sent, or was lost: the link is the limit, not the sender. */
  readonly saturated: boolean;
}

/** The state of the way at one feedback. */
export interface Measurement {
  /** Rates over the last half second: what left, and what arrived. */
  readonly sentKbps: number;
  readonly ackedKbps: number;
  /** How fast the link passed packets that waited for one another; null when none did. */
  readonly linkKbps: number | null;
  /** Standing queue: the least one-way delay of late above the least ever. */
  readonly queueMs: number;
  readonly trend: DelayVerdict;
  /** Lost of what was reported over the last second, 0..1. */
  readonly loss: number;
  /** Packets that `loss` was counted from. */
  readonly reported: number;
  /** Round trip with the receiver's waiting; the least of the last seconds. */
  readonly rttMs: number;
  readonly probe: ProbeResult | null;
}

/** What a packet was, beside its bytes. */
export interface SentKind {
  /** The probe that it belongs to, or null. */
  readonly probe: number | null;
  /** The media packet (by RTP sequence number) that it is a copy of, or null. */
  readonly media: number | null;
}
/** One object for each packet, from when it leaves until its arrival is of no interest any more. */
interface Sent extends SentKind {
  readonly sentMs: number;
  readonly bytes: number;
  /** NaN until it was reported as received. */
  receivedMs: number;
}
/** A copy of a media packet that the receiver says it has not got. */
export interface LostCopy {
  /** RTP sequence number. */
  readonly media: number;
  /** The 16-bit transport-wide number of the copy. */
  readonly copy: number;
}
/** One that was received. */
type Arrival = Sent;

const RATE_WINDOW_MS = 500;
const QUEUE_WINDOW_MS = 250;
const LOSS_WINDOW_MS = 1_000;
/** A shorter span than this makes rates of single packets. */
const MIN_SPAN_MS = 150;
/** The least delay is looked for in so many seconds: a longer route shows after them. */
const BASE_SECONDS = 10;
/** Fewer packets that waited for another say nothing about the link. */
const MIN_BUSY_PACKETS = 5;
/** Feedback counts in quarters of a millisecond. */
const RESOLUTION_MS = 0.25;
/** Unreported packets kept; at 50 Mb/s they are three seconds. */
const MAX_LOG = 16_384;
const MIN_PROBE_PACKETS = 4;
const MIN_PROBE_ARRIVED = 0.6;
/** Below this part of the sending rate the link was the limit, and a little less is sure to pass. */
const SATURATED = 0.9;
const SATURATED_USE = 0.95;

export class LinkMeter {
  /** Sent and not reported, by unwrapped number. */
  readonly #log = new SentLog<Sent>();
  #newest = -1;
  #bytesInFlight = 0;
  /** What left of late, oldest first, and its bytes. */
  readonly #sent: Sent[] = [];
  #sentBytes = 0;
  readonly #arrivals: Arrival[] = [];
  #reports: { readonly atMs: number; readonly lost: number; readonly total: number }[] = [];
  #loss = 0;
  #lost: LostCopy[] = [];
  readonly #trend = new DelayTrend();
  readonly #base = new SlidingMinimum(BASE_SECONDS);
  readonly #roundTrip = new SlidingMinimum(BASE_SECONDS);
  /** The probe under way: the packets that arrived, how many were reported, its last number. */
  #probe: { id: number; arrived: Arrival[]; reported: number; last: number } | null = null;

  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }
  /** When the oldest packet that was not reported yet left, or null. */
  get waitingSinceMs(): number | null {
    return this.#log.oldest?.sentMs ?? null;
  }

  /** What the last feedbacks called lost, once. */
  takeLost(): readonly LostCopy[] {
    const lost = this.#lost;
    this.#lost = [];
    return lost;
  }

  /** Bytes that left over the last half second. */
  sentKbps(nowMs: number): number {
    const sent = this.#sent;
    let gone = 0;
    while (gone < sent.length && sent[gone].sentMs <= nowMs - RATE_WINDOW_MS) {
      this.#sentBytes -= sent[gone++].bytes;
    }
    if (gone > 0) sent.splice(0, gone);
    return this.#sentBytes * 8 / RATE_WINDOW_MS;
  }

  /** Notes a packet that leaves with the 16-bit number `sequence`; numbers count up by one. */
  onSent(
    sequence: number,
    bytes: number,
    { nowMs, probe, media }: SentKind & { readonly nowMs: number },
  ): void {
    const number = this.#newest < 0
      ? sequence
      : this.#newest + ((sequence - this.#newest) & 0xffff);
    this.#newest = number;
    const sent = { sentMs: nowMs, bytes, probe, media, receivedMs: NaN };
    this.#log.add(number, sent);
    this.#bytesInFlight += bytes;
    this.#sent.push(sent);
    this.#sentBytes += bytes;
    if (probe !== null) {
      if (this.#probe?.id !== probe) {
        this.#probe = { id: probe, arrived: [], reported: 0, last: number };
      }
      this.#probe.last = number;
    }
    if (this.#log.size > MAX_LOG) this.#forgetUpTo(number - MAX_LOG);
  }

  /** Forgets everything under way: the path was silent, and nothing of it will be reported. */
  forgetInFlight(): void {
    this.#log.clear();
    this.#bytesInFlight = 0;
    this.#probe = null;
  }

  /** Takes a feedback; null when it reports nothing that is under way. */
  onFeedback(feedback: TransportFeedback, nowMs: number): Measurement | null {
    if (this.#newest < 0) return null;
    // The base is at most half the number space behind what was sent last.
    const base = this.#newest - ((this.#newest - feedback.base) & 0xffff);
    const { lost, total, newest } = this.#take(base, feedback.receivedAtMs, nowMs);
    if (total === 0) return null;
    this.#forgetUpTo(base + feedback.receivedAtMs.length - 1);
    this.#countLoss(lost, total, nowMs);
    if (newest !== null) this.#roundTrip.add(nowMs - newest.sentMs, nowMs);
    if (this.#arrivals.length === 0) return null;
    return this.#measure(nowMs);
  }

  #take(base: number, times: readonly (number | null)[], nowMs: number) {
    let lost = 0;
    let total = 0;
    let newest: Arrival | null = null;
    for (let i = 0; i < times.length; i++) {
      const receivedMs = times[i];
      const sent = this.#log.take(base + i);
      if (sent === undefined) continue;
      total++;
      this.#bytesInFlight -= sent.bytes;
      if (this.#probe !== null && this.#probe.id === sent.probe) this.#probe.reported++;
      if (receivedMs === null) {
        lost++;
        if (sent.media !== null) {
          this.#lost.push({ media: sent.media, copy: (base + i) & 0xffff });
        }
        continue;
      }
      sent.receivedMs = receivedMs;
      newest = sent;
      this.#arrivals.push(sent);
      this.#trend.add(sent.sentMs, receivedMs);
      this.#base.add(receivedMs - sent.sentMs, nowMs);
      if (this.#probe !== null && this.#probe.id === sent.probe) this.#probe.arrived.push(sent);
    }
    return { lost, total, newest };
  }

  #forgetUpTo(number: number): void {
    this.#log.takeUpTo(number, ({ bytes }) => this.#bytesInFlight -= bytes);
  }

  #countLoss(lost: number, total: number, nowMs: number): void {
    this.#reports.push({ atMs: nowMs, lost, total });
    this.#reports = this.#reports.filter(({ atMs }) => atMs > nowMs - LOSS_WINDOW_MS);
    const all = this.#reports.reduce((sum, report) => sum + report.total, 0);
    this.#loss = this.#reports.reduce((sum, report) => sum + report.lost, 0) / all;
  }

  #measure(nowMs: number): Measurement {
    const arrivals = this.#arrivals;
    let newestMs = -Infinity;
    for (const { receivedMs } of arrivals) newestMs = Math.max(newestMs, receivedMs);
    let kept = 0;
    let bytes = 0;
    let leastMs = Infinity;
    for (const arrival of arrivals) {
      const { receivedMs, sentMs } = arrival;
      if (receivedMs <= newestMs - RATE_WINDOW_MS) continue;
      arrivals[kept++] = arrival;
      bytes += arrival.bytes;
      if (receivedMs > newestMs - QUEUE_WINDOW_MS) leastMs = Math.min(leastMs, receivedMs - sentMs);
    }
    arrivals.length = kept;
    const spanMs = newestMs - arrivals[0].receivedMs;
    // A window that is not full yet (the beginning, or after a pause) says less than it holds.
    const windowMs = spanMs > RATE_WINDOW_MS / 2 ? RATE_WINDOW_MS : Math.max(MIN_SPAN_MS, spanMs);
    const base = this.#base.least;
    return {
      sentKbps: this.sentKbps(nowMs),
      ackedKbps: bytes * 8 / windowMs,
      linkKbps: linkRate(arrivals, base),
      queueMs: Math.max(0, leastMs - base),
      trend: this.#trend.verdict,
      loss: this.#loss,
      reported: this.#reports.reduce((sum, report) => sum + report.total, 0),
      rttMs: this.#roundTrip.least,
      probe: this.#endProbe(),
    };
  }

  #endProbe(): ProbeResult | null {
    const probe = this.#probe;
    if (probe === null) return null;
    // Numbers are reported in order: once the last one left the log, there is no more to come.
    if (probe.reported === 0 || this.#log.has(probe.last)) return null;
    this.#probe = null;
    const { arrived, reported, id } = probe;
    if (arrived.length < MIN_PROBE_PACKETS || arrived.length < reported * MIN_PROBE_ARRIVED) {
      return { id, kbps: 0, saturated: true };
    }
    const { kbps, saturated } = probeRate(arrived);
    return { id, kbps: kbps * reported / arrived.length, saturated };
  }
}

/**
 * Rate of the bottleneck: a packet that was sent before the last one had come through waited for
 * it, so the time between the two arrivals is what the link needed for it. Holds for a desktop
 * that sends little, too, as long as it sends several packets at once.
 */
function linkRate(arrivals: readonly Arrival[], base: number): number | null {
  let bytes = 0;
  let busyMs = 0;
  let packets = 0;
  for (let i = 1; i < arrivals.length; i++) {
    const before = arrivals[i - 1];
    const arrival = arrivals[i];
    const gapMs = arrival.receivedMs - before.receivedMs;
    if (gapMs < 0 || before.receivedMs - base <= arrival.sentMs) continue;
    bytes += arrival.bytes;
    busyMs += gapMs;
    packets++;
  }
  if (packets < MIN_BUSY_PACKETS) return null;
  return bytes * 8 / Math.max(RESOLUTION_MS * 2, busyMs);
}

function probeRate(arrived: readonly Arrival[]): Omit<ProbeResult, "id"> {
  const first = arrived[0];
  const last = arrived[arrived.length - 1];
  const bytes = arrived.reduce((sum, a) => sum + a.bytes, 0);
  // Steps of the pacer: what left together with the first packet took no time of its own, and a
  // late step makes up for the time since the one before.
  const head = arrived.filter((a) => a.sentMs - first.sentMs < 1)
    .reduce((sum, a) => sum + a.bytes, 0);
  const sentMs = last.sentMs - first.sentMs;
  const receivedMs = last.receivedMs - first.receivedMs;
  if (sentMs <= 0) return { kbps: 0, saturated: false };
  const sentRate = (bytes - head) * 8 / sentMs;
  const receivedRate = (bytes - first.bytes) * 8 / Math.max(RESOLUTION_MS * 2, receivedMs);
  const saturated = receivedRate < SATURATED * sentRate;
  return { kbps: saturated ? SATURATED_USE * receivedRate : sentRate, saturated };
}
