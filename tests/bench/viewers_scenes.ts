/** What the screen does while viewers are counted: real X clients, for as long as it is looked at. */
import { join } from "node:path";
import { makeFilm, startFilm, startTerminal } from "../support/film.ts";
import { spawnProcess } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";

export const SCENES = ["typing", "window", "scroll", "rects", "film"] as const;
export type Scene = (typeof SCENES)[number];

export interface SceneOptions {
  readonly display: string;
  /** Random rectangles a picture, of the scene `rects`. */
  readonly rects: string;
  /** Of the scene `film`. */
  readonly filmFile: string;
}

const FILM = { width: 640, height: 360 };
/** Of the moving window's way, 30 a second, again and again. */
const MOVE_STEPS = 90;
/** A quick typist. */
const TYPE = "while :; do printf 'the quick brown fox ' | fold -w 1 | while read -r c; do " +
  'printf "%s" "${c:- }"; sleep 0.1; done; done';
const SCROLL = 'i=0; while :; do echo "$i the quick brown fox jumps over the lazy dog"; ' +
  "i=$((i+1)); sleep 0.033; done";
const PAGE = "seq 1 2000; exec sleep 1000";

/** Makes what the scenes show; it is to be removed. */
export async function prepareScenes(): Promise<
  { readonly dir: string; readonly filmFile: string }
> {
  const dir = await Deno.makeTempDir({ prefix: "farglass-scenes-" });
  const filmFile = join(dir, "film.mp4");
  await makeFilm(filmFile, FILM);
  return { dir, filmFile };
}

/** Starts one scene; ends with what it returns. */
export async function startScene(
  scene: Scene,
  { display, rects, filmFile }: SceneOptions,
): Promise<AsyncDisposable> {
  const owned = new AsyncDisposableStack();
  const terminal = (geometry: string, script: string) =>
    owned.use(startTerminal(display, { geometry, title: "scene", command: ["sh", "-c", script] }));
  switch (scene) {
    case "typing":
      terminal("100x40+40+40", TYPE);
      break;
    case "scroll":
      terminal("100x40+40+40", SCROLL);
      break;
    case "window": {
      terminal("70x20+40+40", PAGE);
      const moves = Array.from({ length: MOVE_STEPS }, (_, i) => {
        const at = { x: 47 + i * 7 % 600, y: 43 + i * 3 % 300 };
        // Without --sync all moves leave at the end.
        return ["windowmove", "--sync", String(at.x), String(at.y), "sleep", "0.03"];
      });
      // The tool takes the longer for each argument the more there are, so a few moves at a time.
      const script = 'while :; do xdotool search --sync --onlyvisible --name "^scene$" "$@"; done';
      owned.use(spawnProcess({
        name: "mover",
        command: "sh",
        args: ["-c", script, "sh", ...moves.flat()],
        env: { DISPLAY: display },
      }));
      break;
    }
    case "rects":
      owned.use(
        await startPainter("clock", { display, args: ["--hz", "30", "--rects", rects] }),
      );
      break;
    case "film":
      owned.use(startFilm({ display, x: 300, y: 180, source: { file: filmFile } }));
      break;
  }
  return owned;
}
