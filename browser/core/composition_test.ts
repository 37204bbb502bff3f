/// <reference lib="deno.ns" />
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { Rect, VideoRegions } from "@farglass/protocol";
import {
  type Composition,
  type CompositionEffect,
  isOpaque,
  newComposition,
  paintable,
  stepComposition,
} from "./composition.ts";
import { subtract } from "./rects.ts";

const WIDTH = 400;
const HEIGHT = 100;
const WHOLE: Rect = { x: 0, y: 0, width: WIDTH, height: HEIGHT };
const FILM: Rect = { x: 100, y: 0, width: 100, height: 100 };

class Console {
  state: Composition = newComposition;
  now = 0;
  received = true;

  video(rtpTime: number, size = { width: WIDTH, height: HEIGHT }): readonly CompositionEffect[] {
    const [next, effects] = stepComposition(
      this.state,
      { kind: "video", rtpTime: rtpTime >>> 0, ...size },
      this.now,
    );
    this.state = next;
    return effects;
  }

  patches(
    rtpTime: number,
    regions: Partial<VideoRegions>,
    size = { width: WIDTH, height: HEIGHT },
  ): readonly CompositionEffect[] {
    const [next, effects] = stepComposition(this.state, {
      kind: "patches",
      ...size,
      regions: {
        version: this.state.version,
        rtpTime: rtpTime >>> 0,
        sinceRtpTime: this.state.since,
        current: true,
        rects: this.state.wanted,
        ...regions,
      },
      received: () => this.received,
    }, this.now);
    this.state = next;
    return effects;
  }

  /** The whole screen by video, then all of it by patches. */
  started(): this {
    this.patches(0, { version: 1, sinceRtpTime: 0, rects: [WHOLE] });
    this.video(0);
    this.patches(10, { version: 2, rects: [] });
    ok(isOpaque(this.state));
    return this;
  }
}

Deno.test("start: the screen is the video's at the first frame that is new enough", () => {
  const c = new Console();
  deepEqual(c.patches(100, { version: 1, sinceRtpTime: 100, rects: [WHOLE] }), []);
  deepEqual(c.video(99), []);
  deepEqual(c.video(100), [
    { kind: "resize", width: WIDTH, height: HEIGHT },
    { kind: "shown", version: 1 },
  ]);
  deepEqual(paintable(c.state, [FILM]), []);
});

Deno.test("start: a frame of another size is not the screen", () => {
  const c = new Console();
  c.patches(100, { version: 1, sinceRtpTime: 100, rects: [WHOLE] });
  deepEqual(c.video(100, { width: 200, height: 100 }), []);
  equal(c.video(101).length, 2);
});

Deno.test("a region closes once every pixel has come, as new as the video frame on the screen", () => {
  const c = new Console();
  c.patches(0, { version: 1, sinceRtpTime: 0, rects: [WHOLE] });
  c.video(50);
  deepEqual(c.patches(40, { version: 2, rects: [FILM] }), [], "older than the video");
  deepEqual(c.patches(60, { current: false }), [], "more is to come");
  c.received = false;
  deepEqual(c.patches(60, {}), [], "pixels are missing");
  c.received = true;
  const rest = subtract([WHOLE], [FILM]);
  deepEqual(c.patches(60, {}), [{ kind: "paint", rects: rest }, { kind: "shown", version: 2 }]);
  deepEqual(paintable(c.state, [WHOLE]), rest);
  equal(isOpaque(c.state), false);
});

Deno.test("a region that waits for half a second closes anyway", () => {
  const c = new Console();
  c.patches(0, { version: 1, sinceRtpTime: 0, rects: [WHOLE] });
  c.video(50);
  deepEqual(c.patches(40, { version: 2, rects: [] }), []);
  c.now = 500;
  equal(c.patches(40, {}).length, 2);
});

Deno.test("a region opens when the video has caught up with the patches; meanwhile they wait", () => {
  const c = new Console().started();
  deepEqual(c.patches(100, { version: 3, sinceRtpTime: 90, rects: [FILM] }), []);
  deepEqual(paintable(c.state, [FILM]), [FILM], "no video yet: patches go on");
  deepEqual(c.video(80), [], "older than the region");
  deepEqual(c.video(95), [], "older than the last patch");
  deepEqual(paintable(c.state, [FILM]), [], "now the patches wait");
  deepEqual(c.patches(110, {}), []);
  deepEqual(c.video(105), [
    { kind: "clear", rects: [FILM] },
    { kind: "shown", version: 3 },
  ]);
});

Deno.test("a region that is withdrawn while patches wait is painted as it is now", () => {
  const c = new Console().started();
  c.patches(100, { version: 3, sinceRtpTime: 90, rects: [FILM] });
  c.video(95);
  deepEqual(c.patches(110, { version: 4, rects: [] }), [
    { kind: "paint", rects: [FILM] },
    { kind: "shown", version: 4 },
  ]);
});

Deno.test("times wrap around", () => {
  const c = new Console();
  c.patches(-10, { version: 1, sinceRtpTime: -10 >>> 0, rects: [WHOLE] });
  deepEqual(c.video(-11), []);
  equal(c.video(5).length, 2);
  deepEqual(c.patches(-1, { version: 2, rects: [] }), []);
  equal(c.patches(6, {}).length, 2);
});

Deno.test("a new size: the old picture stays until video or patches show the new one", () => {
  const c = new Console().started();
  const size = { width: 300, height: 80 };
  const whole = { x: 0, y: 0, ...size };
  deepEqual(c.patches(100, { version: 3, sinceRtpTime: 100, rects: [whole] }, size), []);
  deepEqual(c.video(120), [], "still the old size");
  deepEqual(c.video(130, size), [
    { kind: "resize", ...size },
    { kind: "shown", version: 3 },
  ]);
});

Deno.test("without any video the patches alone make the picture", () => {
  const c = new Console();
  c.patches(0, { version: 1, sinceRtpTime: 0, rects: [WHOLE] });
  deepEqual(c.patches(10, { version: 2, rects: [] }), [
    { kind: "resize", width: WIDTH, height: HEIGHT },
    { kind: "paint", rects: [WHOLE] },
    { kind: "shown", version: 2 },
  ]);
});

/**
 * Four cells that change all the time. Each shows the time of what is on the screen there, which
 * must never go back, whatever order frames, patches and regions come in.
 */
Deno.test("property: nothing on the screen goes back in time", () => {
  const cell = (i: number): Rect => ({ x: i * 100, y: 0, width: 100, height: 100 });
  const covers = (rects: readonly Rect[], i: number) =>
    rects.some((r) => r.x <= i * 100 && r.x + r.width >= (i + 1) * 100);
  const event = fc.oneof(
    fc.record({ kind: fc.constant("video" as const), late: fc.nat(3) }),
    fc.record({ kind: fc.constant("patches" as const), late: fc.nat(3) }),
    fc.record({ kind: fc.constant("regions" as const), cells: fc.nat(15) }),
  );
  fc.assert(fc.property(fc.array(event, { maxLength: 60, size: "max" }), (events) => {
    const c = new Console();
    let time = 1;
    let version = 1;
    let regions: readonly Rect[] = [WHOLE];
    let since = 1;
    let told = 0;
    const canvas = [0, 0, 0, 0];
    const memory = [0, 0, 0, 0];
    let shown = [0, 0, 0, 0];
    const last = { video: 0, patches: 0 };
    const apply = (effects: readonly CompositionEffect[]) => {
      for (const effect of effects) {
        if (effect.kind === "shown") told = effect.version;
        if (effect.kind === "paint") {
          for (let i = 0; i < 4; i++) if (covers(effect.rects, i)) canvas[i] = memory[i];
        }
      }
    };
    for (const e of events) {
      time += 10;
      if (e.kind === "regions") {
        // The agent changes its regions only after the last ones are shown.
        if (told !== version) continue;
        version++;
        since = time;
        regions = [0, 1, 2, 3].filter((i) => (e.cells >> i & 1) === 1).map(cell);
      } else if (e.kind === "video") {
        last.video = Math.max(last.video, time - e.late * 10);
        apply(c.video(last.video));
      } else {
        last.patches = Math.max(last.patches, time - e.late * 10);
        if (last.patches < since) last.patches = since;
        const held = told === version || version === 1;
        for (let i = 0; i < 4; i++) {
          if (!(held && covers(regions, i))) memory[i] = last.patches;
        }
        apply(c.patches(last.patches, { version, sinceRtpTime: since, rects: regions }));
        const painted = paintable(c.state, [0, 1, 2, 3].map(cell));
        for (let i = 0; i < 4; i++) if (covers(painted, i)) canvas[i] = memory[i];
      }
      const now = canvas.map((t, i) => covers(c.state.open, i) ? c.state.presented ?? 0 : t);
      if (c.state.sized) now.forEach((t, i) => ok(t >= shown[i], `cell ${i}: ${shown[i]} → ${t}`));
      if (c.state.sized) shown = now;
    }
  }));
});
