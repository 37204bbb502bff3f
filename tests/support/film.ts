/** A film in a window of its own, and a terminal beside it: real X clients for tests of motion. */
import assert from "node:assert/strict";
import { type SpawnedProcess, spawnProcess } from "./process.ts";

/** A window that can be stopped in mid-motion: what it shows stays. */
export interface MovingWindow extends SpawnedProcess {
  pause(): void;
  resume(): void;
}

const movable = (child: SpawnedProcess): MovingWindow =>
  Object.assign(child, {
    pause: () => Deno.kill(child.pid, "SIGSTOP"),
    resume: () => Deno.kill(child.pid, "SIGCONT"),
  });

export interface FilmOptions {
  readonly display: string;
  readonly x: number;
  readonly y: number;
  /** `SOURCE` of `ffplay -f lavfi -i`, or a file that is played over and over. */
  readonly source: string | { readonly file: string };
}

/** Starts ffplay without a frame or sound; the film runs until it is stopped. */
export const startFilm = ({ display, x, y, source }: FilmOptions): MovingWindow =>
  movable(spawnProcess({
    name: "film",
    command: "ffplay",
    args: [
      ...["-hide_banner", "-loglevel", "error", "-noborder", "-noframedrop", "-an", "-sn"],
      ...["-left", String(x), "-top", String(y)],
      ...(typeof source === "string" ? ["-f", "lavfi", "-i", source] : ["-loop", "0", source.file]),
    ],
    env: { DISPLAY: display, SDL_VIDEODRIVER: "x11", SDL_AUDIODRIVER: "dummy" },
  }));

/** An xterm that shows what is typed. Without a window manager the keyboard follows the pointer. */
export const startTerminal = (
  display: string,
  place: {
    readonly geometry: string;
    readonly command?: readonly string[];
    readonly title?: string;
  },
): MovingWindow =>
  movable(spawnProcess({
    name: "xterm",
    command: "xterm",
    args: [
      ...["-T", place.title ?? "xterm", "-geometry", place.geometry],
      ...["-e", ...place.command ?? ["cat"]],
    ],
    env: { DISPLAY: display },
  }));

/** Does something with the terminal's window, such as `windowfocus --sync` (xdotool). */
export async function commandTerminal(
  display: string,
  ...command: readonly string[]
): Promise<void> {
  const { code } = await new Deno.Command("xdotool", {
    args: ["search", "--class", "xterm", ...command],
    env: { DISPLAY: display },
  }).output();
  assert.equal(code, 0);
}

/** Films ten seconds of soft colours that flow, with grain: nothing in it repeats or is flat. */
export async function makeFilm(
  file: string,
  { width, height }: { readonly width: number; readonly height: number },
): Promise<void> {
  const source = `gradients=s=${width}x${height}:r=30:speed=0.03:n=8:seed=1,noise=alls=4:allf=t`;
  const { code, stderr } = await new Deno.Command("ffmpeg", {
    args: [
      ...["-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi", "-i", source, "-t", "10"],
      ...["-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-pix_fmt", "yuv420p", file],
    ],
  }).output();
  if (code !== 0) throw new Error(`ffmpeg: ${new TextDecoder().decode(stderr)}`);
}
