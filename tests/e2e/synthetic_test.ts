/// <reference lib="dom" />
/** Control is visible with no display at all: the synthetic desktop, drawn again by the test. */
import assert from "node:assert/strict";
import { syntheticLayout } from "../../agent/core/synthetic_layout.ts";
import { clicksText, initialSynthetic, step } from "../../agent/core/synthetic_desktop.ts";
import { paintSynthetic } from "../../agent/core/synthetic_paint.ts";
import type { Rect } from "@farglass/protocol";
import { readScreen, toPagePoint, waitFor, waitForTransport } from "../support/console_page.ts";
import { chooseTransport, e2eTest, startWorld } from "../support/e2e.ts";
import { poll } from "../support/process.ts";
import { colourAt, type Picture } from "../support/xshot.ts";

const SIZE = { width: 1280, height: 720 };
const layout = syntheticLayout(SIZE.width, SIZE.height);

/** The area's pixels as one string, to see whether and where the picture changed. */
function areaOf(picture: Picture, area: Rect): string {
  const rows: string[] = [];
  for (let y = area.y; y < area.y + area.height; y++) {
    for (let x = area.x; x < area.x + area.width; x += 2) {
      rows.push(colourAt(picture, x, y).toString(36));
    }
  }
  return rows.join();
}

/** The same area as the pure drawing makes it after `clicks` clicks on the button. */
function expectedClicks(clicks: number): string {
  let state = initialSynthetic(SIZE.width, SIZE.height, 0);
  const at = centre(layout.button);
  for (let i = 0; i < clicks; i++) {
    for (const down of [true, false]) {
      const button = { kind: "button", seq: i * 2 + 1, ...at, button: 1, down } as const;
      [state] = step(state, { kind: "input", input: button }, 0);
    }
  }
  assert.equal(clicksText(state), `Clicks: ${clicks}`);
  const pixels = new Uint32Array(SIZE.width * SIZE.height);
  paintSynthetic(state, pixels, layout.screen);
  const bytes = new Uint8Array(pixels.buffer);
  const rgba = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i += 4) {
    rgba.set([bytes[i + 2], bytes[i + 1], bytes[i], 255], i);
  }
  return areaOf({ ...SIZE, rgba }, layout.clicksLabel);
}

const centre = (area: Rect) => ({
  x: Math.floor(area.x + area.width / 2),
  y: Math.floor(area.y + area.height / 2),
});

e2eTest(
  "synthetic desktop: motion, clicks, typed text, and silence when the mover is off",
  async (t) => {
    await using world = await startWorld({ agent: { capture: "synthetic", hybrid: true } });
    await using opened = await world.open();
    const { page } = opened;
    await waitForTransport(page, "hybrid");
    const click = async (area: Rect) => {
      const at = centre(area);
      const point = await toPagePoint(page, at.x, at.y);
      await page.mouse.click(point.x, point.y);
    };

    await t.step("the mover moves", async () => {
      const seen = new Set<string>();
      await poll("three different pictures of the track", 15_000, async () => {
        seen.add(areaOf(await readScreen(page), layout.track));
        return seen.size >= 3 ? true : null;
      });
    });
    await chooseTransport(page, "diff");
    await waitForTransport(page, "diff-dc");
    await t.step("the button counts clicks, to the pixel", async () => {
      for (let i = 0; i < 3; i++) await click(layout.button);
      const expected = expectedClicks(3);
      await poll(
        "Clicks: 3",
        10_000,
        async () => areaOf(await readScreen(page), layout.clicksLabel) === expected ? true : null,
      );
    });
    await t.step("typed text appears in the field", async () => {
      await click(layout.field);
      const empty = areaOf(await readScreen(page), layout.fieldLines[0]);
      await page.keyboard.type("Grüße, 42 €");
      await poll(
        "the text",
        10_000,
        async () => areaOf(await readScreen(page), layout.fieldLines[0]) !== empty ? true : null,
      );
    });
    await t.step("without the mover the picture is proved exact and stays still", async () => {
      await click(layout.checkbox);
      await waitFor(
        page,
        "proof that the picture is exact",
        () => {
          const since = document.querySelector<HTMLElement>('[data-testid="hud-exact-since"]');
          return (since?.dataset.value ?? "") !== "";
        },
        null,
      );
    });
  },
);
