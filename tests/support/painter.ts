/**
 * A plain X client for tests and benchmarks, run as a process of its own:
 *
 *   deno run -A tests/support/painter.ts MODE [--display :N] [--key value …]
 *
 * It prints one JSON object per line; the first is {"ready":true,"width","height"}. Modes:
 *   clock   [--hz 30] [--rects 0] [--seed 1] [--area WxH] paints the time (clock_cells.ts) at the
 *           top left, and with --rects N that many random rectangles in the same frame
 *   random  [--seed 1] [--count 1000] [--batch 50] [--hz 60] random drawing, then {"done":count}
 *   film    --file F --area WxH+X+Y [--hz 30] shows raw bgr0 pictures in a window, again and again;
 *           the clock is painted over it when it stands at the top left
 *   window  [--area 640x400] [--flash] a focused window that prints the keys, buttons and motion it gets
 *           and with --flash changes its colour at each key press
 *   solid   [--colour ff0000] fills the screen
 *
 * Commands on standard input, one a line: `stop` and `go` (clock), `solid RRGGBB`,
 * `random SEED COUNT`, `rect X Y W H RRGGBB`, `sync`, `quit`. Each is answered by {"done":…} once
 * the X server has carried it out.
 */
import { parseArgs } from "node:util";
import { CELL_PX, clockCells } from "./clock_cells.ts";
import { openX, type XClient } from "./x11.ts";
import { Film } from "./painter_film.ts";
import { runWindow } from "./painter_window.ts";
import { seededRandom } from "./random.ts";

const BLACK = 0n;
const WHITE = 0xffffffn;
/** Widest random rectangle; 300 of them cover about a third of a 1920×1080 screen. */
const MAX_RECT_PX = 64;
const RANDOM_TEXT = "The quick brown fox 0123456789 {}[]()<>";

const say = (value: unknown): void =>
  void Deno.stdout.writeSync(encode(`${JSON.stringify(value)}\n`));
const encode = (text: string) => new TextEncoder().encode(text);

/** Everything that draws on the root window. */
class Brush {
  readonly #gc: Deno.PointerValue;
  readonly #clockGc: Deno.PointerValue;
  readonly #clockPixmap: bigint;

  constructor(readonly client: XClient) {
    const { x, display, root } = client;
    this.#gc = x.XCreateGC(display, root, 0n, null);
    this.#clockGc = x.XCreateGC(display, root, 0n, null);
    x.XSetGraphicsExposures(display, this.#gc, 0);
    x.XSetGraphicsExposures(display, this.#clockGc, 0);
    const depth = x.XDefaultDepth(display, client.screen);
    this.#clockPixmap = x.XCreatePixmap(display, root, 40 * CELL_PX, CELL_PX, depth);
  }

  fill(colour: bigint, left: number, top: number, width: number, height: number): void {
    const { x, display, root } = this.client;
    x.XSetForeground(display, this.#gc, colour);
    x.XFillRectangle(display, root, this.#gc, left, top, width, height);
  }

  /** Paints in a pixmap first, so that no half-painted clock can be seen. */
  clock(timeMs: number, onto = this.client.root): void {
    const { x, display } = this.client;
    const pixmap = this.#clockPixmap;
    const cells = clockCells(timeMs);
    x.XSetForeground(display, this.#clockGc, BLACK);
    x.XFillRectangle(display, pixmap, this.#clockGc, 0, 0, cells.length * CELL_PX, CELL_PX);
    const white = cells.flatMap((on, i) => on ? [i * CELL_PX, 0, CELL_PX, CELL_PX] : []);
    x.XSetForeground(display, this.#clockGc, WHITE);
    const rectangles = new Int16Array(white);
    x.XFillRectangles(display, pixmap, this.#clockGc, rectangles, white.length / 4);
    const width = cells.length * CELL_PX;
    x.XCopyArea(display, pixmap, onto, this.#clockGc, 0, 0, width, CELL_PX, 0, 0);
  }

  rectangles(random: () => number, count: number, area: Area): void {
    // Below the clock, so that it stays readable.
    for (let i = 0; i < count; i++) {
      const width = 8 + Math.floor(random() * (MAX_RECT_PX - 8));
      const height = 8 + Math.floor(random() * (MAX_RECT_PX - 8));
      const left = Math.floor(random() * (area.width - width));
      const top = CELL_PX + Math.floor(random() * (area.height - height - CELL_PX));
      this.fill(colourOf(random), left, top, width, height);
    }
  }

  /** One random drawing operation anywhere on the screen. */
  operation(random: () => number, area: Area): void {
    const { x, display, root } = this.client;
    const left = Math.floor(random() * area.width);
    const top = Math.floor(random() * area.height);
    const width = 1 + Math.floor(random() * 200);
    const height = 1 + Math.floor(random() * 120);
    const kind = Math.floor(random() * 5);
    if (kind === 0) return this.fill(colourOf(random), left, top, width, height);
    x.XSetForeground(display, this.#gc, colourOf(random));
    const toX = Math.floor(random() * area.width);
    const toY = Math.floor(random() * area.height);
    if (kind === 1) x.XDrawLine(display, root, this.#gc, left, top, toX, toY);
    else if (kind === 2) {
      const text = encode(RANDOM_TEXT.slice(Math.floor(random() * RANDOM_TEXT.length)));
      x.XDrawString(display, root, this.#gc, left, top, text, text.length);
    } else if (kind === 3) {
      x.XCopyArea(display, root, root, this.#gc, left, top, width, height, toX, toY);
    } else x.XDrawArc(display, root, this.#gc, left, top, width, height, 0, 360 * 64);
  }

  flush(): void {
    this.client.x.XFlush(this.client.display);
  }

  /** Waits until the X server has drawn everything. */
  sync(): void {
    this.client.x.XSync(this.client.display, 0);
  }
}

interface Area {
  readonly width: number;
  readonly height: number;
}

const colourOf = (random: () => number): bigint => BigInt(Math.floor(random() * 2 ** 24));

/** Calls `frame` at `hz` until it says false; a frame that comes late is not made up for. */
async function atRate(hz: number, frame: () => boolean): Promise<void> {
  let next = performance.now();
  while (frame()) {
    next = Math.max(next + 1000 / hz, performance.now());
    const wait = next - performance.now();
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

class Painter {
  readonly #brush: Brush;
  #running = true;
  #open = true;
  #wake: (() => void) | null = null;

  constructor(private readonly client: XClient, private readonly options: Options) {
    this.#brush = new Brush(client);
  }

  async clock(): Promise<void> {
    const { hz, rects, seed } = this.options;
    const area = this.options.area ?? this.client.size();
    const random = seededRandom(seed);
    let frames = 0;
    while (this.#open) {
      await atRate(hz, () => {
        if (!this.#running || !this.#open) return false;
        if (rects > 0) this.#brush.rectangles(random, rects, area);
        // Last, so that the time is that of the whole frame.
        this.#brush.clock(Date.now());
        this.#brush.flush();
        frames++;
        return true;
      });
      say({ stopped: frames });
      if (this.#open) await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async film(film: Film): Promise<void> {
    await atRate(this.options.hz, () => {
      if (!this.#running || !this.#open) return false;
      film.show();
      if (film.holdsClock) this.#brush.clock(Date.now(), film.window);
      this.#brush.flush();
      return true;
    });
    this.#brush.sync();
    say({ stopped: true });
  }

  async random(seed: number, count: number): Promise<void> {
    const random = seededRandom(seed);
    const area = this.client.size();
    let left = count;
    await atRate(this.options.hz, () => {
      for (let i = 0; i < this.options.batch && left > 0; i++, left--) {
        this.#brush.operation(random, area);
      }
      this.#brush.flush();
      return left > 0 && this.#open;
    });
    this.#brush.sync();
    say({ done: count, seed });
  }

  solid(colour: string): void {
    const { width, height } = this.client.size();
    this.#brush.fill(BigInt(`0x${colour}`), 0, 0, width, height);
    this.#brush.sync();
  }

  async command(line: string): Promise<void> {
    const [verb, ...args] = line.trim().split(/\s+/);
    const numbers = args.map(Number);
    if (verb === "random") return await this.random(numbers[0], numbers[1]);
    if (verb === "solid") this.solid(args[0]);
    else if (verb === "rect") {
      this.#brush.fill(BigInt(`0x${args[4]}`), numbers[0], numbers[1], numbers[2], numbers[3]);
      this.#brush.sync();
    } else if (verb === "sync") this.#brush.sync();
    else if (verb === "stop") this.#running = false;
    else if (verb === "go") this.#resume(true);
    else if (verb === "quit") this.close();
    else return say({ error: `Unknown command "${verb}"` });
    say({ done: verb });
  }

  close(): void {
    this.#open = false;
    this.#resume(false);
  }

  #resume(running: boolean): void {
    this.#running = running;
    this.#wake?.();
    this.#wake = null;
  }
}

interface Options {
  readonly hz: number;
  readonly rects: number;
  readonly seed: number;
  readonly count: number;
  readonly batch: number;
  readonly area: (Area & { readonly left: number; readonly top: number }) | null;
  readonly colour: string;
}

async function commands(painter: Painter): Promise<void> {
  let rest = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") await painter.command(line);
  }
  painter.close();
}

/** `WxH` or `WxH+X+Y`. */
function parseArea(text: string | undefined): Options["area"] {
  if (text === undefined) return null;
  const [width, height, left = 0, top = 0] = text.split(/[x+]/).map(Number);
  return { width, height, left, top };
}

function filmOf(client: XClient, { area }: Options, file: string | undefined): Film {
  if (area === null || file === undefined) throw new Error("film needs --file and --area");
  return new Film(client, file, area);
}

async function main(): Promise<void> {
  const string = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      ...{ display: string, hz: string, rects: string, seed: string, count: string },
      ...{ batch: string, area: string, colour: string, file: string },
      flash: { type: "boolean" },
    },
  });
  const mode = positionals[0] ?? "clock";
  const options: Options = {
    hz: Number(values.hz ?? (mode === "random" ? 60 : 30)),
    rects: Number(values.rects ?? 0),
    seed: Number(values.seed ?? 1),
    count: Number(values.count ?? 1000),
    batch: Number(values.batch ?? 50),
    area: parseArea(values.area),
    colour: values.colour ?? "ff0000",
  };
  using client = openX(values.display ?? Deno.env.get("DISPLAY") ?? "");
  if (mode === "window") {
    const area = options.area ?? { width: 640, height: 400 };
    return await runWindow(client, { ...area, flash: values.flash === true }, say);
  }
  const painter = new Painter(client, options);
  const film = mode === "film" ? filmOf(client, options, values.file) : null;
  if (mode === "solid") painter.solid(options.colour);
  say({ ready: true, ...client.size() });
  const input = commands(painter);
  if (mode === "clock") await painter.clock();
  else if (film !== null) await painter.film(film);
  else if (mode === "random") await painter.random(options.seed, options.count);
  else if (mode !== "solid") throw new Error(`Unknown mode "${mode}"`);
  await input;
}

if (import.meta.main) {
  await main();
  Deno.exit(0);
}
