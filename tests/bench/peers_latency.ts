/** Glass to glass of each subject under one load, turn by turn. */
import { percentile, progress, round, sampleClock } from "../support/bench.ts";
import { startPainter } from "../support/stack.ts";
import type { Choice, Subject, SubjectName } from "./peers_subjects.ts";

/** Left out at the beginning: encoders and browser settle. */
const WARM_UP_SECONDS = 1.5;
/**
 * Painter and page both work at whole fractions of a second, so that without this their phase
 * would stay what chance made it and move each figure of a run by up to 17 ms. A painter one
 * per cent slower walks through every phase in some seconds.
 */
const PHASE_WALK = 0.99;

export interface Load {
  readonly hz: number;
  /** Random rectangles a frame. */
  readonly rectangles: number;
}

export interface LatencyFigures {
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly minMs: number | null;
  readonly fps: number | null;
  readonly kbps: number | null;
  readonly n: number;
}

export interface LatencyOptions {
  readonly load: Load;
  readonly choice: Choice;
  readonly seconds: number;
  readonly runs: number;
}

/** All turns of a subject count together; turns alternate between the subjects. */
export async function measureLatency(
  subjects: readonly Subject[],
  options: LatencyOptions,
): Promise<Partial<Record<SubjectName, LatencyFigures>>> {
  const turns = new Map(subjects.map(({ name }) => [name, [] as Turn[]]));
  for (let run = 0; run < options.runs; run++) {
    // Whoever comes second finds the machine warm: take turns in that, too.
    const order = run % 2 === 0 ? subjects : [...subjects].reverse();
    for (const subject of order) {
      const turn = await oneTurn(subject, options);
      progress(`  ${subject.name}: ${JSON.stringify(figures([turn]))}`);
      turns.get(subject.name)!.push(turn);
    }
  }
  return Object.fromEntries([...turns].map(([name, all]) => [name, figures(all)]));
}

interface Turn {
  readonly ages: readonly number[];
  readonly seconds: number;
  readonly bytes: number;
}

async function oneTurn(subject: Subject, options: LatencyOptions): Promise<Turn> {
  const { load, choice, seconds } = options;
  await using shown = await subject.open(choice);
  await using painter = await startPainter("clock", {
    display: subject.display,
    args: ["--hz", String(load.hz * PHASE_WALK), "--rects", String(load.rectangles)],
  });
  await sampleClock(shown.page, WARM_UP_SECONDS);
  const before = await shown.receivedBytes();
  const samples = await sampleClock(shown.page, seconds);
  const bytes = await shown.receivedBytes() - before;
  await painter.ask("stop", /"done":"stop"/);
  return { ages: samples.map(({ ageMs }) => ageMs), seconds, bytes };
}

function figures(turns: readonly Turn[]): LatencyFigures {
  const ages = turns.flatMap((turn) => turn.ages);
  const seconds = turns.reduce((sum, turn) => sum + turn.seconds, 0);
  const bytes = turns.reduce((sum, turn) => sum + turn.bytes, 0);
  return {
    p50Ms: round(percentile(ages, 0.5)),
    p95Ms: round(percentile(ages, 0.95)),
    minMs: round(percentile(ages, 0)),
    fps: round(ages.length / seconds),
    kbps: round(bytes * 8 / 1000 / seconds, 0),
    n: ages.length,
  };
}
