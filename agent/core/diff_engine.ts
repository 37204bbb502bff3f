/**
 * One viewer's diff stream: exact, bounded, self-healing. Damage accumulates while there is no
 * credit; then damaged tiles are compared in full, once for all viewers, and what this one lacks
 * goes out as it is at that moment. What was sent but not confirmed is sent again. Pure: the clock
 * and the compressor are arguments.
 */
import {
  DIFF_STREAMS,
  type DiffAck,
  encodeDiff,
  type PatchFlow,
  patchPixels,
  type Rect,
  type VideoRegions,
} from "@farglass/protocol";
import { damagedTiles } from "./damaged_tiles.ts";
import { DiffFlow, type FlowMark } from "./diff_flow.ts";
import { hashPicture, type Picture, wordsOf } from "./picture.ts";
import { PatchSource, SharedPatches } from "./shared_patches.ts";
import { TileMap, type Words } from "./tile_map.ts";
import { TilePass } from "./tile_pass.ts";
import type { TileSamples } from "./tile_samples.ts";

export interface DiffEngineOptions {
  /** Raw deflate (RFC 1951) of the given bytes, which are reused afterwards. */
  readonly deflate: (bytes: Uint8Array) => Uint8Array;
  /**
   * What the viewers of the shown display share; told of damage by whoever owns it, before any
   * engine is. Without it the engine has its own.
   */
  readonly source?: () => PatchSource;
  /** Hash of a picture; viewers of one desktop can share a memoised one. */
  readonly hash?: (picture: Picture) => number;
  /** Told of each patch that is sent, and of about how many bytes it takes. */
  readonly observe?: (patch: Rect, bytes: number, nowMs: number) => void;
}

/** Hybrid mode: what the video shows of this viewer's screen, told with every message. */
export interface SharedScreen extends Pick<VideoRegions, "version" | "sinceRtpTime" | "rects"> {
  readonly rtpTimeOf: (capturedAtMs: number) => number;
  /** The console waits for the canvas to catch up: tell the time of every picture. */
  readonly pending: boolean;
}

/** A picture that has not changed for so long is proved by its hash. */
const STILL_MS = 500;
/** Hashing 1080p takes some milliseconds: a blinking caret must not cause it twice a second. */
const HASH_INTERVAL_MS = 1_000;
const MAX_HASH_INTERVAL_MS = 60_000;
/**
 * After so many mismatches in a row both ends will not agree: the whole picture must not go out
 * again and again, so proofs get rare.
 */
const MISMATCHES_BEFORE_REST = 12;
/** A window that is nearly full still takes a message of so much. */
const MIN_BYTES = 2 * 1024;
/** `part` has 16 bits. */
const MAX_PARTS = 0x10000;
interface SentFrame {
  readonly number: number;
  readonly rects: Rect[];
  parts: number;
  bytes: number;
  /** When its last message left. */
  sentAtMs: number;
  hashed: boolean;
  readonly mark: FlowMark;
}

/** Facts for logs, status and tests. */
export interface DiffEngineStats {
  readonly framesSent: number;
  readonly messagesSent: number;
  readonly bytesSent: number;
  readonly framesLost: number;
  readonly mismatches: number;
}

/** The diff stream of one viewer. */
export class DiffEngine {
  readonly #options: Required<DiffEngineOptions>;
  readonly #own: PatchSource | null;
  #shared: SharedScreen | null = null;
  /** The last version that was told, and the picture whose time was told with nothing missing. */
  #toldVersion = 0;
  #currentAtMs = -Infinity;
  #tiles = new TileMap(0, 0);
  #pass = new TilePass(this.#tiles);
  #patches: SharedPatches;
  #open: SentFrame | null = null;
  #inFlight: SentFrame[] = [];
  #nextFrame = 1;
  #stream = 0;
  #proved = false;
  #lastChangeMs = 0;
  /** Since when there has always been something to send. */
  #behindSinceMs: number | null = null;
  #lastHashMs = -MAX_HASH_INTERVAL_MS;
  #hashIntervalMs = HASH_INTERVAL_MS;
  #mismatchesInRow = 0;
  /** The next frame is a whole picture and proves itself by its hash. */
  #proveNext = false;
  readonly #flow = new DiffFlow();
  #stats = { framesSent: 0, messagesSent: 0, bytesSent: 0, framesLost: 0, mismatches: 0 };

  constructor(options: DiffEngineOptions) {
    const own = options.source === undefined ? new PatchSource() : null;
    const source = options.source ?? (() => own!);
    this.#own = own;
    this.#options = { hash: hashPicture, observe: () => {}, ...options, source };
    this.#patches = new SharedPatches(0, 0, options.deflate);
  }

  get stats(): DiffEngineStats {
    return this.#stats;
  }
  /** What is known of the way to the console, and what it lets patches do. */
  get flow(): PatchFlow {
    return this.#flow.facts;
  }
  /** Frames that wait for an answer, the unfinished one included. */
  get framesInFlight(): number {
    return this.#inFlight.length + (this.#open === null ? 0 : 1);
  }
  /** How long ago the oldest change that may not have been sent was noted. */
  behindMs(nowMs: number): number {
    return this.#behindSinceMs === null ? 0 : nowMs - this.#behindSinceMs;
  }
  get bytesInFlight(): number {
    return this.#inFlight.reduce((sum, f) => sum + f.bytes, this.#open?.bytes ?? 0);
  }
  /** True when the console has confirmed the picture's hash since the last change. */
  get proved(): boolean {
    return this.#proved;
  }

  /** Notes what changed on the screen. */
  damage(rects: readonly Rect[], nowMs: number): void {
    if (rects.length === 0) return;
    this.#own?.damage(rects);
    this.#tiles.change(damagedTiles(rects, this.#tiles), nowMs);
    if (this.#hasWork) this.#behindSinceMs ??= nowMs;
    this.#lastChangeMs = nowMs;
    this.#proved = false;
  }

  /** Hybrid mode, or null. `held` tells the tiles that the video shows: they are not sent. */
  share(shared: SharedScreen | null, held: (col: number, row: number) => boolean): void {
    this.#shared = shared;
    // Rectangles that were found before may lie in held tiles, across several.
    this.#pass.giveBack();
    this.#tiles.hold(held);
    if (this.#tiles.held > 0) this.#proved = false;
    if (shared === null) {
      this.#toldVersion = 0;
      this.#currentAtMs = -Infinity;
    }
  }

  /** Forgets what the viewer has: the next frame is the whole picture. Frame numbers go on. */
  reset(nowMs: number): void {
    this.#tiles.loseAll();
    // It may be asked for because something changed unnoticed.
    this.#patches.tiles.doubt();
    this.#pass.restart();
    this.#open = null;
    this.#inFlight = [];
    this.#proved = false;
    this.#lastChangeMs = nowMs;
    this.#flow.reset();
    this.#proveNext = this.#mismatchesInRow < MISMATCHES_BEFORE_REST;
  }

  /** Another carrier, of which nothing is known but what the video's measurement says. */
  changeCarrier(): void {
    this.#flow.forget();
  }

  /** What the video's measurement of the same way says, until patches have filled it once. */
  hint(kbps: number): void {
    this.#flow.hint(kbps);
  }

  /** The viewer is shown another display from now on. */
  begin(nowMs: number): void {
    this.#stream = (this.#stream + 1) % DIFF_STREAMS;
    this.reset(nowMs);
  }

  /** Takes the console's answer or a relay's notice; answers to unknown frames are ignored. */
  ack(ack: DiffAck, nowMs: number): void {
    if (this.#open?.number === ack.frame) {
      if (ack.outcome === "skipped") {
        this.#lose(this.#open, nowMs);
        this.#open = null;
        this.slowDown(nowMs);
      }
      return;
    }
    const at = this.#inFlight.findIndex((f) => f.number === ack.frame);
    if (at < 0) return;
    const [frame] = this.#inFlight.splice(at, 1);
    switch (ack.outcome) {
      case "painted":
        // Answers come in order, so whatever was sent before this frame has not arrived.
        for (const earlier of this.#inFlight.splice(0, at)) this.#lose(earlier, nowMs);
        this.#onPainted(frame, nowMs);
        break;
      case "skipped":
        this.#lose(frame, nowMs);
        this.slowDown(nowMs);
        break;
      case "mismatch":
        if (at > 0) {
          // An earlier frame was never answered: it is missing, not the whole picture.
          for (const earlier of this.#inFlight.splice(0, at)) this.#lose(earlier, nowMs);
          break;
        }
        this.#stats.mismatches++;
        this.#mismatchesInRow++;
        if (this.#mismatchesInRow >= MISMATCHES_BEFORE_REST) {
          this.#hashIntervalMs = Math.min(MAX_HASH_INTERVAL_MS, this.#hashIntervalMs * 2);
        }
        this.reset(nowMs);
        break;
    }
  }

  #onPainted(frame: SentFrame, nowMs: number): void {
    this.#flow.painted(frame.mark, frame, nowMs);
    if (!frame.hashed) return;
    this.#mismatchesInRow = 0;
    this.#hashIntervalMs = HASH_INTERVAL_MS;
    this.#proved = this.#lastChangeMs <= frame.sentAtMs && !this.#hasWork &&
      this.#inFlight.length === 0;
  }

  /** The way to the console has no room: pause, then send smaller frames for a while. */
  slowDown(nowMs: number): void {
    this.#flow.slowDown(nowMs);
  }

  /** Gives up on frames that were never answered. */
  tick(nowMs: number): void {
    let lost = false;
    while (this.#inFlight.length > 0 && this.#oldestDueMs <= nowMs) {
      this.#lose(this.#inFlight.shift()!, nowMs);
      lost = true;
    }
    if (lost) this.#flow.timedOut();
  }

  /** When the oldest frame under way counts as lost. */
  get #oldestDueMs(): number {
    const { sentAtMs, bytes } = this.#inFlight[0];
    return sentAtMs + this.#flow.timeoutMs(bytes);
  }

  /** When `tick` and `pull` are to be called at the latest, or null. */
  nextDeadlineMs(): number | null {
    const due: number[] = [];
    if (this.#inFlight.length > 0) due.push(this.#oldestDueMs);
    if (this.#hasWork && this.#flow.holdUntilMs > 0) due.push(this.#flow.holdUntilMs);
    const hashDue = this.#hashDueMs();
    if (hashDue !== null) due.push(hashDue);
    return due.length === 0 ? null : Math.min(...due);
  }

  /**
   * The next message, or null when there is nothing to send or no credit. Call it until it
   * returns null or the carrier's buffer is full; a large frame may take many calls, and each
   * message carries the pixels of its own moment.
   */
  pull(picture: Picture, nowMs: number): Uint8Array | null {
    this.fit(picture, nowMs);
    if (this.#open === null && this.#refused(nowMs)) return null;
    const now = wordsOf(picture);
    this.#scan(now);
    // A frame that was cut short left the pass in the middle: look above it, too.
    if (this.#open === null && this.#pass.pending.length === 0 && this.#tiles.count > 0) {
      this.#scan(now);
    }
    if (this.#pass.pending.length === 0 && this.#open === null) {
      this.#behindSinceMs = null;
      this.#flow.decide(null);
      return this.#pullHash(picture, nowMs) ?? this.#pullTime(picture, nowMs);
    }
    return this.#pullPatches(now, picture, nowMs);
  }

  get #hasWork(): boolean {
    return this.#open !== null || this.#pass.pending.length > 0 || this.#tiles.count > 0;
  }

  /** Whether no frame may be begun now; what holds up changes is noted. */
  #refused(nowMs: number): boolean {
    const oldestMs = this.#inFlight[0]?.sentAtMs ?? null;
    const way = { frames: this.#inFlight.length, bytes: this.bytesInFlight, oldestMs };
    const reason = this.#flow.refusal(way, nowMs);
    if (reason === null) return false;
    if (this.#hasWork) {
      this.#flow.decide(reason);
      for (const { mark } of this.#inFlight) mark.limited = true;
    }
    return true;
  }

  /** Samples of this picture's tiles; all its viewers have the same. */
  samples(picture: Picture): TileSamples {
    return this.#options.source().of(picture, this.#options.deflate).samples;
  }

  /** Follows the picture's size and display; a new one holds no tile back. */
  fit(picture: Picture, nowMs: number): void {
    const patches = this.#options.source().of(picture, this.#options.deflate);
    if (patches === this.#patches) return;
    this.#patches = patches;
    this.#tiles = new TileMap(picture.width, picture.height);
    this.#pass = new TilePass(this.#tiles);
    this.reset(nowMs);
  }

  #lose(frame: SentFrame, nowMs: number): void {
    this.#stats.framesLost++;
    // What it said of the regions is to be said again.
    this.#toldVersion = 0;
    for (const rect of frame.rects) this.#tiles.lose(rect);
    this.#proved = false;
    // A lost proof is not a change of the screen: it is asked for again after the interval.
    if (frame.rects.length > 0) this.#lastChangeMs = nowMs;
  }

  /** Looks at further tiles until there is enough for one message or the pass is over. */
  #scan(now: Words): void {
    const wanted = this.#patches.targetWords(this.#flow.messageBytes);
    const source = { now, shared: this.#patches.tiles };
    this.#pass.advance(source, { wanted, begun: this.#open !== null });
  }

  #pullPatches(now: Words, picture: Picture, nowMs: number): Uint8Array {
    const open = this.#open ?? this.#newFrame(nowMs);
    this.#open = open;
    const frameBytes = this.#flow.frameBytes(this.bytesInFlight - open.bytes, nowMs);
    const most = Math.min(this.#flow.messageBytes, Math.max(MIN_BYTES, frameBytes - open.bytes));
    const { patches, body, deflated } = this.#patches.pack(this.#pass.pending, now, most);
    this.#commit(patches);
    const { done } = this.#pass;
    const full = open.bytes + body.length >= frameBytes;
    if (!done && full) open.mark.limited = true;
    const last = done || full || open.parts === MAX_PARTS - 1;
    // Only a picture that nothing has changed since its first message is what was sent.
    const current = done && this.#tiles.count === 0;
    open.hashed = current && this.#proveNext && this.#tiles.held === 0 &&
      this.#inFlight.length === 0;
    if (done) this.#proveNext = false;
    if (open.hashed) this.#lastHashMs = nowMs;
    const message = encodeDiff({
      frame: open.number,
      part: open.parts,
      last,
      ...this.#headOf(picture),
      hash: open.hashed ? this.#options.hash(picture) : null,
      regions: this.#regions(picture, current),
      patches,
      runs: true,
      deflated,
      body,
    });
    const perPixel = body.length / Math.max(1, patchPixels(patches));
    for (const patch of patches) {
      open.rects.push(patch);
      this.#options.observe(patch, patch.width * patch.height * perPixel, nowMs);
    }
    this.#count(open, message, nowMs);
    if (last) this.#finish(open);
    return message;
  }

  #headOf({ capturedAtMs, width, height }: Picture) {
    return { capturedAtMs, stream: this.#stream, width, height };
  }

  #newFrame(nowMs: number): SentFrame {
    const mark = this.#flow.begin(this.bytesInFlight, nowMs);
    const number = this.#nextFrame;
    this.#nextFrame = number === 0xffffffff ? 0 : number + 1;
    return { number, rects: [], parts: 0, bytes: 0, sentAtMs: nowMs, hashed: false, mark };
  }

  #count(frame: SentFrame, message: Uint8Array, nowMs: number): void {
    frame.parts++;
    frame.bytes += message.length;
    frame.sentAtMs = nowMs;
    this.#stats.messagesSent++;
    this.#stats.bytesSent += message.length;
  }

  #finish(frame: SentFrame): void {
    this.#open = null;
    this.#inFlight.push(frame);
    this.#stats.framesSent++;
  }

  /** The viewer now has (or will have) the newest pixels of these. */
  #commit(patches: readonly Rect[]): void {
    for (const patch of patches) this.#tiles.sent(patch, this.#patches.tiles);
    const lastPatch = patches.at(-1);
    if (lastPatch === undefined) return;
    const partial = this.#pass.pending[patches.length - 1];
    const whole = lastPatch.height === partial.height;
    this.#pass.pending.splice(0, whole ? patches.length : patches.length - 1);
    if (!whole) {
      partial.y += lastPatch.height;
      partial.height -= lastPatch.height;
    }
  }

  #hashDueMs(): number | null {
    if (this.#proved || this.#tiles.held > 0 || this.#hasWork || this.#inFlight.length > 0) {
      return null;
    }
    return Math.max(this.#lastChangeMs + STILL_MS, this.#lastHashMs + this.#hashIntervalMs);
  }

  #pullHash(picture: Picture, nowMs: number): Uint8Array | null {
    const due = this.#hashDueMs();
    if (due === null || nowMs < due) return null;
    this.#lastHashMs = nowMs;
    return this.#pullEmpty(picture, nowMs, true);
  }

  /** Hybrid mode: a message that only tells the regions and how far the canvas has come. */
  #pullTime(picture: Picture, nowMs: number): Uint8Array | null {
    const shared = this.#shared;
    if (shared === null) return null;
    const late = shared.pending && picture.capturedAtMs > this.#currentAtMs;
    if (shared.version === this.#toldVersion && !late) return null;
    return this.#pullEmpty(picture, nowMs, false);
  }

  #regions(picture: Picture, current: boolean): VideoRegions | null {
    const shared = this.#shared;
    if (shared === null) return null;
    const { version, sinceRtpTime, rects } = shared;
    this.#toldVersion = version;
    if (current) this.#currentAtMs = picture.capturedAtMs;
    return {
      version,
      rtpTime: shared.rtpTimeOf(picture.capturedAtMs),
      sinceRtpTime,
      current,
      rects,
    };
  }

  #pullEmpty(picture: Picture, nowMs: number, hashed: boolean): Uint8Array {
    const frame = { ...this.#newFrame(nowMs), hashed };
    const message = encodeDiff({
      frame: frame.number,
      part: 0,
      last: true,
      ...this.#headOf(picture),
      hash: hashed ? this.#options.hash(picture) : null,
      regions: this.#regions(picture, true),
      patches: [],
      runs: false,
      deflated: false,
      body: new Uint8Array(0),
    });
    this.#count(frame, message, nowMs);
    this.#finish(frame);
    return message;
  }
}
