/** A film in a window of its own, and a terminal beside it: real X clients for tests of motion. */
import { type SpawnedProcess, spawnProcess } from "./process.ts";

export interface FilmOptions {
  readonly display: string;
  readonly x: number;
  readonly y: number;
  /** `SOURCE` of `ffplay -f lavfi -i`; its size is the window's. */
  readonly source: string;
}

/** Starts ffplay without a frame or sound; the film runs until it is stopped. */
export const startFilm = ({ display, x, y, source }: FilmOptions): SpawnedProcess =>
  spawnProcess({
    name: "film",
    command: "ffplay",
    args: [
      ...["-hide_banner", "-loglevel", "error", "-noborder", "-an", "-sn"],
      ...["-left", String(x), "-top", String(y), "-f", "lavfi", "-i", source],
    ],
    env: { DISPLAY: display, SDL_VIDEODRIVER: "x11", SDL_AUDIODRIVER: "dummy" },
  });

/** An xterm that shows what is typed. Without a window manager the keyboard follows the pointer. */
export const startTerminal = (
  display: string,
  place: { readonly geometry: string; readonly command?: readonly string[] },
): SpawnedProcess =>
  spawnProcess({
    name: "xterm",
    command: "xterm",
    args: ["-geometry", place.geometry, "-e", ...place.command ?? ["cat"]],
    env: { DISPLAY: display },
  });
