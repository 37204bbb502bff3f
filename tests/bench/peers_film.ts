/** Films for the comparison: made by ffmpeg from moving gradients with grain, kept for the run. */
import { join } from "node:path";
import { progress, round, sampleClock, type Usage, usageDuring } from "../support/bench.ts";
import type { SpawnedProcess } from "../support/process.ts";
import { startPainter } from "../support/stack.ts";
import type { Choice, Size, Subject, SubjectName } from "./peers_subjects.ts";

/** Pictures of a film; it is shown again and again, forwards. */
const FILM_PICTURES = 24;
const WARM_UP_SECONDS = 2;

/** Renders a film of this size into a file of raw bgr0 pictures. */
export async function makeFilm(dir: string, { width, height }: Size): Promise<string> {
  const file = join(dir, `film-${width}x${height}.bgr0`);
  const source = "mandelbrot=size=480x270:rate=30:start_scale=2:end_scale=0.3:end_pts=80:" +
    `maxiter=300,scale=${width}:${height},noise=alls=5:allf=t`;
  const { success, stderr } = await new Deno.Command("ffmpeg", {
    args: [
      ...["-y", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", String(FILM_PICTURES)],
      ...["-pix_fmt", "bgr0", "-f", "rawvideo", file],
    ],
  }).output();
  if (!success) throw new Error(`ffmpeg made no film: ${new TextDecoder().decode(stderr)}`);
  return file;
}

/** An X client that shows the film at 30 pictures a second. */
export const showFilm = (
  display: string,
  file: string,
  place: Size & { readonly left: number; readonly top: number },
): Promise<SpawnedProcess> =>
  startPainter("film", {
    display,
    args: [
      ...["--file", file, "--hz", "30"],
      ...["--area", `${place.width}x${place.height}+${place.left}+${place.top}`],
    ],
  });

export interface FilmFigures {
  readonly fps: number | null;
  readonly kbps: number | null;
  readonly usage: Readonly<Record<string, Usage>>;
}

/** A film over the whole screen: pictures shown, bytes, and what the serving processes use. */
export async function measureFilm(
  subjects: readonly Subject[],
  options: { readonly size: Size; readonly choice: Choice; readonly seconds: number },
): Promise<Partial<Record<SubjectName, FilmFigures>>> {
  const { size, choice, seconds } = options;
  const dir = await Deno.makeTempDir({ prefix: "farglass-film-" });
  const figures: Partial<Record<SubjectName, FilmFigures>> = {};
  try {
    const file = await makeFilm(dir, size);
    for (const subject of subjects) {
      await using shown = await subject.open(choice);
      await using _film = await showFilm(subject.display, file, { ...size, left: 0, top: 0 });
      await sampleClock(shown.page, WARM_UP_SECONDS);
      const before = await shown.receivedBytes();
      const usage: Record<string, Usage> = {};
      const work = () => sampleClock(shown.page, seconds);
      const samples = await Object.entries(subject.pids).reduce(
        (inner, [name, pid]) => async () => {
          const { usage: used, value } = await usageDuring(pid, inner);
          usage[name] = used;
          return value;
        },
        work,
      )();
      const bytes = await shown.receivedBytes() - before;
      const fps = round(samples.length / seconds);
      figures[subject.name] = { fps, kbps: round(bytes * 8 / 1000 / seconds, 0), usage };
      progress(`  ${subject.name}: ${JSON.stringify(figures[subject.name])}`);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  return figures;
}
