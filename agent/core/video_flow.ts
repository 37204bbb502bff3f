/**
 * One viewer's video on its way: measures the link (link_meter.ts), decides what it carries
 * (congestion.ts), and lets packets go at that pace (rtp_pacer.ts). Pure: its shell makes packets
 * of what departs, and calls `tick` at `deadlineMs`.
 */
import type { ViewerNetwork } from "@farglass/protocol";
import {
  congestionDeadline,
  type CongestionEvent,
  type CongestionLimits,
  newCongestion,
  paceKbps,
  stepCongestion,
} from "./congestion.ts";
import {
  LinkMeter,
  type LostCopy,
  type Measurement,
  type SentKind,
  type TransportFeedback,
} from "./link_meter.ts";
import { isShared, Traffic, videoPart } from "./link_share.ts";
import type { VideoRate, VideoTarget } from "./ports.ts";
import { type Departure, type Paced, RtpPacer } from "./rtp_pacer.ts";

export interface VideoFlowOptions {
  readonly limits: CongestionLimits;
  /** The browser reports arrivals. Without that only its REMB tells of the link. */
  readonly feedback: boolean;
}

export interface VideoFlowEvents {
  /** What was queued is gone: only a keyframe can be decoded now. */
  onKeyframeNeeded(): void;
  /** The encoder shall take so much, or wait because the last picture has not left. */
  onRate(rate: VideoTarget): void;
}

/** Under way at most: what the target sends in a round trip and this, for feedback comes late. */
const IN_FLIGHT_MS = 350;
const MIN_IN_FLIGHT_BYTES = 24 * 1024;
/** Headers take their part of the target. */
const PAYLOAD_SHARE = 0.93;
const REPAIR_WINDOW_MS = 1_000;
/**
 * Where so much is lost though no queue stands, a repetition is sent twice: Chromium asks again
 * only after 100 ms, and every picture behind the missing one waits for it.
 */
const REPEAT_TWICE_LOSS = 0.07;
const REPEAT_TWICE_QUEUE_MS = 30;
/** A picture that waits longer holds up the encoder; it goes on below the second one. */
const BLOCK_MS = 45;
const UNBLOCK_MS = 12;
/** A change of the target below this part is not worth telling. */
const WORTH_TELLING = 0.04;
/** Fewer bits than this make a picture of a desktop unreadable: rather fewer pictures. */
const MIN_KBIT_PER_PICTURE = 50;
const MIN_FPS = 5;
const DEFAULT_RTT_MS = 100;
const BEACON_KBPS = 100;
const BEACON_BYTES = 1;

/** Bitrate and pictures a second for a target. */
export function videoRate(kbps: number, maxFps: number): VideoRate {
  const fps = Math.max(MIN_FPS, Math.floor(kbps / MIN_KBIT_PER_PICTURE));
  return { bitrateKbps: Math.round(kbps), maxFps: Math.min(maxFps, fps) };
}

export class VideoFlow<M extends Paced, R extends Paced> {
  readonly #meter = new LinkMeter();
  readonly #pacer = new RtpPacer<M, R>();
  readonly #other = new Traffic();
  readonly #sent = new Traffic(0);
  #congestion: ReturnType<typeof newCongestion>;
  #last: Measurement | null = null;
  #needsKeyframe = false;
  #repairs: { readonly atMs: number; readonly bytes: number }[] = [];
  #told: VideoTarget | null = null;
  #droppedPictures = 0;
  #beacons = 0;
  /** The target without what goes to the others. */
  #partKbps: number;
  #yielding = false;
  #yields = 0;

  constructor(
    private readonly options: VideoFlowOptions,
    private readonly events: VideoFlowEvents,
  ) {
    this.#congestion = newCongestion(options.limits);
    this.#partKbps = this.#congestion.targetKbps;
  }

  get roundTripMs(): number {
    return this.#last?.rttMs ?? DEFAULT_RTT_MS;
  }

  /** The live facts of this viewer's link. */
  get network(): ViewerNetwork {
    const { reason, decisions } = this.#congestion;
    const { rttMs = 0, queueMs = 0, loss = 0, ackedKbps = 0 } = this.#last ?? {};
    const round = (value: number) => Math.round(value * 10) / 10;
    return {
      targetKbps: Math.round(this.#partKbps),
      reason: this.#yielding ? "patches-first" : reason,
      rttMs: round(rttMs),
      queueMs: round(queueMs),
      loss: Math.round(loss * 10_000) / 10_000,
      goodputKbps: Math.round(ackedKbps),
      droppedPictures: this.#droppedPictures,
      decisions: this.#yields === 0 ? decisions : { ...decisions, "patches-first": this.#yields },
    };
  }

  /** Patches or other messages of so many bytes leave by the same way. */
  onOther(bytes: number, nowMs: number): void {
    this.#other.note(bytes, nowMs);
  }

  /** Tells what to begin with: the first picture is as large as that allows. */
  start(nowMs: number): void {
    this.#tell(nowMs);
  }

  /** Queues one picture; false when it is of no use (a picture before it was dropped). */
  add(packets: readonly M[], keyframe: boolean, nowMs: number): boolean {
    if (this.#congestion.silent) return this.#refuse();
    if (this.#pacer.stale(nowMs, this.#paceKbps(nowMs))) {
      this.#pacer.clear();
      this.#needsKeyframe = true;
    }
    if (this.#needsKeyframe && !keyframe) {
      this.events.onKeyframeNeeded();
      return this.#refuse();
    }
    this.#needsKeyframe = false;
    this.#pacer.addPicture(packets, keyframe, nowMs);
    return true;
  }

  #refuse(): false {
    this.#droppedPictures++;
    this.#needsKeyframe = true;
    return false;
  }

  /** Queues a packet to be sent again. */
  addRepair(packet: R, nowMs: number): void {
    if (this.#congestion.silent) return;
    const { loss = 0, queueMs = 0 } = this.#last ?? {};
    const copies = loss >= REPEAT_TWICE_LOSS && queueMs < REPEAT_TWICE_QUEUE_MS ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (!this.#pacer.addRepair(packet, nowMs)) this.events.onKeyframeNeeded();
    }
  }

  /** What leaves now; tell each by `onSent`. */
  pull(nowMs: number): Departure<M, R>[] {
    const { targetKbps } = this.#congestion;
    const most = Math.max(MIN_IN_FLIGHT_BYTES, targetKbps * (this.roundTripMs + IN_FLIGHT_MS) / 8);
    const out = this.#pacer.pull(nowMs, {
      paceKbps: this.#paceKbps(nowMs),
      roomBytes: this.options.feedback ? most - this.#meter.bytesInFlight : Infinity,
    });
    for (const departure of out) {
      if (departure.kind === "repair") {
        this.#repairs.push({ atMs: nowMs, bytes: departure.packet.bytes });
      }
    }
    this.#tell(nowMs);
    return out;
  }

  onSent(sequence: number, bytes: number, sent: SentKind & { readonly nowMs: number }): void {
    if (this.options.feedback) this.#meter.onSent(sequence, bytes, sent);
    else this.#sent.note(bytes, sent.nowMs);
  }

  /** Returns the copies of media packets that are lost. */
  onFeedback(feedback: TransportFeedback, nowMs: number): readonly LostCopy[] {
    const measured = this.#meter.onFeedback(feedback, nowMs);
    if (measured !== null) {
      // What the link carries is known by all that it carried.
      const other = this.#other.kbps(nowMs);
      const measurement = {
        ...measured,
        sentKbps: measured.sentKbps + other,
        ackedKbps: measured.ackedKbps + other,
      };
      this.#last = measured;
      this.#step({ kind: "measured", measurement }, nowMs);
    }
    return this.#meter.takeLost();
  }

  onRemb(kbps: number, nowMs: number): void {
    const alone = this.options.feedback ? {} : { sentKbps: this.#sent.kbps(nowMs) };
    this.#step({ kind: "remb", kbps, ...alone }, nowMs);
  }

  tick(nowMs: number): void {
    const { waitingSinceMs } = this.#meter;
    this.#step({ kind: "tick", waitingSinceMs, rttMs: this.roundTripMs }, nowMs);
  }

  /** When to call `tick` and `pull` at the latest, or null. */
  deadlineMs(nowMs: number): number | null {
    const stepMs = this.#pacer.stepMs;
    const step = stepMs === null ? null : nowMs + stepMs;
    const watch = this.options.feedback
      ? congestionDeadline(this.#congestion, this.#meter.waitingSinceMs, this.roundTripMs)
      : null;
    // The rate that was told is without what was repeated in the last second.
    const repaired = this.#repairs.length === 0 ? null : this.#repairs[0].atMs + REPAIR_WINDOW_MS;
    const due = Math.min(step ?? Infinity, watch ?? Infinity, repaired ?? Infinity);
    return due === Infinity ? null : due;
  }

  #step(event: CongestionEvent, nowMs: number): void {
    const [state, effects] = stepCongestion(this.#congestion, event, nowMs);
    this.#congestion = state;
    for (const effect of effects) {
      switch (effect.kind) {
        case "probe":
          this.#pacer.startProbe(effect.id, effect.kbps, effect.bytes);
          break;
        case "beacon":
          this.#pacer.startProbe(--this.#beacons, BEACON_KBPS, BEACON_BYTES);
          break;
        case "silent":
          this.#pacer.clear();
          this.#meter.forgetInFlight();
          this.#needsKeyframe = true;
          break;
        case "resumed":
          this.#needsKeyframe = true;
          this.events.onKeyframeNeeded();
          break;
      }
    }
    this.#tell(nowMs);
  }

  /** A link that was never seen full has room for all. */
  #otherKbps(nowMs: number): number {
    return this.#congestion.kneeKbps === null ? 0 : this.#other.kbps(nowMs);
  }

  #paceKbps(nowMs: number): number {
    return videoPart(paceKbps(this.#congestion), this.#otherKbps(nowMs));
  }

  #yield(nowMs: number): number {
    const { targetKbps } = this.#congestion;
    const other = this.#otherKbps(nowMs);
    const yielding = isShared(targetKbps, other);
    if (yielding && !this.#yielding) this.#yields++;
    this.#yielding = yielding;
    this.#partKbps = videoPart(targetKbps, other);
    return this.#partKbps;
  }

  #tell(nowMs: number): void {
    const waitMs = this.#pacer.waitingBytes * 8 / this.#paceKbps(nowMs);
    const wasBlocked = this.#told?.blocked ?? false;
    const blocked = this.#congestion.silent || waitMs > (wasBlocked ? UNBLOCK_MS : BLOCK_MS);
    this.#repairs = this.#repairs.filter(({ atMs }) => atMs > nowMs - REPAIR_WINDOW_MS);
    const repairKbps = this.#repairs.reduce((sum, { bytes }) => sum + bytes, 0) * 8 /
      REPAIR_WINDOW_MS;
    const { limits } = this.#congestion;
    const targetKbps = this.#yield(nowMs);
    const kbps = Math.max(
      Math.min(limits.minKbps, limits.maxKbps) * PAYLOAD_SHARE,
      Math.max(targetKbps / 2, targetKbps - repairKbps) * PAYLOAD_SHARE,
    );
    // At the limit the setting itself holds: headers come on top of it, as before.
    const rate = targetKbps >= limits.maxKbps
      ? { bitrateKbps: limits.maxKbps, maxFps: Infinity }
      : videoRate(kbps, Infinity);
    const told = this.#told;
    const same = told !== null &&
      Math.abs(rate.bitrateKbps - told.bitrateKbps) < WORTH_TELLING * told.bitrateKbps;
    if (same && blocked === wasBlocked) return;
    this.#told = { ...(same ? told : rate), blocked };
    this.events.onRate(this.#told);
  }
}
