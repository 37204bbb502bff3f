/**
 * Farglass beside noVNC with TigerVNC and x11vnc, on one machine in one run: the same painter,
 * the same page reader, turn by turn. Ratios count; absolute figures vary with the machine.
 *
 *   deno task bench:peers [--seconds 6] [--runs 2] [--install] [SCENARIO or SUBJECT …]
 *   deno task bench:peers desktop [--hybrid]; deno task bench:peers soak [--minutes 10]
 *
 * Scenarios: see SCENARIOS below; subjects: farglass novnc x11vnc (default: the first two).
 * JSON goes to standard output, progress to standard error.
 */
import { type BenchFlags, benchFlags, machine, positive, progress } from "../support/bench.ts";
import { buildConsole } from "../../tools/build_console.ts";
import { type LatencyFigures, type LatencyOptions, measureLatency } from "./peers_latency.ts";
import { measureDesktop } from "./peers_desktop.ts";
import { measureFilm } from "./peers_film.ts";
import { measureKeys } from "./peers_key.ts";
import { soak } from "./peers_soak.ts";
import {
  freePort,
  havePeers,
  startSubjects,
  type SubjectName,
  SUBJECTS,
} from "./peers_subjects.ts";
import { absolute, atMostTimes, type Target } from "./peers_targets.ts";

/** Of what is on the wire; the rest is packet headers, DTLS and the other channels. */
const PAYLOAD_SHARE = 0.92;
const FULL_HD = { width: 1920, height: 1080 };
const UHD = { width: 3840, height: 2160 };
/** The recorded desktop takes so many times longer: 60 s with the default of 6. */
const DESKTOP_SECONDS_PER_SECOND = 10;
/** Megabytes a minute that still count as noise of collecting and measuring. */
const MAX_SLOPE = 0.5;

export interface Run {
  readonly names: readonly SubjectName[];
  readonly seconds: number;
  readonly runs: number;
  readonly flags: BenchFlags["more"];
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

/** Nothing else may move, so one fresh world each. */
async function keyPress({ names, seconds, runs }: Run): Promise<Outcome> {
  await using world = await startSubjects(names, { size: FULL_HD });
  const figures = await measureKeys(world.subjects, { choice: "diff", seconds, runs });
  const pair = (key: "p50Ms" | "p95Ms") => ({
    ours: figures.farglass?.[key] ?? null,
    theirs: figures.novnc?.[key] ?? null,
  });
  const targets = [
    atMostTimes("key press to glass, p50 in ms", 1, pair("p50Ms")),
    atMostTimes("key press to glass, p95 in ms", 1, pair("p95Ms")),
  ];
  return { figures, targets };
}

async function film({ names, seconds }: Run): Promise<Outcome> {
  await using world = await startSubjects(names, { size: FULL_HD });
  const options = { size: FULL_HD, choice: "video", seconds } as const;
  const figures = await measureFilm(world.subjects, options);
  const { farglass, novnc } = figures;
  const agent = farglass?.usage.agent;
  const theirs = novnc?.usage.Xtigervnc;
  return {
    figures,
    targets: [
      absolute("fps", { least: 29 }, { ours: farglass?.fps ?? null, theirs: novnc?.fps }),
      absolute("agent's processor, % of a core", { most: 60 }, {
        ours: agent?.cpuPercent ?? null,
        theirs: theirs?.cpuPercent,
      }),
      absolute("agent's memory, MB", { most: 300 }, {
        ours: agent?.peakRssMb ?? null,
        theirs: theirs?.peakRssMb,
      }),
    ],
  };
}

async function uhd({ names, seconds, runs }: Run): Promise<Outcome> {
  await using world = await startSubjects(names, { size: UHD });
  const small = await measureLatency(world.subjects, {
    ...{ load: { hz: 30, rectangles: 0 }, choice: "diff", seconds, runs },
  });
  const motion = await measureLatency(world.subjects, {
    ...{ load: { hz: 30, rectangles: 300 }, choice: "diff", seconds, runs },
  });
  return {
    figures: { small, motion },
    targets: [
      absolute("small changes, p50 in ms", { most: 30 }, {
        ours: small.farglass?.p50Ms ?? null,
        theirs: small.novnc?.p50Ms,
      }),
      absolute("motion, fps", { least: 15 }, {
        ours: motion.farglass?.fps ?? null,
        theirs: motion.novnc?.fps,
      }),
    ],
  };
}

async function desktop({ names, seconds, flags }: Run): Promise<Outcome> {
  const agentFlags = flags.hybrid === true ? ["--encoder-hybrid", "on"] : [];
  await using world = await startSubjects(names, { size: FULL_HD, agentFlags });
  const choice = flags.hybrid === true ? "auto" : "diff";
  const figures = await measureDesktop(world.subjects, {
    choice,
    seconds: seconds * DESKTOP_SECONDS_PER_SECOND,
  });
  const { farglass, novnc } = figures;
  return {
    figures: { choice, hybrid: flags.hybrid === true, ...figures },
    targets: [
      atMostTimes("kilobytes", 0.5, {
        ours: farglass?.kilobytes ?? null,
        theirs: novnc?.kilobytes ?? null,
      }),
      absolute("SSIM", { least: novnc?.ssim ?? 1 }, {
        ours: farglass?.ssim ?? null,
        theirs: novnc?.ssim,
      }),
      absolute("text exact after rest, ms", { most: 300 }, {
        ours: farglass?.worstExactAfterMs ?? null,
        theirs: novnc?.worstExactAfterMs,
      }),
    ],
  };
}

async function soakLong({ flags }: Run): Promise<Outcome> {
  const minutes = positive("minutes", flags.minutes ?? 10);
  const inspectorPort = freePort();
  await using world = await startSubjects(["farglass"], {
    size: FULL_HD,
    denoFlags: [`--inspect=127.0.0.1:${inspectorPort}`],
  });
  const options = { choice: "diff", minutes, inspectorPort } as const;
  const figures = await soak(world.subjects[0], options);
  const { slopes } = figures;
  return {
    figures,
    targets: [
      absolute("agent's memory, MB", { most: 300 }, { ours: figures.peakRssMb }),
      absolute("agent's heap, MB a minute", { most: MAX_SLOPE }, { ours: slopes.agentHeap }),
      absolute("agent's RSS, MB a minute", { most: MAX_SLOPE }, { ours: slopes.agentRss }),
      absolute("console's heap, MB a minute", { most: MAX_SLOPE }, { ours: slopes.pageHeap }),
    ],
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
  "key": keyPress,
  desktop,
  film,
  uhd,
  "soak": soakLong,
};
/** Minutes long: only when it is asked for. */
const ON_REQUEST = ["soak"];

async function main(): Promise<number> {
  const { seconds, runs, only, more } = benchFlags({ seconds: 6, runs: 2 }, {
    install: { type: "boolean" },
    hybrid: { type: "boolean" },
    minutes: { type: "string" },
  });
  const known = [...Object.keys(SCENARIOS), ...SUBJECTS];
  const unknown = only.find((word) => !known.includes(word));
  if (unknown !== undefined) {
    progress(`There is no "${unknown}"; allowed are ${known.join(", ")}`);
    return 2;
  }
  if (!await havePeers(more.install === true)) return 2;
  const chosen = Object.keys(SCENARIOS).filter((name) => only.includes(name));
  const usual = Object.keys(SCENARIOS).filter((name) => !ON_REQUEST.includes(name));
  const subjects = SUBJECTS.filter((name) => only.includes(name));
  const names: readonly SubjectName[] = subjects.length > 0 ? subjects : ["farglass", "novnc"];
  await buildConsole({ log: progress });
  const results: Record<string, unknown> = {};
  const targets: (Target & { readonly scenario: string })[] = [];
  for (const scenario of chosen.length > 0 ? chosen : usual) {
    progress(scenario);
    const outcome = await SCENARIOS[scenario]({ names, seconds, runs, flags: more });
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
