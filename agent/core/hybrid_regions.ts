/**
 * Hybrid mode of one viewer: which tiles the video shows. A region is announced in the diff
 * stream; patches of it go on until the console says that a video frame of that time is on its
 * screen. A region that comes to rest leaves at once, and its tiles are sent exactly.
 */
import type { CongestionReason, Rect, RegionChoice, ViewerNetwork } from "@farglass/protocol";
import { damagedTiles } from "./damaged_tiles.ts";
import type { DiffEngine } from "./diff_engine.ts";
import { MotionMap, SHRINK_MS, type TileBox } from "./motion_map.ts";
import { holds, planRegions, sameBoxes } from "./motion_regions.ts";
import { type Picture, wordsOf } from "./picture.ts";
import { type RegionLimits, regionLimits, UNKNOWN_WAY } from "./region_choice.ts";
import { TILE_HEIGHT_PX, TILE_WIDTH_PX } from "./tile_map.ts";

/** How often regions are thought over while something moves. */
const LOOK_MS = 50;
/** Changes that have waited for so long: perhaps patches cannot keep up, so look what moves. */
const LATE_MS = 20;
/**
 * The console did not show an announced region for so long: patches go on, and it is tried later.
 * A video that stalls is found out by the console before, with evidence; this is for hidden pages.
 */
const SHOW_TIMEOUT_MS = 10_000;
const PAUSE_MS = 10_000;
/**
 * Where the network carries little, or patches cannot keep up on any, the first picture of a region
 * and patches of it would hold each other up: patches wait for so long.
 */
const HAND_OVER_MS = 1_000;
const FREE: ReadonlySet<CongestionReason> = new Set(["start", "ceiling", "application-limited"]);
/** For so long after the start a moving screen stays video as a whole. */
const SETTLE_MS = 400;

/** What a viewer's regions need of the rest. */
export interface HybridPorts {
  readonly engine: DiffEngine;
  /** The RTP time of a picture on the viewer's video track. */
  readonly rtpTimeOf: (capturedAtMs: number) => number;
  /** What the video's measurement says of the way, where there is one. */
  readonly network?: () => ViewerNetwork | null;
}

/** The video regions of one viewer. */
export class HybridRegions {
  readonly #ports: HybridPorts;
  #on = false;
  #map = new MotionMap(0, 0);
  #boxes: readonly TileBox[] = [];
  #version = 0;
  /** The version that the console shows. */
  #shown = 0;
  /** Per tile the version that announced it, 0 where patches show it; 1 is shown from the start. */
  #announced = new Uint32Array(0);
  #sinceRtpTime = 0;
  #announcedMs = 0;
  /** Nothing is sent of what was announced. */
  #handsOver = false;
  #nextLookMs = 0;
  #pausedUntilMs = -Infinity;
  #chosen: RegionLimits = regionLimits(UNKNOWN_WAY);
  #decisions: RegionChoice["decisions"] = {};

  constructor(ports: HybridPorts) {
    this.#ports = ports;
  }

  /** The video has to run: it shows something, or the console has not yet let go of it. */
  get wantsVideo(): boolean {
    return this.#on && (this.#boxes.length > 0 || this.#shown < this.#version);
  }
  /** Rectangles that the video shows, in pixels. */
  get rects(): readonly Rect[] {
    return this.#boxes.map((box) => rectOf(box, this.#map));
  }

  /** Hybrid mode begins: the video shows everything, until what rests has been sent exactly. */
  begin(): void {
    this.#on = true;
    this.#map = new MotionMap(0, 0);
    this.#pausedUntilMs = -Infinity;
  }

  end(): void {
    if (!this.#on) return;
    this.#on = false;
    this.#boxes = [];
    this.#ports.engine.share(null, () => false);
  }

  damage(rects: readonly Rect[], nowMs: number): void {
    if (this.#on) this.#map.damage(damagedTiles(rects, this.#map), nowMs);
  }

  sent(patch: Rect, bytes: number, nowMs: number): void {
    if (this.#on) this.#map.sent(patch, bytes, nowMs);
  }

  /** The console shows this version of the regions. */
  shown(version: number): void {
    if (!this.#on || version <= this.#shown || version > this.#version) return;
    this.#shown = version;
    this.#share();
  }

  /** Thinks the regions over; call it before patches are made of `picture`. */
  plan(picture: Picture, nowMs: number): void {
    if (!this.#on) return;
    if (picture.width !== this.#map.width || picture.height !== this.#map.height) {
      this.#restart(picture, nowMs);
      return;
    }
    if (this.#shown < this.#version) {
      if (nowMs >= this.#announcedMs + SHOW_TIMEOUT_MS) this.#withdraw(picture, nowMs);
      else if (this.#handsOver && nowMs >= this.#announcedMs + HAND_OVER_MS) {
        this.#handsOver = false;
        this.#share();
      }
      return;
    }
    if (nowMs < this.#nextLookMs) return;
    this.#nextLookMs = nowMs + LOOK_MS;
    if (this.#boxes.length === 0 && (nowMs < this.#pausedUntilMs || !this.#map.stirs(nowMs))) {
      return;
    }
    const late = this.#ports.engine.behindMs(nowMs) >= LATE_MS;
    if (late || this.#boxes.length > 0) {
      const source = { now: wordsOf(picture), samples: this.#ports.engine.samples(picture) };
      this.#map.look(source, late);
    }
    const limits = this.#limits(nowMs);
    const boxes = planRegions(this.#map, { current: this.#boxes, nowMs, limits });
    if (!sameBoxes(boxes, this.#boxes)) this.#announce(boxes, picture, nowMs);
  }

  /** What moving regions may cost, and why. */
  get choice(): RegionChoice {
    const { reason, bytesPerS } = this.#chosen;
    return {
      reason,
      videoAboveKbps: Math.round(bytesPerS * 8 / 1_000),
      regions: this.#boxes.length,
      decisions: this.#decisions,
    };
  }

  #limits(nowMs: number): RegionLimits {
    const { engine } = this.#ports;
    const network = this.#ports.network?.() ?? null;
    const { linkKbps } = engine.flow;
    // A target that only the settings or a still desktop hold says nothing of the network.
    const held = network === null || FREE.has(network.reason);
    const next = regionLimits({
      patchKbps: linkKbps,
      videoKbps: held ? null : network.targetKbps,
      rttMs: network?.rttMs || null,
      loss: network?.loss ?? 0,
      behindMs: engine.behindMs(nowMs),
    });
    if (next.reason !== this.#chosen.reason) {
      const count = this.#decisions[next.reason] ?? 0;
      this.#decisions = { ...this.#decisions, [next.reason]: count + 1 };
    }
    this.#chosen = next;
    return next;
  }

  /** When `plan` is due at the latest, or null: a picture brings the next look by itself. */
  nextDeadlineMs(): number | null {
    if (!this.#on) return null;
    if (this.#shown < this.#version) {
      return this.#announcedMs + (this.#handsOver ? HAND_OVER_MS : SHOW_TIMEOUT_MS);
    }
    return this.#boxes.length > 0 ? this.#nextLookMs : null;
  }

  /** A new screen: nothing of it is at the console, and one video frame is the quickest start. */
  #restart(picture: Picture, nowMs: number): void {
    this.#map = new MotionMap(picture.width, picture.height);
    this.#announced = new Uint32Array(this.#map.cols * this.#map.rows).fill(1);
    this.#ports.engine.fit(picture, nowMs);
    this.#boxes = [];
    const { cols, rows } = this.#map;
    this.#announce([{ left: 0, top: 0, right: cols, bottom: rows }], picture, nowMs);
    // What is not seen to move within a moment is at rest.
    this.#map.own(() => false, nowMs);
    this.#map.own(() => true, nowMs, nowMs - SHRINK_MS + SETTLE_MS);
  }

  #announce(boxes: readonly TileBox[], picture: Picture, nowMs: number): void {
    this.#version++;
    this.#boxes = boxes;
    const { cols, rows } = this.#map;
    for (let row = 0, at = 0; row < rows; row++) {
      for (let col = 0; col < cols; col++, at++) {
        if (!holds(boxes, col, row)) this.#announced[at] = 0;
        else if (this.#announced[at] === 0) this.#announced[at] = this.#version;
      }
    }
    this.#map.own((col, row) => this.#announced[row * cols + col] > 0, nowMs);
    this.#sinceRtpTime = this.#ports.rtpTimeOf(picture.capturedAtMs);
    this.#announcedMs = nowMs;
    this.#handsOver = this.#chosen.reason !== "choice-plenty";
    this.#share();
  }

  #withdraw(picture: Picture, nowMs: number): void {
    this.#pausedUntilMs = nowMs + PAUSE_MS;
    // Without regions there is nothing more to withdraw: ask for the same again.
    this.#announce([], picture, nowMs);
  }

  #share(): void {
    const { cols } = this.#map;
    this.#ports.engine.share({
      version: this.#version,
      sinceRtpTime: this.#sinceRtpTime,
      rects: this.rects,
      rtpTimeOf: this.#ports.rtpTimeOf,
      pending: this.#shown < this.#version,
    }, (col, row) => {
      const since = this.#announced[row * cols + col];
      return since === 1 || (since > 0 && (since <= this.#shown || this.#handsOver));
    });
  }
}

function rectOf(box: TileBox, screen: { readonly width: number; readonly height: number }): Rect {
  const x = box.left * TILE_WIDTH_PX;
  const y = box.top * TILE_HEIGHT_PX;
  return {
    x,
    y,
    width: Math.min(screen.width, box.right * TILE_WIDTH_PX) - x,
    height: Math.min(screen.height, box.bottom * TILE_HEIGHT_PX) - y,
  };
}
