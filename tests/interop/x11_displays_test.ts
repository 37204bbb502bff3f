/** The displays of real X servers: named monitors on Xvfb, outputs of Xorg, a turned Xephyr. */
import assert from "node:assert/strict";
import { ok } from "@farglass/protocol";
import type { Display } from "../../agent/core/displays.ts";
import { XConnection } from "../../agent/adapters/x11/connection.ts";
import { loadX11Libraries } from "../../agent/adapters/x11/libraries.ts";
import { DisplayReader } from "../../agent/adapters/x11/monitors.ts";
import { poll } from "../support/process.ts";
import { watchDesktop } from "../support/x11_desktop.ts";
import { startXephyr, xrandr } from "../support/xephyr.ts";
import { startXorgDummy } from "../support/xorg_dummy.ts";
import { startXvfb } from "../support/xvfb.ts";

const told = (displays: readonly Display[]) =>
  displays.map(({ name, x, y, width, height, primary, rotation }) =>
    `${name} ${width}x${height}+${x}+${y}${primary ? " primary" : ""}${
      rotation === 0 ? "" : ` turned ${rotation}`
    }`
  );

Deno.test("Xvfb: one screen; monitors that are named and removed are followed without polling", async () => {
  await using xvfb = await startXvfb({ width: 1280, height: 720 });
  await using watched = await watchDesktop(xvfb.display);
  const { capture } = watched.desktop;
  assert.deepEqual(told(capture.displays), ["screen 1280x720+0+0"]);
  const frames = watched.frames.length;
  await xrandr(xvfb.display, "--setmonitor", "LEFT", "640/160x720/180+0+0", "screen");
  await xrandr(xvfb.display, "--setmonitor", "*RIGHT", "640/160x720/180+640+0", "none");
  const both = ["LEFT 640x720+0+0", "RIGHT 640x720+640+0 primary"];
  await watched.until(
    () => told(watched.displays.at(-1) ?? []).sort().join() === both.join(),
    "list of two displays",
  );
  await xrandr(xvfb.display, "--delmonitor", "RIGHT");
  await watched.until(() => watched.displays.at(-1)?.length === 1, "list of one display");
  assert.deepEqual(told(capture.displays), ["LEFT 640x720+0+0"]);
  // Nothing was drawn: a display's name alone is no new picture of the screen.
  assert.equal(watched.frames.length, frames);
});

Deno.test("Xvfb: a resize that comes while displays are read is not slept over", async () => {
  await using xvfb = await startXvfb({ width: 640, height: 480 });
  let meanwhile: (() => void) | null = null;
  /** Frames there were when the pointer was asked for last. */
  let askedAfter = 0;
  const load = () => {
    const loaded = loadX11Libraries();
    if (!loaded.ok) return loaded;
    const { randr, x } = loaded.value;
    assert.ok(randr !== null && randr.XRRGetMonitors !== null);
    const { XRRGetMonitors } = randr;
    const { XQueryPointer } = x;
    const asked: typeof XQueryPointer = (...args) => {
      askedAfter = frames();
      return XQueryPointer(...args);
    };
    const between: typeof XRRGetMonitors = (...args) => {
      meanwhile?.();
      meanwhile = null;
      return XRRGetMonitors(...args);
    };
    return ok({
      ...loaded.value,
      randr: { ...randr, XRRGetMonitors: between },
      x: { ...x, XQueryPointer: asked },
    });
  };
  let frames = () => 0;
  await using watched = await watchDesktop(xvfb.display, { load });
  frames = () => watched.frames.length;
  await xvfb.resize({ width: 320, height: 240 });
  await watched.until(() => watched.frames.at(-1)?.width === 320, "first resize");
  // After each frame the pointer is asked for once; then nothing is waited for but X.
  await poll("a capture that sleeps", 5_000, () => askedAfter === frames() || null);
  meanwhile = () =>
    new Deno.Command("xrandr", { args: ["--display", xvfb.display, "--size", "640x480"] })
      .outputSync();
  await xrandr(xvfb.display, "--setmonitor", "LEFT", "160/80x240/60+0+0", "screen");
  await watched.until(() => watched.frames.at(-1)?.width === 640, "second resize");
});

Deno.test("Xorg: an output is plugged in, gets another mode, and is unplugged", async () => {
  await using xorg = await startXorgDummy("1024x768");
  await using watched = await watchDesktop(xorg.display);
  const lists = () => told(watched.displays.at(-1) ?? []).join(", ");
  const size = () => `${watched.frames.at(-1)?.width}x${watched.frames.at(-1)?.height}`;
  await xorg.plug("DUMMY1", "800x600", { rightOf: "DUMMY0" });
  await watched.until(
    () => lists() === "DUMMY0 1024x768+0+0 primary, DUMMY1 800x600+1024+0",
    "second output",
  );
  await watched.until(() => size() === "1824x768", "picture of both");
  await xorg.plug("DUMMY1", "640x480", { rightOf: "DUMMY0" });
  await watched.until(() => lists().endsWith("DUMMY1 640x480+1024+0"), "other mode");
  await xorg.unplug("DUMMY1");
  await watched.until(() => lists() === "DUMMY0 1024x768+0+0 primary", "end of the second output");
  await watched.until(() => size() === "1024x768", "picture of the first");
});

Deno.test("Xephyr: a screen that is turned has the other size and says so, in one capture", async () => {
  await using xephyr = await startXephyr({ width: 640, height: 480 });
  await using watched = await watchDesktop(xephyr.display);
  await xrandr(xephyr.display, "--orientation", "left");
  await watched.until(
    () => told(watched.displays.at(-1) ?? []).join() === "default 480x640+0+0 turned 270",
    "turned display",
  );
  await watched.until(() => watched.frames.at(-1)?.width === 480, "turned picture");
  assert.deepEqual(watched.faults, []);
});

Deno.test("Xorg with a libXrandr of before 1.5: outputs instead of monitors", async () => {
  await using xorg = await startXorgDummy("1024x768");
  await xorg.plug("DUMMY1", "800x600", { rightOf: "DUMMY0" });
  const loaded = loadX11Libraries();
  assert.ok(loaded.ok && loaded.value.randr !== null);
  const { randr } = loaded.value;
  const old = { ...loaded.value, randr: { ...randr, XRRGetMonitors: null } };
  const connection = XConnection.open(old, xorg.display);
  assert.ok(connection !== null);
  assert.deepEqual(told(new DisplayReader(old, connection).read()), [
    "DUMMY0 1024x768+0+0 primary",
    "DUMMY1 800x600+1024+0",
  ]);
  connection.close();
  loaded.value.close();
});

Deno.test("Xvfb with Xinerama and without RandR: its screens, where the server says they are", async () => {
  await using xvfb = await startXvfb({
    width: 800,
    height: 600,
    extra: ["-screen", "1", "640x480x24", "+xinerama", "-extension", "RANDR"],
  });
  await using watched = await watchDesktop(xvfb.display);
  assert.deepEqual(told(watched.desktop.capture.displays), [
    "Screen 0 800x600+0+0 primary",
    "Screen 1 640x480+0+0",
  ]);
});
