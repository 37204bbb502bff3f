/** An X server in a window of another one: unlike Xvfb it can turn its screen. */
import { spawnProcess } from "./process.ts";
import { startXvfb } from "./xvfb.ts";

export interface Xephyr extends AsyncDisposable {
  readonly display: string;
}

/** Starts Xephyr inside an Xvfb of its own; resolves when it accepts clients. */
export async function startXephyr(size: {
  readonly width: number;
  readonly height: number;
}): Promise<Xephyr> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await startXvfb({ width: 1280, height: 1280 }));
  const child = spawnProcess({
    name: "Xephyr",
    command: "Xephyr",
    args: [
      ...["-displayfd", "1", "-screen", `${size.width}x${size.height}`],
      ...["-nolisten", "tcp", "-noreset"],
    ],
    env: { DISPLAY: host.display },
  });
  stack.defer(async () => void await child.stop());
  const [, number] = await child.waitForLine(/^(\d+)$/, 20_000);
  const owned = stack.move();
  return { display: `:${number}`, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Runs xrandr on a display, as an operator or a desktop's settings would. */
export async function xrandr(display: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command("xrandr", {
    args: ["--display", display, ...args],
  }).output();
  if (code !== 0) throw new Error(`xrandr: ${new TextDecoder().decode(stderr)}`);
}
