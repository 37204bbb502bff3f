/**
 * The console's canvas, input listener and cursor in a real browser: exact pixels, and what real
 * mice, keys, fingers and input methods turn into.
 */
import assert from "node:assert/strict";
import type { CDPSession, Page } from "playwright-core";
import { build } from "vite";
import { viteConfig } from "../../browser/vite.config.ts";
import { e2eTest } from "../support/e2e.ts";
import { launchChromium } from "../support/chromium.ts";
import type { Surfaces } from "../support/surfaces_page.ts";
import { serveStrictly } from "../support/ui_story_server.ts";

interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  readonly cdp: CDPSession;
  readonly log: readonly string[];
}

/** Builds the page with the console's own settings, serves it under its policy and opens it. */
async function openSurfaces(options: { readonly touch?: boolean } = {}): Promise<OpenPage> {
  await using stack = new AsyncDisposableStack();
  const outDir = await Deno.makeTempDir({ prefix: "farglass-surfaces-" });
  stack.defer(() => Deno.remove(outDir, { recursive: true }));
  const root = new URL("../support/", import.meta.url).pathname;
  await build(viteConfig({ root, html: "surfaces_page.html", outDir }));
  const server = stack.use(serveStrictly(outDir, "surfaces_page.html"));
  const browser = stack.use(await launchChromium());
  const context = await browser.newContext({ hasTouch: options.touch ?? false });
  const page = await context.newPage();
  const log: string[] = [];
  page.on("pageerror", (error) => log.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") log.push(message.text());
  });
  await page.goto(server.origin);
  await page.waitForFunction(() => "surfaces" in globalThis);
  const cdp = await context.newCDPSession(page);
  const owned = stack.move();
  return { page, cdp, log, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Runs `body` in the page with its surfaces. */
const inPage = <T>(page: Page, body: (s: Surfaces) => T): Promise<T> =>
  page.evaluate(`(${body.toString()})(globalThis.surfaces)`) as Promise<T>;

/** Input messages since the last call, in short. */
const inputs = async (page: Page): Promise<string[]> => {
  const messages = await inPage(page, (s) => s.sent.splice(0));
  return messages.map((m) => {
    switch (m.kind) {
      case "move":
        return `move ${m.x},${m.y}`;
      case "button":
        return `${m.down ? "down" : "up"} ${m.button} ${m.x},${m.y}`;
      case "wheel":
        return `wheel ${m.dx},${m.dy} ${m.x},${m.y}`;
      case "key":
        return `key ${m.down ? "down" : "up"} ${m.usage.toString(16)} ${m.keysym.toString(16)}`;
      case "text":
        return `text ${String.fromCodePoint(...m.codePoints)}`;
      case "release-all":
        return "release-all";
    }
  });
};

e2eTest("canvas: only whole pictures are shown, exactly, and acknowledged", async () => {
  await using open = await openSurfaces();
  const { page } = open;
  const first = await inPage(page, (s) => {
    s.fill({ x: 0, y: 0, width: 160, height: 90 }, 0x336699);
    s.fill({ x: 10, y: 10, width: 50, height: 50 }, 0xfe0102);
    s.send(1, [{ x: 0, y: 0, width: 160, height: 50 }]);
    const half = { told: s.told.splice(0), different: s.different() };
    s.send(2, [{ x: 0, y: 50, width: 160, height: 40 }], { hash: true });
    return { half, told: s.told.splice(0), different: s.different() };
  });
  assert.deepEqual(first.half, { told: ["ack 1 painted"], different: -1 });
  assert.deepEqual(first.told, ["exact true", "size 160x90", "ack 2 painted", "painted 1"]);
  assert.equal(first.different, 0);

  const changed = await inPage(page, (s) => {
    for (let i = 0; i < 300; i++) {
      const rect = { x: (i * 37) % 140, y: (i * 53) % 70, width: 1 + i % 20, height: 1 + i % 19 };
      s.fill(rect, (i * 0x10f0f1) & 0xffffff);
      s.send(10 + i, [rect]);
    }
    return { told: s.told.splice(0).length, different: s.different() };
  });
  assert.deepEqual(changed, { told: 301, different: 0 }, "exactness is not proved until a hash");

  const many = await inPage(page, (s) => {
    const rects = Array.from({ length: 150 }, (_, i) => ({ x: i, y: 5, width: 1, height: 9 }));
    s.fill({ x: 0, y: 5, width: 150, height: 9 }, 0x00ff00);
    s.send(400, rects, { hash: true });
    return { told: s.told.splice(0), different: s.different() };
  });
  assert.deepEqual(many, { told: ["exact true", "ack 400 painted"], different: 0 });
  assert.deepEqual(open.log, []);
});

e2eTest(
  "canvas: large messages are unpacked by a worker, and small ones do not overtake them",
  async () => {
    await using open = await openSurfaces();
    const { page } = open;
    await inPage(page, (s) => {
      const all = { x: 0, y: 0, width: 160, height: 90 };
      s.told.length = 0;
      s.useWorker();
      for (let frame = 1; frame <= 20; frame++) {
        s.fill(all, frame * 0x050301);
        s.send(2 * frame, [all]);
        s.fill({ x: frame, y: 3, width: 9, height: 9 }, frame * 0x0103a5);
        s.send(2 * frame + 1, [{ x: frame, y: 3, width: 9, height: 9 }], { hash: true });
      }
    });
    await page.waitForFunction(() => {
      const { surfaces } = globalThis as unknown as { surfaces: Surfaces };
      return surfaces.told.filter((line) => line.startsWith("ack")).length === 40;
    });
    const { told, different, given } = await inPage(page, (s) => ({
      told: s.told.filter((line) => !line.startsWith("exact")),
      different: s.different(),
      given: s.count.given,
    }));
    assert.deepEqual(told, [
      "size 160x90",
      "ack 2 painted",
      "painted 1",
      ...Array.from({ length: 39 }, (_, i) => `ack ${i + 3} painted`),
    ]);
    assert.deepEqual({ different, given }, { different: 0, given: 40 });
    // The next source begins while the worker still unpacks for the last one.
    await inPage(page, (s) => {
      s.told.length = 0;
      s.send(90, [{ x: 0, y: 0, width: 160, height: 90 }]);
      s.accept(2);
    });
    await page.waitForFunction(() => {
      const { surfaces } = globalThis as unknown as { surfaces: Surfaces };
      return surfaces.told.includes("ack 90 skipped");
    });
    assert.deepEqual(open.log, []);
  },
);

e2eTest(
  "canvas: damage, loss and a wrong picture are answered, a resize shows no black",
  async () => {
    await using open = await openSurfaces();
    const { page } = open;
    const told = await inPage(page, (s) => {
      const all = { x: 0, y: 0, width: 160, height: 90 };
      s.fill(all, 0x778899);
      s.send(1, [all]);
      s.told.length = 0;
      s.send(2, [all], { damaged: true });
      s.send(3, []);
      s.send(4, [], { part: 1 });
      s.fill({ x: 0, y: 0, width: 1, height: 1 }, 1);
      s.send(5, [], { hash: true });
      return s.told.splice(0);
    });
    assert.deepEqual(told, [
      "fault malformed",
      "ack 3 mismatch",
      "ack 4 skipped",
      "ack 5 mismatch",
    ]);
    const resized = await inPage(page, (s) => {
      s.resize(100, 100);
      s.fill({ x: 0, y: 0, width: 100, height: 100 }, 0x445566);
      s.send(6, [{ x: 0, y: 0, width: 100, height: 50 }]);
      const between = { black: s.black(), different: s.different() };
      s.send(7, [{ x: 0, y: 50, width: 100, height: 50 }]);
      return { between, black: s.black(), different: s.different() };
    });
    assert.deepEqual(resized, {
      between: { black: false, different: -1 },
      black: false,
      different: 0,
    });
  },
);

e2eTest("input: mouse, wheel and keys arrive in desktop pixels, and come up again", async () => {
  await using open = await openSurfaces();
  const { page } = open;
  const { x, y } = (await page.locator("#canvas").boundingBox())!;
  await page.mouse.move(x + 20, y + 40);
  assert.deepEqual(await inputs(page), ["move 5,10"]);
  await page.mouse.down();
  await page.mouse.down({ button: "right" });
  await page.mouse.move(x + 900, y + 40);
  await page.mouse.up({ button: "right" });
  await page.mouse.up();
  assert.deepEqual(await inputs(page), [
    "down 1 5,10",
    "down 3 5,10",
    "move 159,10",
    "up 3 159,10",
    "up 1 159,10",
  ]);
  await page.mouse.move(x + 100, y + 100);
  await page.mouse.wheel(0, 100);
  await page.mouse.wheel(-50, 0);
  await page.waitForFunction(() => {
    const { surfaces } = globalThis as unknown as { surfaces: Surfaces };
    return surfaces.sent.filter((m) => m.kind === "wheel").length === 2;
  });
  assert.deepEqual((await inputs(page)).slice(1), ["wheel 0,120 25,25", "wheel -60,0 25,25"]);
  await page.keyboard.press("Shift+KeyA");
  await page.keyboard.press("Tab");
  assert.deepEqual(await inputs(page), [
    "key down e1 ffe1",
    "key down 4 41",
    "key up 4 41",
    "key up e1 ffe1",
    "key down 2b ff09",
    "key up 2b ff09",
  ]);
  await page.keyboard.down("Control");
  await page.locator("button").focus();
  await page.keyboard.up("Control");
  assert.deepEqual(await inputs(page), ["key down e0 ffe3", "release-all"]);
  await inPage(page, (s) => s.setControls(false));
  await page.mouse.click(x + 20, y + 40);
  await page.keyboard.press("KeyB");
  assert.deepEqual(await inputs(page), []);
});

e2eTest(
  "input: nothing is dropped while large messages are being unpacked and painted",
  async () => {
    await using open = await openSurfaces();
    const { page } = open;
    await page.locator("#stage").focus();
    await inPage(page, (s) => {
      s.told.length = 0;
      s.useWorker();
      const all = { x: 0, y: 0, width: 160, height: 90 };
      let frame = 0;
      const timer = setInterval(() => {
        // More than it takes: some always wait.
        for (let i = 0; i < 4; i++) {
          s.fill(all, ++frame * 0x050301);
          s.send(frame, [all]);
        }
      }, 4);
      Object.assign(s, { stop: () => clearInterval(timer) });
    });
    const painted = () =>
      inPage(page, (s) => s.told.filter((line) => line.endsWith("painted")).length);
    const before = await painted();
    const keys = Array.from("abcdefghijklmnopqrstuvwxyz");
    for (const key of keys) await page.keyboard.press(`Key${key.toUpperCase()}`);
    assert.ok(await painted() > before + 20, "pictures were painted meanwhile");
    await inPage(page, (s) => (s as Surfaces & { stop(): void }).stop());
    // HID usages of the letters begin at 4.
    const usages = keys.map((_, i) => (i + 4).toString(16));
    const wanted = usages.flatMap((usage, i) => {
      const keysym = keys[i].charCodeAt(0).toString(16);
      return ["down", "up"].map((way) => `key ${way} ${usage} ${keysym}`);
    });
    assert.deepEqual(await inputs(page), wanted);
    assert.deepEqual(open.log, []);
  },
);

e2eTest("input: an input method's finished text arrives as a whole", async () => {
  await using open = await openSurfaces();
  const { page, cdp } = open;
  await page.locator("#stage").focus();
  await cdp.send("Input.imeSetComposition", { text: "に", selectionStart: 1, selectionEnd: 1 });
  await cdp.send("Input.imeSetComposition", { text: "にほ", selectionStart: 2, selectionEnd: 2 });
  assert.deepEqual(await inputs(page), []);
  await cdp.send("Input.insertText", { text: "日本" });
  assert.deepEqual(await inputs(page), ["text 日本"]);
  await page.keyboard.insertText("ü");
  assert.deepEqual(await inputs(page), ["text ü"]);
});

e2eTest("input: a tap clicks, a finger drags, two fingers scroll", async () => {
  await using open = await openSurfaces({ touch: true });
  const { page, cdp } = open;
  const { x, y } = (await page.locator("#canvas").boundingBox())!;
  const touch = async (
    type: "touchStart" | "touchMove" | "touchEnd",
    ...points: readonly (readonly [id: number, dx: number, dy: number])[]
  ) => {
    const touchPoints = points.map(([id, dx, dy]) => ({ id, x: x + dx, y: y + dy }));
    await cdp.send("Input.dispatchTouchEvent", { type, touchPoints });
  };
  await touch("touchStart", [1, 20, 40]);
  await touch("touchEnd");
  assert.deepEqual(await inputs(page), ["move 5,10", "down 1 5,10", "up 1 5,10"]);
  await touch("touchStart", [1, 20, 40]);
  await touch("touchMove", [1, 60, 40]);
  await touch("touchEnd");
  const drag = await inputs(page);
  assert.deepEqual([drag[1], drag.at(-1)], ["down 1 5,10", "up 1 15,10"]);
  await touch("touchStart", [1, 100, 200], [2, 200, 200]);
  await touch("touchMove", [1, 100, 100], [2, 200, 100]);
  await touch("touchEnd");
  const scrolled = await inputs(page);
  assert.ok(scrolled.some((m) => m.startsWith("wheel 0,")), scrolled.join());
  assert.ok(!scrolled.some((m) => m.startsWith("down")), scrolled.join());
});

e2eTest("cursor: a CSS cursor while controlling, an overlay where it is otherwise", async () => {
  await using open = await openSurfaces();
  const { page } = open;
  const looks = await inPage(page, (s) => {
    s.setControls(true);
    s.cursor(16, 16);
    const controlling = s.cursorLooks();
    s.setControls(false);
    const viewing = s.cursorLooks();
    s.setControls(true);
    s.cursor(0, 0);
    return { controlling, viewing, none: s.cursorLooks() };
  });
  assert.deepEqual(looks, {
    controlling: { css: "url() 1 2, default", overlay: "" },
    viewing: { css: "", overlay: "translate(396px, 192px) scale(4)" },
    none: { css: "none", overlay: "" },
  });
  assert.deepEqual(open.log, []);
});
