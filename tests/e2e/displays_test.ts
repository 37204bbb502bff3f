/// <reference lib="dom" />
/** Several displays: each one and all of them in the console, as they are plugged, turned, removed. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { launchChromium } from "../support/chromium.ts";
import {
  type ConsolePage,
  openConsole,
  readScreen,
  toPagePoint,
  waitFor,
  waitForTransport,
} from "../support/console_page.ts";
import {
  chooseTransport,
  e2eTest,
  securityEvents,
  waitForExactPicture,
  withEvents,
} from "../support/e2e.ts";
import { poll } from "../support/process.ts";
import {
  startAgent,
  startPainter,
  startServer,
  type TestAgent,
  type TestServer,
} from "../support/stack.ts";
import { startXephyr, xrandr } from "../support/xephyr.ts";
import { startXorgDummy, type XorgDummy } from "../support/xorg_dummy.ts";

const SIZE = { width: 800, height: 600 };
/** 0xRRGGBB. */
const SECOND_SYNTHETIC = 0x4a2f5c;
const COLOURS = { left: 0x205080, right: 0xa06020 } as const;

/** Counts what would be a reconnection. */
function countPeers(): void {
  const Peer = RTCPeerConnection;
  const counted = globalThis as typeof globalThis & { peers?: number };
  counted.peers = 0;
  globalThis.RTCPeerConnection = class extends Peer {
    constructor(...args: ConstructorParameters<typeof RTCPeerConnection>) {
      super(...args);
      counted.peers = (counted.peers ?? 0) + 1;
    }
  };
}
const peersOf = (page: Page) =>
  page.evaluate(() => (globalThis as typeof globalThis & { peers?: number }).peers);

/** Notes every colour that the middle of the picture has, whatever surface shows it. */
function watchMiddle(): void {
  const watched = globalThis as typeof globalThis & { middles?: string[] };
  watched.middles = [];
  const canvas = new OffscreenCanvas(1, 1);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const look = () => {
    context.clearRect(0, 0, 1, 1);
    for (const id of ["screen-video", "screen-canvas"]) {
      const screen = document.querySelector<HTMLVideoElement & HTMLCanvasElement>(
        `[data-testid="${id}"]`,
      );
      if (screen === null || screen.hidden) continue;
      const width = id === "screen-video" ? screen.videoWidth : screen.width;
      const height = id === "screen-video" ? screen.videoHeight : screen.height;
      if (width === 0 || height === 0) continue;
      context.drawImage(screen, width / 2 - 20, height / 2, 1, 1, 0, 0, 1, 1);
    }
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    const colour = a === 0 ? "nothing" : `${r},${g},${b}`;
    const { middles = [] } = watched;
    if (middles.at(-1) !== colour) middles.push(colour);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

const near = (colour: string, wanted: number): boolean => {
  const parts = colour.split(",").map(Number);
  return [16, 8, 0].every((shift, i) => Math.abs(parts[i] - (wanted >> shift & 255)) <= 12);
};

async function waitForPicture(
  page: Page,
  wanted: { readonly width: number; readonly height: number; readonly colours: readonly number[] },
): Promise<void> {
  const { width, height, colours } = wanted;
  let seen = "";
  const look = async () => {
    const picture = await readScreen(page);
    const at = colours.map((_, i) => {
      const x = Math.floor((i + 0.5) * picture.width / colours.length);
      const from = (Math.floor(picture.height / 2) * picture.width + x) * 4;
      return picture.rgba.subarray(from, from + 3).join();
    });
    seen = `${picture.width}×${picture.height} ${at.join(" ")}`;
    return picture.width === width && picture.height === height &&
        at.every((colour, i) => near(colour, colours[i]))
      ? true
      : null;
  };
  try {
    await poll("a picture", 15_000, look);
  } catch (cause) {
    const hex = colours.map((colour) => colour.toString(16)).join(" ");
    throw new Error(`Not ${width}×${height} of ${hex}, but ${seen}`, { cause });
  }
}

async function waitForDisplay(page: Page, id: string): Promise<void> {
  await waitFor(
    page,
    `display "${id}"`,
    (wanted) =>
      document.querySelector<HTMLElement>('[data-testid="hud-display"]')?.dataset.value ===
        wanted && document.querySelector('[data-testid="display-switching"]') === null,
    id,
  );
}

async function pick(page: Page, id: string): Promise<void> {
  await page.getByTestId("displays").click();
  await page.getByTestId(`display-${id}`).click();
  await waitForDisplay(page, id);
}

/** Warps it, which is no motion: it is noticed with the next picture. */
async function movePointer({ display, fill }: Desk, x: number, y: number): Promise<void> {
  const { success } = await new Deno.Command("xdotool", {
    args: ["mousemove", String(x), String(y)],
    env: { DISPLAY: display },
  }).output();
  assert.ok(success);
  await fill("0 0 8 8 206090");
  await fill("0 0 8 8 205080");
}

async function pointerOn(display: string): Promise<string> {
  const { stdout } = await new Deno.Command("xdotool", {
    args: ["getmouselocation"],
    env: { DISPLAY: display },
  }).output();
  const [, x, y] = /x:(\d+) y:(\d+)/.exec(new TextDecoder().decode(stdout)) ?? [];
  return `${x},${y}`;
}

const both = { width: 1600, height: 600, colours: [COLOURS.left, COLOURS.right] };
const left = { ...SIZE, colours: [COLOURS.left] };
const right = { ...SIZE, colours: [COLOURS.right] };

/** A browser without WebRTC. */
function noPeers(): void {
  Reflect.deleteProperty(globalThis, "RTCPeerConnection");
}

interface Desk extends AsyncDisposable {
  readonly display: string;
  readonly xorg: XorgDummy;
  /** Fills a rectangle, `X Y W H RRGGBB`. */
  fill(rect: string): Promise<unknown>;
  /** The X screen, or another desktop of the same server. */
  open(init: () => void, desktopId?: string): Promise<ConsolePage>;
  /** An agent with two displays that shows those of them that `shared` says. */
  startSynthetic(shared: string): Promise<TestAgent>;
  readonly server: TestServer;
}

/** Two displays of the same size, each in its own colour. */
async function startDesk(): Promise<Desk> {
  await using stack = new AsyncDisposableStack();
  const xorg = stack.use(await startXorgDummy("800x600"));
  await xorg.plug("DUMMY1", "800x600", { rightOf: "DUMMY0" });
  const { display } = xorg;
  const server = stack.use(await startServer(withEvents("ocsf")));
  const agent = stack.use(await startAgent({ server, capture: "x11", display, hybrid: true }));
  const painter = stack.use(await startPainter("solid", { display, args: ["--colour", "205080"] }));
  const browser = stack.use(await launchChromium());
  const owned = stack.move();
  return {
    display,
    xorg,
    server,
    fill: (rect) => painter.ask(`rect ${rect}`, /"done"/),
    open: async (init, desktopId = agent.desktopId) => {
      const consoleUrl = await server.freshLink();
      return await openConsole(browser, { consoleUrl, connect: desktopId, init });
    },
    startSynthetic: (shared) =>
      startAgent({
        server,
        capture: "synthetic",
        flags: ["--capture-synthetic-displays", "2", "--displays-shared", shared],
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Changes of the display in the `nth` session of the server, once there are so many. */
const changesOf = ({ server }: Desk, nth: number, least: number) =>
  poll(`${least} changes of display in session ${nth}`, 10_000, async () => {
    const events = await securityEvents(server);
    const of = (code: string) => events.filter((event) => event["metadata.event_code"] === code);
    const id = of("session-started")[nth]?.["unmapped.session_id"];
    const changes = of("display-changed").filter((event) => event["unmapped.session_id"] === id);
    return changes.length < least
      ? null
      : changes.map((event) =>
        `${event["unmapped.detail_from"]}→${event["unmapped.detail_to"]} ${event.status_code} by ${
          event["actor.user.type"]
        }`
      );
  });

/** Both, then each from the menu: the last picture stays until the next one is there. */
async function switchDisplays(page: Page): Promise<void> {
  await waitForPicture(page, both);
  await page.evaluate(watchMiddle);
  for (const [id, picture] of [["DUMMY1", right], ["DUMMY0", left], ["DUMMY1", right]] as const) {
    await pick(page, id);
    await waitForPicture(page, picture);
  }
  const middles = await page.evaluate(() =>
    (globalThis as typeof globalThis & { middles?: string[] }).middles ?? []
  );
  const dark = (one: string) => one.split(",").every((part) => Number(part) < 24);
  const black = middles.filter((one) => one === "nothing" || dark(one));
  assert.deepEqual(black, [], middles.join(" "));
}

e2eTest(
  "two displays: each and both, by every transport; clicks, keys, and one that is removed",
  async (t) => {
    await using desk = await startDesk();
    await desk.fill("800 0 800 600 a06020");
    await using opened = await desk.open(countPeers);
    const { page } = opened;
    await waitForTransport(page, "hybrid");

    await t.step("hybrid: from one to the other without a black picture", async () => {
      await switchDisplays(page);
    });

    await t.step("a click lands on the display that is shown", async () => {
      const at = await toPagePoint(page, 100, 50);
      await page.mouse.click(at.x, at.y);
      await poll("the pointer", 5_000, async () => {
        const [x, y] = (await pointerOn(desk.display)).split(",").map(Number);
        return Math.abs(x - 900) <= 2 && Math.abs(y - 50) <= 2 ? true : null;
      });
    });

    await t.step("keys choose a display, too", async () => {
      await page.getByTestId("stage").focus();
      for (const [key, id] of [["Digit0", "all"], ["KeyD", "DUMMY0"], ["KeyD", "DUMMY1"]]) {
        await page.keyboard.press(`Control+Alt+Shift+${key}`);
        await waitForDisplay(page, id);
      }
    });

    await t.step("rtp: the same", async () => {
      await chooseTransport(page, "video");
      await waitForTransport(page, "rtp");
      await pick(page, "all");
      await switchDisplays(page);
      await chooseTransport(page, "auto");
      await waitForTransport(page, "hybrid");
    });

    await t.step("the choice is remembered for the desktop", async () => {
      await page.getByTestId("disconnect").click();
      await page.getByRole("button", { name: /^Connect/ }).first().click();
      await waitForTransport(page, "hybrid");
      await waitForDisplay(page, "DUMMY1");
      await waitForPicture(page, right);
    });

    await t.step("diff-ws, in another console that watches the other display", async () => {
      await using second = await desk.open(noPeers);
      await waitForTransport(second.page, "diff-ws");
      await switchDisplays(second.page);
      await pick(second.page, "DUMMY0");
      await desk.fill("0 0 800 600 a06020");
      await waitForPicture(second.page, right);
      await desk.fill("0 0 800 600 205080");
      await waitForPicture(second.page, left);
      await waitForPicture(page, right);
      // The cursor is drawn on the display that it is on, and on no other.
      await second.page.getByTestId("view-only").click();
      await movePointer(desk, 400, 300);
      await second.page.getByTestId("screen-cursor").waitFor({ state: "visible" });
      await poll("the cursor in the middle of the picture", 5_000, async () => {
        const [cursor, stage] = await Promise.all(
          ["screen-cursor", "stage"].map((id) => second.page.getByTestId(id).boundingBox()),
        );
        if (cursor === null || stage === null) return null;
        const away = Math.hypot(
          cursor.x - stage.x - stage.width / 2,
          cursor.y - stage.y - stage.height / 2,
        );
        return away < 40 ? true : null;
      });
      await movePointer(desk, 1_000, 100);
      await second.page.getByTestId("screen-cursor").waitFor({ state: "hidden" });
    });

    await t.step(
      "who watches over sessions hears of each change, by whom and in which",
      async () => {
        const [direct] = await changesOf(desk, 0, 2);
        assert.equal(direct, "all→DUMMY1 operator-choice by User");
        // The second one began with the remembered choice; the third is the one by the relay.
        assert.deepEqual(await changesOf(desk, 1, 1), ["all→DUMMY1 operator-choice by User"]);
        assert.deepEqual(await changesOf(desk, 2, 4), [
          "all→DUMMY1 operator-choice by User",
          "DUMMY1→DUMMY0 operator-choice by User",
          "DUMMY0→DUMMY1 operator-choice by User",
          "DUMMY1→DUMMY0 operator-choice by User",
        ]);
      },
    );

    await t.step("a display that is not shared is in no choice and no picture", async () => {
      await using agent = await desk.startSynthetic("Synthetic 2");
      await using second = await desk.open(noPeers, agent.desktopId);
      await waitForTransport(second.page, "diff-ws");
      await waitForPicture(second.page, { width: 1280, height: 720, colours: [SECOND_SYNTHETIC] });
      assert.equal(await second.page.getByTestId("displays").count(), 0);
    });

    await t.step(
      "its display is removed and plugged in again: what is there is shown, and why",
      async () => {
        const before = await peersOf(page);
        await desk.xorg.unplug("DUMMY1");
        await page.getByTestId("notice").getByText("no longer connected").waitFor();
        assert.match(
          await page.getByTestId("hud-timeline").textContent() ?? "",
          /no longer connected/,
        );
        // The X server forgets what was drawn on a screen that it makes smaller.
        await desk.fill("0 0 800 600 205080");
        await waitForPicture(page, left);
        await page.getByTestId("displays").waitFor({ state: "detached" });
        await desk.xorg.plug("DUMMY1", "640x480", { rightOf: "DUMMY0" });
        await waitForDisplay(page, "all");
        await desk.fill("0 0 1440 600 205080");
        await waitForPicture(page, { width: 1440, height: 600, colours: [COLOURS.left] });
        await pick(page, "DUMMY1");
        await waitForPicture(page, { width: 640, height: 480, colours: [COLOURS.left] });
        await poll("the removal among the events", 10_000, async () => {
          const events = await securityEvents(desk.server);
          return events.some((event) =>
            event["metadata.event_code"] === "display-changed" &&
            event.status_code === "display-removed" && event["actor.user.type"] === "System" &&
            event["unmapped.detail_from"] === "DUMMY1" && event["unmapped.operator_id"]
          ) || null;
        });
        assert.equal(await peersOf(page), before);
      },
    );
  },
);

e2eTest("a display is turned: the picture follows, exact, without reconnecting", async () => {
  await using stack = new AsyncDisposableStack();
  const { display } = stack.use(await startXephyr({ width: 640, height: 480 }));
  const server = stack.use(await startServer());
  const agent = stack.use(await startAgent({ server, capture: "x11", display, hybrid: true }));
  const browser = stack.use(await launchChromium());
  const painter = stack.use(await startPainter("solid", { display, args: ["--colour", "205080"] }));
  const { consoleUrl } = server;
  const { page } = stack.use(
    await openConsole(browser, { consoleUrl, connect: agent.desktopId, init: countPeers }),
  );
  const turn = async (orientation: string, width: number) => {
    await xrandr(display, "--orientation", orientation);
    await painter.ask("rect 0 0 640 640 205080", /"done"/);
    await painter.ask("rect 30 40 200 100 a06020", /"done"/);
    await poll(
      `the picture turned ${orientation}`,
      10_000,
      async () => (await readScreen(page)).width === width ? true : null,
    );
  };
  await waitForTransport(page, "hybrid");
  for (const [orientation, width] of [["left", 480], ["normal", 640]] as const) {
    await turn(orientation, width);
    await waitForExactPicture(page, display);
  }
  await chooseTransport(page, "video");
  await waitForTransport(page, "rtp");
  await turn("right", 480);
  assert.equal(await peersOf(page), 1);
});

e2eTest("a display is plugged in while nobody watches: the next viewer has it", async () => {
  await using stack = new AsyncDisposableStack();
  const xorg = stack.use(await startXorgDummy("800x600"));
  const { display } = xorg;
  const server = stack.use(await startServer());
  const agent = stack.use(await startAgent({ server, capture: "x11", display, hybrid: true }));
  const browser = stack.use(await launchChromium());
  const painter = stack.use(await startPainter("solid", { display, args: ["--colour", "205080"] }));
  await xorg.plug("DUMMY1", "800x600", { rightOf: "DUMMY0" });
  // The X server forgets what was drawn on a screen of another size.
  await painter.ask("solid 205080", /"done"/);
  await painter.ask("rect 800 0 800 600 a06020", /"done"/);
  const { consoleUrl } = server;
  const { page } = stack.use(await openConsole(browser, { consoleUrl, connect: agent.desktopId }));
  await waitForTransport(page, "hybrid");
  await waitForPicture(page, both);
  await pick(page, "DUMMY1");
  await waitForPicture(page, right);
});
