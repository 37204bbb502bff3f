/**
 * Farglass beside noVNC with TigerVNC and x11vnc, on one machine in one run: the same painter,
 * the same page reader, turn by turn. Ratios count; absolute figures vary with the machine.
 *
 *   deno task bench:peers [--seconds 6] [--runs 2] [--install] [SCENARIO or SUBJECT …]
 *
 * Scenarios: see SCENARIOS below; subjects: farglass novnc x11vnc (default: the first two).
 * JSON goes to standard output, progress to standard error.
 */
import { benchFlags, machine, progress } from "../support/bench.ts";
import { buildConsole } from "../../tools/build_console.ts";
import { type LatencyFigures, type LatencyOptions, measureLatency } from "./peers_latency.ts";
import { havePeers, startSubjects, type SubjectName, SUBJECTS } from "./peers_subjects.ts";
import { absolute, atMostTimes, type Target } from "./peers_targets.ts";

/** Of what is on the wire; the rest is packet headers, DTLS and the other channels. */
const PAYLOAD_SHARE = 0.92;
const FULL_HD = { width: 1920, height: 1080 };

export interface Run {
  readonly names: readonly SubjectName[];
  readonly seconds: number;
  readonly runs: number;
}
interface Outcome {
  readonly figures: unknown;
  readonly targets: readonly Target[];
}

/** A latency scenario with its limits for p50 and p95 in relation to noVNC. */
function latency(
  options: Pick<LatencyOptions, "load" | "choice"> & {
    readonly p50: number;
    readonly p95: number;
    readonly maxKbps?: number;
    readonly fpsNotLower?: boolean;
  },
) {
  return async ({ names, seconds, runs }: Run): Promise<Outcome> => {
    const { load, choice, maxKbps } = options;
    const agentFlags = maxKbps === undefined
      ? []
      : ["--encoder-bitrate-kbps", String(Math.floor(maxKbps * PAYLOAD_SHARE))];
    await using world = await startSubjects(names, { size: FULL_HD, agentFlags });
    const figures = await measureLatency(world.subjects, { load, choice, seconds, runs });
    const pair = (key: keyof LatencyFigures) => ({
      ours: figures.farglass?.[key] ?? null,
      theirs: figures.novnc?.[key] ?? null,
    });
    const targets = [
      atMostTimes("p50 in ms", options.p50, pair("p50Ms")),
      atMostTimes("p95 in ms", options.p95, pair("p95Ms")),
    ];
    if (maxKbps !== undefined) targets.push(absolute("kbit/s", { most: maxKbps }, pair("kbps")));
    const { ours, theirs } = pair("fps");
    if (options.fpsNotLower === true) {
      // A tenth of a frame a second is the counting's own error.
      const least = theirs === null ? Infinity : Number((theirs - 0.1).toFixed(1));
      targets.push(absolute("fps", { least }, { ours, theirs }));
    }
    return { figures, targets };
  };
}

const SCENARIOS: Readonly<Record<string, (run: Run) => Promise<Outcome>>> = {
  "small-30": latency({ load: { hz: 30, rectangles: 0 }, choice: "diff", p50: 0.65, p95: 0.8 }),
  "small-60": latency({ load: { hz: 60, rectangles: 0 }, choice: "diff", p50: 0.8, p95: 0.85 }),
  "rects": latency({
    ...{ load: { hz: 30, rectangles: 300 }, choice: "diff", p50: 0.5, p95: 0.65 },
    fpsNotLower: true,
  }),
  "rects-8mbps": latency({
    ...{ load: { hz: 30, rectangles: 300 }, choice: "video", p50: 0.7, p95: 0.7 },
    ...{ maxKbps: 8_000, fpsNotLower: true },
  }),
};

async function main(): Promise<number> {
  const { seconds, runs, only, more } = benchFlags({ seconds: 6, runs: 2 }, {
    install: { type: "boolean" },
  });
  const known = [...Object.keys(SCENARIOS), ...SUBJECTS];
  const unknown = only.find((word) => !known.includes(word));
  if (unknown !== undefined) {
    progress(`There is no "${unknown}"; allowed are ${known.join(", ")}`);
    return 2;
  }
  if (!await havePeers(more.install === true)) return 2;
  const chosen = Object.keys(SCENARIOS).filter((name) => only.includes(name));
  const subjects = SUBJECTS.filter((name) => only.includes(name));
  const names: readonly SubjectName[] = subjects.length > 0 ? subjects : ["farglass", "novnc"];
  await buildConsole({ log: progress });
  const results: Record<string, unknown> = {};
  const targets: (Target & { readonly scenario: string })[] = [];
  for (const scenario of chosen.length > 0 ? chosen : Object.keys(SCENARIOS)) {
    progress(scenario);
    const outcome = await SCENARIOS[scenario]({ names, seconds, runs });
    results[scenario] = outcome.figures;
    for (const target of outcome.targets) {
      targets.push({ scenario, ...target });
      progress(`  ${target.met ? "met" : "NOT MET"}: ${JSON.stringify(target)}`);
    }
  }
  console.log(JSON.stringify({
    bench: "peers",
    machine: machine(),
    screen: FULL_HD,
    displays: { farglass: "Xvfb", x11vnc: "the same Xvfb", novnc: "Xtigervnc -FrameRate 60" },
    seconds,
    runs,
    results,
    targets,
  }));
  return 0;
}

Deno.exit(await main());
