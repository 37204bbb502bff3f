/**
 * What more viewers of one desktop cost: the agent's processor time with 1 and with 10 consoles
 * that all take video, patches or both, while somebody types, a window is moved, a text scrolls,
 * random rectangles are painted or a film runs in a window.
 *
 *   deno task bench:viewers [--seconds 8] [--rects N] [rtp|diff-dc|hybrid] [1280x720|1920x1080] [10]
 *       [typing|window|scroll|rects|film]
 *
 * The consoles are real to the agent (signalling, DTLS, SRTP, SCTP, feedback) but decode nothing:
 * ten browsers would take more than this machine has, and the agent would be measured in what is
 * left. They are a process of their own, whose use is told apart. `phases` says where the agent's
 * own thread spends its time (percent of a core, sampled apart from the other figures); `threads`
 * says what the native ones use, among which are those that encrypt and send; `limits` compares
 * both and says what the further viewers cost most.
 */
import { askAgent } from "../../agent/adapters/control_socket.ts";
import type { AgentStatus } from "../../agent/agent.ts";
import {
  benchFlags,
  cpuDuring,
  machine,
  pause,
  progress,
  round,
  threadsSince,
  threadTimes,
  usageDuring,
} from "../support/bench.ts";
import { freePort } from "../support/coturn.ts";
import { inspect } from "../support/inspector.ts";
import { spawnProcess } from "../support/process.ts";
import { ROOT, startAgent, startServer } from "../support/stack.ts";
import { startXvfb } from "../support/xvfb.ts";
import { phasesOf } from "./viewers_phases.ts";
import { prepareScenes, type Scene, SCENES, startScene } from "./viewers_scenes.ts";

const MOST_VIEWERS = 10;
const TRANSPORTS = ["rtp", "diff-dc", "hybrid"];
/** The targets of all viewers' video have settled by then. */
const WARM_UP_SECONDS = 8;
const SCENE_WARM_UP_SECONDS = 2;
const PROFILE_SECONDS = 2;
const READY_TIMEOUT_MS = 40_000;

/** All scenes with `count` viewers. */
async function measure(count: number, filmFile: string) {
  await using owned = new AsyncDisposableStack();
  const { display } = owned.use(await startXvfb({ width, height }));
  const server = owned.use(await startServer());
  const port = await freePort();
  const agent = owned.use(
    await startAgent({
      ...{ server, capture: "x11", display, hybrid: transport === "hybrid" },
      denoFlags: [`--inspect=127.0.0.1:${port}`],
    }),
  );
  const inspector = owned.use(await inspect(port));
  const consoles = owned.use(spawnProcess({
    name: "consoles",
    command: Deno.execPath(),
    args: [
      ...["run", "-A", "--no-check", `${ROOT}/tests/bench/viewers_receivers.ts`],
      ...[await server.freshLink(), agent.desktopId, String(count), transport],
    ],
    cwd: ROOT,
  }));
  // Video is the quicker to settle the more there is to see.
  const first = transport === "diff-dc"
    ? null
    : await startScene(scenes[0], { display, rects, filmFile });
  await consoles.waitForLine(/"ready":true/, READY_TIMEOUT_MS);
  if (first !== null) await pause(WARM_UP_SECONDS);
  await first?.[Symbol.asyncDispose]();
  const results = [];
  for (const scene of scenes) {
    await using _running = await startScene(scene, { display, rects, filmFile });
    await pause(SCENE_WARM_UP_SECONDS);
    const from = consoles.stdoutLines.length;
    const before = threadTimes(agent.pid);
    const { usage, value } = await usageDuring(
      agent.pid,
      () => cpuDuring({ consoles: consoles.pid }, () => pause(seconds)),
    );
    const threads: Record<string, number> = {};
    for (const { name, seconds: used } of threadsSince(before, agent.pid)) {
      threads[name] = round((threads[name] ?? 0) + used / seconds * 100)!;
    }
    const lines = consoles.stdoutLines.slice(from).map((line) => JSON.parse(line));
    const mean = (key: string) =>
      round(lines.reduce((sum, line) => sum + line[key], 0) / lines.length, 1) ?? 0;
    const profile = await inspector.profile(() => pause(PROFILE_SECONDS));
    const result = {
      scene,
      viewers: count,
      ...usage,
      fps: round(mean("videoPictures") + mean("diffFrames"))!,
      videoFps: mean("videoPictures"),
      diffFps: mean("diffFrames"),
      /** Of the viewer that got the fewest. */
      leastFps: mean("least"),
      packetsPerSecond: mean("packets"),
      kilobitsPerSecond: round(mean("bytes") * 8 / 1_000, 0),
      phases: phasesOf(profile, PROFILE_SECONDS * 1_000),
      threads,
      consolesCpuPercent: round(value.cpuSeconds.consoles / seconds * 100),
    };
    progress(
      `  ${scene}, ${count}: ${result.cpuPercent} % of a core, ${result.videoFps} + ` +
        `${result.diffFps} fps, ${result.kilobitsPerSecond} kb/s, ${result.rssMb} MB, ` +
        JSON.stringify(result.phases),
    );
    results.push(result);
  }
  const status = await askAgent(agent.stateDir, { op: "status" });
  const video = status.ok ? (status.value as AgentStatus).video : null;
  return { viewers: count, encoders: video?.encoders, keyframes: video?.keyframes, results };
}

const { seconds, only, more } = benchFlags({ seconds: 8, runs: 1 }, {
  rects: { type: "string" },
});
const transport = only.find((word) => TRANSPORTS.includes(word)) ?? "rtp";
const rects = String(more.rects ?? (transport === "rtp" ? "30" : "300"));
const size = only.find((word) => /^\d+x\d+$/.test(word)) ?? "1280x720";
const [width, height] = size.split("x").map(Number);
const most = Number(only.find((word) => /^\d+$/.test(word)) ?? MOST_VIEWERS);
const wanted = SCENES.filter((scene) => only.includes(scene));
const usual: readonly Scene[] = transport === "rtp" ? ["rects"] : SCENES;
const scenes = wanted.length > 0 ? wanted : usual;

const { dir, filmFile } = await prepareScenes();
const all: Awaited<ReturnType<typeof measure>>[] = [];
try {
  for (const count of [1, most]) {
    progress(`${count} viewers by ${transport}`);
    all.push(await measure(count, filmFile));
  }
} finally {
  await Deno.remove(dir, { recursive: true });
}
const MEGABYTE_KBIT = 8_000;
/** The peer library's threads: they encrypt, send and hear the answers. */
const NATIVE = /^(RTC|SCTP|juice)/;
const nativePercent = (threads: Readonly<Record<string, number>>): number =>
  Object.entries(threads).filter(([name]) => NATIVE.test(name)).reduce((sum, [, p]) => sum + p, 0);

/**
 * What the further viewers cost, in percent of a core by phase, the largest first: that limits.
 * `msPerMegabyte` is what each megabyte costs that they are sent.
 */
const limits = Object.fromEntries(scenes.map((scene) => {
  const [one, many] = all.map(({ results }) => results.find((one) => one.scene === scene)!);
  const before: Record<string, number> = { ...one.phases, native: nativePercent(one.threads) };
  const after = { ...many.phases, native: nativePercent(many.threads) };
  const growth = Object.entries(after)
    .map(([phase, percent]) => [phase, round(percent - (before[phase] ?? 0))!] as const)
    .filter(([, percent]) => percent > 0.5)
    .sort((a, b) => b[1] - a[1]);
  const megabytes = (many.kilobitsPerSecond! * most - one.kilobitsPerSecond!) / MEGABYTE_KBIT;
  const msPerMegabyte = round((many.cpuPercent - one.cpuPercent) * 10 / megabytes);
  return [scene, { growth: Object.fromEntries(growth), msPerMegabyte }];
}));
/** How often the cost of one viewer: of a picture that every viewer gets, and as it was. */
const ratios = Object.fromEntries(scenes.map((scene) => {
  const [one, many] = all.map(({ results }) => results.find((one) => one.scene === scene)!);
  const cpu = many.cpuPercent / one.cpuPercent;
  return [scene, { perPicture: round(cpu * one.fps / many.fps, 2), cpu: round(cpu, 2) }];
}));
console.log(
  JSON.stringify({
    ...{ bench: "viewers", machine: machine(), transport, width, height, rects: Number(rects) },
    ...{ seconds, ratios, limits, runs: all },
  }),
);
Deno.exit(0);
