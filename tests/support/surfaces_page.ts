/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** Puts the console's canvas, input listener and cursor on a bare page, for a test to drive. */
import {
  BYTES_PER_PIXEL,
  decodeDiffAck,
  encodeDiff,
  hashPixels,
  type InputMessage,
  type Rect,
} from "@farglass/protocol";
import { CursorView } from "../../browser/adapters/cursor_view.ts";
import { DiffCanvas, type DiffCanvasEvents } from "../../browser/adapters/diff_canvas.ts";
import { type OpenUnpackPort, openUnpackWorker } from "../../browser/adapters/diff_unpacker.ts";
import { InputListener } from "../../browser/adapters/input_listener.ts";

/** The whole screen fits into one diff message. */
const WIDTH = 160;
const HEIGHT = 90;
const SOURCE = { via: "dc", peerId: 1 } as const;

function element<E extends HTMLElement>(id: string, type: { new (): E }): E {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page has no ${id}`);
  return found;
}

const stage = element("stage", HTMLDivElement);
const canvas = element("canvas", HTMLCanvasElement);
const overlay = element("cursor", HTMLCanvasElement);
for (const box of [stage, canvas]) {
  box.style.width = "640px";
  box.style.height = "360px";
}
stage.style.position = "relative";
stage.style.touchAction = "none";
overlay.style.position = "absolute";
overlay.style.left = overlay.style.top = "0";

const told: string[] = [];
const events: DiffCanvasEvents = {
  onAck: (_source, bytes) => {
    const ack = decodeDiffAck(bytes);
    told.push(ack.ok ? `ack ${ack.value.frame} ${ack.value.outcome}` : "bad ack");
  },
  onPainted: (epoch) => told.push(`painted ${epoch}`),
  onSize: (width, height) => told.push(`size ${width}x${height}`),
  onExact: (proved) => told.push(`exact ${proved}`),
  onFault: (code) => told.push(`fault ${code}`),
  onRegions: (version) => told.push(`regions ${version}`),
  onVideoArea: () => {},
  onVideoNeeded: (needed) => told.push(`video ${needed}`),
};
let diff = new DiffCanvas(events);
diff.attach(canvas);
diff.accept(SOURCE, 1);

/** The desktop as it should be, BGRX words. */
let screen = new Uint32Array(WIDTH * HEIGHT);
let width = WIDTH;
let height = HEIGHT;

/** Words of some rectangles, one after the other. */
function words(patches: readonly Rect[]): Uint8Array {
  const out: number[] = [];
  for (const p of patches) {
    for (let y = p.y; y < p.y + p.height; y++) {
      out.push(...screen.subarray(y * width + p.x, y * width + p.x + p.width));
    }
  }
  return new Uint8Array(Uint32Array.from(out).buffer);
}

const sent: InputMessage[] = [];
let controls = true;
const input = new InputListener({
  picture: () => ({ rect: canvas.getBoundingClientRect(), screen: { width, height } }),
  controls: () => controls,
  send: (message) => sent.push(message),
});
input.attach(stage);

const cursor = new CursorView();
cursor.attach(stage, overlay);

/** What the test calls. */
const surfaces = {
  told,
  sent,
  setControls: (value: boolean) => {
    controls = value;
    cursor.setControls(value);
    cursor.place(canvas.getBoundingClientRect(), { width, height });
  },
  resize: (w: number, h: number) => {
    width = w;
    height = h;
    screen = new Uint32Array(w * h);
  },
  fill: (rect: Rect, colour: number) => {
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      screen.fill(colour, y * width + rect.x, y * width + rect.x + rect.width);
    }
  },
  /** Sends rectangles of the screen as one message, with the hash when asked for. */
  send: (frame: number, patches: readonly Rect[], options: {
    readonly part?: number;
    readonly last?: boolean;
    readonly hash?: boolean;
    readonly damaged?: boolean;
  } = {}) => {
    const body = words(patches);
    diff.message(
      SOURCE,
      encodeDiff({
        frame,
        part: options.part ?? 0,
        last: options.last ?? true,
        capturedAtMs: 1,
        width,
        height,
        hash: options.hash === true ? hashPixels(screen) : null,
        regions: null,
        patches,
        stream: 0,
        runs: false,
        deflated: options.damaged === true,
        body: options.damaged === true ? body.subarray(0, body.length - BYTES_PER_PIXEL) : body,
      }),
    );
  },
  /** From now on large messages go to a worker; tells how many it was given. */
  useWorker: () => {
    const count = { given: 0 };
    const openWorker: OpenUnpackPort = (on) => {
      const port = openUnpackWorker(on);
      const post = (bytes: Uint8Array) => {
        count.given++;
        port.post(bytes);
      };
      return { ...port, post };
    };
    diff = new DiffCanvas(events, { openWorker });
    diff.attach(canvas);
    diff.accept(SOURCE, 1);
    Object.assign(surfaces, { count });
  },
  count: { given: 0 },
  accept: (epoch: number) => diff.accept(SOURCE, epoch),
  /** How many pixels of the canvas differ from the screen; -1 when the sizes do. */
  different: (): number => {
    if (canvas.width !== width || canvas.height !== height) return -1;
    const context = canvas.getContext("2d");
    if (context === null) return -1;
    const { data } = context.getImageData(0, 0, width, height);
    let count = 0;
    for (let i = 0; i < screen.length; i++) {
      const [r, g, b] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
      if (((r << 16) | (g << 8) | b) !== (screen[i] & 0xffffff)) count++;
    }
    return count;
  },
  black: (): boolean => {
    const pixel = canvas.getContext("2d")?.getImageData(1, 1, 1, 1).data ?? [0, 0, 0];
    return pixel[0] + pixel[1] + pixel[2] === 0;
  },
  cursor: (w: number, h: number) => {
    const rgba = btoa(String.fromCharCode(...new Uint8Array(w * h * 4).fill(200)));
    cursor.setShape({ op: "cursor", width: w, height: h, hotX: 1, hotY: 2, rgba });
    cursor.setPosition({ x: 100, y: 50 });
    cursor.place(canvas.getBoundingClientRect(), { width, height });
  },
  cursorLooks: () => ({
    css: stage.style.cursor.replace(/url\([^)]*\)/, "url()"),
    overlay: overlay.hidden ? "" : overlay.style.transform,
  }),
};
export type Surfaces = typeof surfaces;
Object.assign(globalThis, { surfaces });
