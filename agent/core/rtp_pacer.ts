/**
 * Decides which packet leaves when: repetitions first, then pictures in order, then padding while a
 * probe asks for more than there is. A budget in bytes fills at the pace of the congestion
 * controller; what waits too long is dropped whole, so that nothing stale is played. Pure.
 */

/** The budget is spent in steps of so long; finer ones while a probe is measured. */
export const PACER_STEP_MS = 5;
export const PROBE_STEP_MS = 2;
/** What may leave at once after a pause: a step's worth, and never less than two packets. */
const MIN_BURST_BYTES = 2_400;
/** The most that packets which waited while the program was busy may make up for. */
const MAX_CATCH_UP_MS = 20;
/** Pictures that need longer than this, and what the newest keyframe takes, come too late. */
const MAX_WAIT_MS = 250;
/** Nothing leaves, for whatever reason. */
const MAX_AGE_MS = 1_000;
/** Repetitions take at most this part of the pace; beyond it, a keyframe is cheaper. */
const REPAIR_SHARE = 0.5;
const MAX_REPAIR_WAIT_MS = 250;
const BITS = 8;

/** Something to send; bytes as they are on the wire. */
export interface Paced {
  readonly bytes: number;
}
/** One object for each packet, from when it is queued until it has left. */
interface Waiting<K, P> {
  readonly kind: K;
  readonly packet: P;
  readonly queuedMs: number;
  probe: number | null;
}

export type Departure<M, R> =
  | { readonly kind: "media"; readonly packet: M; readonly probe: number | null }
  | { readonly kind: "repair"; readonly packet: R; readonly probe: number | null }
  | { readonly kind: "padding"; readonly bytes: number; readonly probe: number };

export interface PaceLimits {
  readonly paceKbps: number;
  /** Bytes that may be under way beyond those that are. */
  readonly roomBytes: number;
}

export class RtpPacer<M extends Paced, R extends Paced> {
  #media: Waiting<"media", M>[] = [];
  #repairs: Waiting<"repair", R>[] = [];
  #mediaBytes = 0;
  #repairBytes = 0;
  #keyframeBytes = 0;
  #budget = 0;
  #repairBudget = 0;
  #filledMs: number | null = null;
  #probe:
    | { readonly id: number; readonly kbps: number; left: number; begun: boolean }
    | null = null;

  get waitingBytes(): number {
    return this.#mediaBytes + this.#repairBytes;
  }
  /** How long `pull` may wait, or null when there is nothing to do. */
  get stepMs(): number | null {
    if (this.#probe !== null) return PROBE_STEP_MS;
    return this.#media.length > 0 || this.#repairs.length > 0 ? PACER_STEP_MS : null;
  }

  /** Whether what waits comes too late to be of use. */
  stale(nowMs: number, paceKbps: number): boolean {
    const waitMs = (this.#mediaBytes - this.#keyframeBytes) * BITS / paceKbps;
    return waitMs > MAX_WAIT_MS || this.#ageMs(nowMs) > MAX_AGE_MS;
  }

  #ageMs(nowMs: number): number {
    return this.#media.length === 0 ? 0 : nowMs - this.#media[0].queuedMs;
  }

  /** Queues one picture's packets. */
  addPicture(packets: readonly M[], keyframe: boolean, nowMs: number): void {
    const bytes = packets.reduce((sum, packet) => sum + packet.bytes, 0);
    for (const packet of packets) {
      this.#media.push({ kind: "media", packet, queuedMs: nowMs, probe: null });
    }
    this.#mediaBytes += bytes;
    if (keyframe) this.#keyframeBytes = bytes;
    else if (this.#mediaBytes === bytes) this.#keyframeBytes = 0;
  }

  /** Queues a packet that is sent again; false when repetitions wait for too long already. */
  addRepair(packet: R, nowMs: number): boolean {
    const oldest = this.#repairs[0];
    if (oldest !== undefined && nowMs - oldest.queuedMs > MAX_REPAIR_WAIT_MS) {
      this.#repairs = [];
      this.#repairBytes = 0;
      return false;
    }
    this.#repairs.push({ kind: "repair", packet, queuedMs: nowMs, probe: null });
    this.#repairBytes += packet.bytes;
    return true;
  }

  /** Sends `bytes` at `kbps` from now on, with padding when nothing waits. */
  startProbe(id: number, kbps: number, bytes: number): void {
    this.#probe = { id, kbps, left: bytes, begun: false };
    this.#budget = Math.min(this.#budget, 0);
  }

  /** Forgets what waits. */
  clear(): void {
    this.#media = [];
    this.#repairs = [];
    this.#mediaBytes = 0;
    this.#repairBytes = 0;
    this.#probe = null;
  }

  /** What leaves now. */
  pull(nowMs: number, limits: PaceLimits): Departure<M, R>[] {
    this.#fill(nowMs, limits.paceKbps);
    const out: Departure<M, R>[] = [];
    let room = limits.roomBytes;
    while (this.#budget > 0 && room > 0) {
      const next = this.#next();
      if (next === null) break;
      const bytes = next.kind === "padding" ? next.bytes : next.packet.bytes;
      this.#budget -= bytes;
      room -= bytes;
      this.#spend(bytes);
      out.push(next);
    }
    return out;
  }

  #spend(bytes: number): void {
    if (this.#probe === null) return;
    this.#probe.begun = true;
    this.#probe.left -= bytes;
    if (this.#probe.left <= 0) this.#probe = null;
  }

  #fill(nowMs: number, paceKbps: number): void {
    const kbps = this.#probe?.kbps ?? paceKbps;
    const sinceMs = Math.max(0, nowMs - (this.#filledMs ?? nowMs - PACER_STEP_MS));
    this.#filledMs = Math.max(nowMs, this.#filledMs ?? nowMs);
    // A probe begins with one step's worth, so that it takes some time; then its rate counts.
    const behind = this.#probe?.begun ??
      (this.#media.length > 0 && nowMs > this.#media[0].queuedMs);
    const burstMs = behind ? MAX_CATCH_UP_MS : PACER_STEP_MS;
    const most = Math.max(MIN_BURST_BYTES, kbps * burstMs / BITS);
    const grown = Math.min(sinceMs, 1_000) * kbps / BITS;
    this.#budget = Math.min(most, this.#budget + grown);
    this.#repairBudget = Math.min(most, this.#repairBudget + grown * REPAIR_SHARE);
  }

  #next(): Departure<M, R> | null {
    const probe = this.#probe?.id ?? null;
    const repair = this.#repairs[0];
    // Without pictures that wait, repetitions may have all of it.
    if (repair !== undefined && (this.#repairBudget > 0 || this.#media.length === 0)) {
      this.#repairs.shift();
      this.#repairBytes -= repair.packet.bytes;
      this.#repairBudget -= repair.packet.bytes;
      repair.probe = probe;
      return repair;
    }
    const media = this.#media[0];
    if (media !== undefined) {
      this.#media.shift();
      this.#mediaBytes -= media.packet.bytes;
      media.probe = probe;
      return media;
    }
    if (this.#probe === null) return null;
    return { kind: "padding", bytes: paddingBytes(this.#probe.kbps), probe: this.#probe.id };
  }
}

/** Small packets for a slow link, so that a probe is made of several and short. */
const paddingBytes = (kbps: number): number => kbps > LARGE_PADDING_KBPS ? 1_200 : 300;
const LARGE_PADDING_KBPS = 3_000;
