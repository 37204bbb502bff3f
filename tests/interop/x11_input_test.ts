/** X11 input as real X clients receive it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { InputMessage } from "@farglass/protocol";
import type { InputSink } from "../../agent/core/ports.ts";
import { openX11 } from "../../agent/adapters/x11/open_x11.ts";
import { type SpawnedProcess, spawnProcess } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";
import { openX } from "../support/x11.ts";
import { bounded } from "../support/x11_desktop.ts";
import { startXvfb, type Xvfb } from "../support/xvfb.ts";

interface Hands extends AsyncDisposable {
  readonly input: InputSink;
}

async function openInput(display: string): Promise<Hands> {
  const opened = await openX11({ display, maxFps: 30 });
  if (!opened.ok) throw new Error(opened.error.message);
  const { capture, input } = opened.value;
  return {
    input,
    async [Symbol.asyncDispose]() {
      input.close();
      await capture.close();
    },
  };
}

const text = (value: string): InputMessage => ({
  kind: "text",
  codePoints: [...value].map((c) => c.codePointAt(0) ?? 0),
});
const key = (down: boolean, keysym: number, usage = 0): InputMessage => ({
  kind: "key",
  usage,
  keysym,
  down,
});
const button = (down: boolean, number: number, x = 100, y = 90): InputMessage => ({
  kind: "button",
  seq: 0,
  x,
  y,
  button: number,
  down,
});

interface KeyEvent {
  readonly down: boolean;
  readonly keycode: number;
  readonly keysym: number;
  readonly text: string;
  readonly state: number;
}

/** The key events that a window got so far. */
const keyEvents = (painter: SpawnedProcess): KeyEvent[] =>
  painter.stdoutLines.filter((line) => line.includes('"event":"key"')).map((line) =>
    JSON.parse(line)
  );
const typedText = (painter: SpawnedProcess): string =>
  keyEvents(painter).filter((event) => event.down).map((event) => event.text).join("");

/** Types a mark and waits for it: everything before it has arrived then. */
async function settle(painter: SpawnedProcess, input: InputSink): Promise<void> {
  const from = painter.mark();
  input.play(key(true, 0xffc6)); // F9
  input.play(key(false, 0xffc6));
  await painter.waitForLine(/"event":"key","down":false.*"keysym":65478,/, 20_000, from);
}

async function setLayout(display: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("setxkbmap", {
    args: ["-display", display, ...args],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** Keycodes and pointer buttons that the server says are down. */
function pressed(display: string): { readonly keys: number[]; readonly buttons: number } {
  const library = Deno.dlopen("libX11.so.6", {
    XQueryKeymap: { parameters: ["pointer", "buffer"], result: "i32" },
    XQueryPointer: {
      parameters: [
        ...["pointer", "u64", "buffer", "buffer", "buffer"] as const,
        ...["buffer", "buffer", "buffer", "buffer"] as const,
      ],
      result: "i32",
    },
  });
  try {
    using client = openX(display);
    const bits = new Uint8Array(32);
    library.symbols.XQueryKeymap(client.display, bits);
    const keys: number[] = [];
    for (let code = 0; code < 256; code++) if (bits[code >> 3] & (1 << (code & 7))) keys.push(code);
    const out = Array.from({ length: 7 }, () => new Uint8Array(8));
    const [a, b, c, d, e, f, mask] = out;
    library.symbols.XQueryPointer(client.display, client.root, a, b, c, d, e, f, mask);
    return { keys, buttons: new DataView(mask.buffer).getUint32(0, true) & 0x1f00 };
  } finally {
    library.close();
  }
}

const HELLO = "Hello, Wörld €ß あ";

Deno.test("X11 input: any text reaches a painter, also what its keyboard does not have", async () => {
  await using xvfb = await startXvfb({ width: 800, height: 600 });
  await using painter = await startPainter("window", { display: xvfb.display });
  await using hands = await openInput(xvfb.display);
  hands.input.play(text(HELLO));
  await settle(painter, hands.input);
  assert.equal(typedText(painter), HELLO);
});

/** An xterm whose shell writes what is typed into a file. */
async function typeIntoXterm(xvfb: Xvfb, value: string): Promise<string> {
  const folder = await Deno.makeTempDir();
  const file = join(folder, "typed");
  const done = join(folder, "done");
  try {
    await using xterm = spawnProcess({
      name: "xterm",
      command: "xterm",
      args: [
        ...["-display", xvfb.display, "-u8", "-geometry", "80x20+0+0", "-e", "sh", "-c"],
        `printf '\\033]0;ready\\007'; cat > ${file}; mv ${file} ${done}`,
      ],
      env: { LC_ALL: "C.UTF-8" },
    });
    await windowTitled(xvfb.display, "ready");
    await using hands = await openInput(xvfb.display);
    hands.input.play({ kind: "move", seq: 1, x: 100, y: 100 });
    hands.input.play(text(value + "\n"));
    hands.input.play(key(true, 0xffe3));
    hands.input.play(key(true, 0x64)); // Control-D
    hands.input.play(key(false, 0x64));
    hands.input.play(key(false, 0xffe3));
    await bounded(xterm.exited, "end of xterm");
    return await Deno.readTextFile(done);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Waits until a window has this title, as xdotool sees it. */
async function windowTitled(display: string, title: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("xdotool", {
    args: ["search", "--sync", "--onlyvisible", "--name", `^${title}$`],
    env: { DISPLAY: display },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

Deno.test("X11 input: text and Control-D in a real xterm", async () => {
  await using xvfb = await startXvfb({ width: 800, height: 600 });
  assert.equal(await typeIntoXterm(xvfb, HELLO), `${HELLO}\n`);
});

Deno.test("X11 input: more foreign characters than there are spare keys arrive in order", async () => {
  await using xvfb = await startXvfb({ width: 800, height: 600 });
  const many = String.fromCodePoint(...Array.from({ length: 70 }, (_, i) => 0x4e00 + i * 7));
  assert.equal(await typeIntoXterm(xvfb, many), `${many}\n`);
});

Deno.test("X11 input: the server's layout does not matter, not even when it changes", async () => {
  await using xvfb = await startXvfb({ width: 800, height: 600 });
  await setLayout(xvfb.display, "de");
  await using painter = await startPainter("window", { display: xvfb.display });
  await using hands = await openInput(xvfb.display);
  const sample = 'yz@€ß"Ä{}~^';
  for (const layout of ["de", "us", "fr", "us,ru"]) {
    await setLayout(xvfb.display, layout);
    const before = typedText(painter).length;
    hands.input.play(text(sample));
    await settle(painter, hands.input);
    assert.equal(typedText(painter).slice(before), sample, layout);
  }
  const before = typedText(painter).length;
  hands.input.play(text("жя a"));
  await settle(painter, hands.input);
  assert.equal(typedText(painter).slice(before), "жя a", "both groups");
});

Deno.test("X11 input: keys by keysym under modifiers, by usage, and up where they went down", async () => {
  await using xvfb = await startXvfb({ width: 800, height: 600 });
  await using painter = await startPainter("window", { display: xvfb.display });
  await using hands = await openInput(xvfb.display);
  const shift = 0xffe1;
  const control = 0xffe3;
  const play = (...inputs: InputMessage[]) => inputs.forEach((i) => hands.input.play(i));
  // Shift goes up before the letter: the letter's up names another keysym, by the same key.
  play(key(true, shift), key(true, 0x41, 0x04), key(false, shift), key(false, 0x61, 0x04));
  // The same without a physical key.
  play(key(true, shift), key(true, 0x42), key(false, shift), key(false, 0x62));
  // A German operator's @: AltGr (the physical key), then @.
  play(key(true, 0xfe03, 0xe6), key(true, 0x40, 0x14), key(false, 0x40, 0x14));
  play(key(false, 0xfe03, 0xe6));
  // A shortcut, a function key with Shift, a key without a keysym, a repeated down.
  play(key(true, control), key(true, 0x63), key(false, 0x63), key(false, control));
  play(key(true, shift), key(true, 0xff09), key(false, 0xff09), key(false, shift));
  play(key(true, 0, 0x1d), key(true, 0, 0x1d), key(false, 0, 0x1d), key(false, 0, 0x1d));
  await settle(painter, hands.input);
  const isModifier = (event: KeyEvent) =>
    (event.keysym >= 0xffe1 && event.keysym <= 0xffee) ||
    event.keysym === 0xfe03;
  const events = keyEvents(painter).filter((event) => !isModifier(event)).slice(0, -2);
  const rows = events.map(({ down, keysym, text, state }) => [down, down ? keysym : text, state]);
  assert.deepEqual(rows, [
    [true, 0x41, 1],
    [false, "a", 0],
    [true, 0x42, 1],
    [false, "b", 0],
    [true, 0x40, 1],
    [false, "2", 0x80],
    [true, 0x63, 4],
    [false, "c", 4],
    [true, 0xfe20, 1], // Shift-Tab: ISO_Left_Tab
    [false, "", 1],
    [true, 0x7a, 0],
    [false, "z", 0],
  ]);
  const codes = events.map((event) => event.keycode);
  for (let i = 0; i < codes.length; i += 2) assert.equal(codes[i], codes[i + 1]);
  assert.deepEqual(pressed(xvfb.display), { keys: [], buttons: 0 });
});

Deno.test("X11 input: five buttons and the wheel in both axes", async () => {
  await using xvfb = await startXvfb({ width: 800, height: 600 });
  await using painter = await startPainter("window", { display: xvfb.display });
  await using hands = await openInput(xvfb.display);
  for (const number of [1, 2, 3, 4, 5]) {
    hands.input.play(button(true, number));
    hands.input.play(button(false, number));
  }
  const wheel = (dx: number, dy: number): InputMessage => ({
    ...{ kind: "wheel", seq: 0, x: 120, y: 130, dx, dy },
  });
  for (const [dx, dy] of [[0, 120], [0, -120], [-120, 0], [120, 0], [0, 60], [0, 60], [0, 240]]) {
    hands.input.play(wheel(dx, dy));
  }
  await settle(painter, hands.input);
  const events = painter.stdoutLines.filter((line) => line.includes('"event":"button"')).map((
    line,
  ) => JSON.parse(line));
  assert.deepEqual(
    events.filter((event) => event.down).map((event) => event.button),
    [1, 2, 3, 8, 9, 5, 4, 6, 7, 5, 5, 5],
  );
  assert.equal(events.length, 24);
  // The window stands at 40,40.
  assert.deepEqual([events[0].x, events[0].y], [60, 50]);
  assert.deepEqual([events.at(-1).x, events.at(-1).y], [80, 90]);
});

Deno.test("X11 input: releaseAll and close leave nothing pressed and nothing remapped", async () => {
  await using xvfb = await startXvfb({ width: 800, height: 600 });
  const keymap = async () => {
    const { stdout } = await new Deno.Command("xmodmap", {
      args: ["-display", xvfb.display, "-pke"],
    }).output();
    return new TextDecoder().decode(stdout);
  };
  const before = await keymap();
  {
    await using hands = await openInput(xvfb.display);
    const hold = () => {
      hands.input.play(key(true, 0xffe1, 0xe1));
      hands.input.play(key(true, 0xffe9, 0xe2));
      hands.input.play(key(true, 0x41, 0x04));
      hands.input.play(key(true, 0x01003042, 0x05));
      hands.input.play(button(true, 1));
      hands.input.play(button(true, 3));
    };
    hold();
    const held = pressed(xvfb.display);
    assert.equal(held.keys.length, 4);
    assert.equal(held.buttons, 0x0500);
    hands.input.play({ kind: "release-all" });
    assert.deepEqual(pressed(xvfb.display), { keys: [], buttons: 0 });
    hands.input.play(text("いろは"));
    assert.notEqual(await keymap(), before);
    hold();
  }
  assert.deepEqual(pressed(xvfb.display), { keys: [], buttons: 0 });
  assert.equal(await keymap(), before);
});
