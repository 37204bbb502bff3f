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
    return { display: `:${number}`, pid: child.pid, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await child.stop();
    throw error;
  }
}
