/** A private X server in memory, one per test. */
import { spawnProcess } from "./process.ts";

export interface XvfbOptions {
  readonly width?: number;
  readonly height?: number;
  /** Further arguments of Xvfb. */
  readonly extra?: readonly string[];
}

export interface Xvfb extends AsyncDisposable {
  /** `:N`, for `DISPLAY`. */
  readonly display: string;
  readonly pid: number;
  /** Gives the only output a mode of that size, as an operator would with xrandr. */
  resize(size: { readonly width: number; readonly height: number }): Promise<void>;
  stop(): Promise<void>;
}

/** Starts Xvfb on a free display number; resolves when it accepts clients. */
export async function startXvfb(options: XvfbOptions = {}): Promise<Xvfb> {
  const { width = 1920, height = 1080, extra = [] } = options;
  const child = spawnProcess({
    name: "Xvfb",
    command: "Xvfb",
    args: [
      // The server picks the number and writes it to descriptor 1 once it listens.
      ...["-displayfd", "1", "-screen", "0", `${width}x${height}x24`],
      ...["-nolisten", "tcp", "-noreset", "-dpi", "96"],
      ...["+extension", "RANDR", "+extension", "DAMAGE", ...extra],
    ],
  });
  try {
    const [, number] = await child.waitForLine(/^(\d+)$/, 20_000);
    const stop = async () => void await child.stop();
    const display = `:${number}`;
    const resize = (size: { width: number; height: number }) => resizeScreen(display, size);
    return { display, pid: child.pid, resize, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

async function resizeScreen(
  display: string,
  { width, height }: { readonly width: number; readonly height: number },
): Promise<void> {
  const name = `test-${width}x${height}`;
  const timings = `0 ${width} 0 0 ${width} ${height} 0 0 ${height}`.split(" ");
  for (
    const args of [
      ["--newmode", name, ...timings],
      ["--addmode", "screen", name],
      ["--output", "screen", "--mode", name],
    ]
  ) {
    const { code, stderr } = await new Deno.Command("xrandr", {
      args: ["--display", display, ...args],
    }).output();
    if (code !== 0) throw new Error(`xrandr: ${new TextDecoder().decode(stderr)}`);
  }
}
