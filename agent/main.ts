/** The agent's program: verbs, exit codes, and which adapter stands behind which port. */
import { Buffer } from "node:buffer";
import { hostname } from "node:os";
import { clearImmediate, setImmediate } from "node:timers";
import {
  type DesktopPolicy,
  never,
  readOtelEnv,
  SOFTWARE_VERSION,
  SOUND_REASONS,
} from "@farglass/protocol";
import { openConsentPrompt, ownTerminal } from "./adapters/consent_terminal.ts";
import { agentGone, askAgent, openControlServer } from "./adapters/control_socket.ts";
import { deflate } from "./adapters/deflate.ts";
import { openConverter } from "./adapters/libav/converter.ts";
import { openLibavEncoder } from "./adapters/libav/encoder.ts";
import { openOpusEncoder } from "./adapters/libav/opus.ts";
import { ownProbeCommand, PROBE_VERB, runProbes } from "./adapters/libav/probe_hardware.ts";
import { type Log, openLog } from "./adapters/log.ts";
import { openOtelTracer } from "./adapters/otel_tracer.ts";
import { loadPeers } from "./adapters/peers.ts";
import { openPulseMonitor } from "./adapters/pulse/monitor.ts";
import { fetchNonce, openSignallingSocket } from "./adapters/signalling_socket.ts";
import { type Identity, loadIdentity } from "./adapters/state_file.ts";
import { openSynthetic } from "./adapters/synthetic/open_synthetic.ts";
import { openX11 } from "./adapters/x11/open_x11.ts";
import { Agent, type AgentStatus } from "./agent.ts";
import { EncoderList } from "./encoders.ts";
import { loadSettings, readSecret, stateDirOf } from "./config.ts";
import type { SharedParts } from "./core/consent.ts";
import { type CommandLine, readCommandLine, usage } from "./core/command_line.ts";
import { readSharedDisplays } from "./core/displays.ts";
import {
  describeSettings,
  type MergedSettings,
  type SettingProblem,
  type Settings,
} from "./core/settings.ts";
import { Pipeline, type PipelinePorts } from "./pipeline.ts";
import { Sound } from "./sound.ts";

const EXIT = { ok: 0, failed: 1, badSettings: 2 } as const;
/** A second signal while stopping, or a stop that takes too long, ends the process at once. */
const STOP_LIMIT_MS = 1_800;
const STOP_WAIT_MS = 5_000;

const encoder = new TextEncoder();
const say = (text: string) => Deno.stdout.writeSync(encoder.encode(text + "\n"));
const complain = (text: string) => Deno.stderr.writeSync(encoder.encode(text + "\n"));

/** Runs one verb; returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  // The agent calls itself so: a driver that crashes takes only the probe with it.
  if (args[0] === PROBE_VERB) {
    await runProbes(args.slice(1));
    return EXIT.ok;
  }
  const command = readCommandLine(args);
  if (command.help) {
    say(usage());
    return EXIT.ok;
  }
  if (command.version) {
    say(`farglass-agent ${SOFTWARE_VERSION}`);
    return EXIT.ok;
  }
  const env = Deno.env.toObject();
  const merged = await loadSettings(command, env);
  if (merged.problems.length > 0) return refuseSettings(merged.problems);
  const stateDir = stateDirOf(merged, env);
  switch (command.verb) {
    case "start": {
      const { problems } = readOtelEnv(env);
      if (problems.length > 0) return refuseSettings(problems);
      return await start(command, merged, stateDir);
    }
    case "status":
      return await status(command, stateDir);
    case "stop":
      return await stop(stateDir);
    case "audio":
      return await audio(command, stateDir);
    case "config":
      say(describeSettings(merged));
      return EXIT.ok;
    default:
      return never(command.verb);
  }
}

function refuseSettings(problems: readonly SettingProblem[]): number {
  for (const { key, text } of problems) complain(`${key}: ${text}`);
  return EXIT.badSettings;
}

function fail(text: string): number {
  complain(text);
  return EXIT.failed;
}

// --- status and stop --------------------------------------------------------------------------

const NOT_RUNNING = "The agent is not running";

async function status(command: CommandLine, stateDir: string): Promise<number> {
  const answer = await askAgent(stateDir, { op: "status" });
  if (!answer.ok) return fail(NOT_RUNNING);
  // Our own agent of the same user, over a socket in its private directory.
  const facts = answer.value as AgentStatus;
  say(command.json ? JSON.stringify(facts) : describeStatus(facts));
  return EXIT.ok;
}

function describeStatus(facts: AgentStatus): string {
  const { name, width, height } = facts.desktop;
  return [
    `Agent    ${facts.agentId}`,
    `Server   ${facts.connected ? "connected" : "not connected, trying again"}`,
    `Desktop  ${name} (${facts.desktopId}), ${width}×${height}`,
    `Displays ${facts.displays.join(", ") || "none that may be seen is connected"}`,
    `Sound    ${describeSound(facts.sound)}`,
    facts.viewers.length === 0 ? "Viewers  nobody" : "Viewers",
    ...facts.viewers.map((v) => `  ${v.operator} by ${v.transport}${v.listening ? ", hears" : ""}`),
    "Encoders",
    ...facts.probes.map((p) => `  ${p.name}: ${p.refused ?? "works"}`),
    ...facts.video.encoders.map((e) =>
      `  ${e.name ?? "none yet"} serves ${e.viewers} at ${e.bitrateKbps} kb/s, ${e.maxFps} a second`
    ),
    `Keyframes ${keyframes(facts.video.keyframes)}`,
  ].join("\n");
}

function describeSound({ allowed, muted, absence, listeners }: AgentStatus["sound"]): string {
  if (!allowed) return "not shared (audio.enabled)";
  if (muted) return 'muted, until "audio on"';
  if (absence !== null) return SOUND_REASONS[absence];
  return listeners === 0 ? "shared, nobody listens" : `heard by ${listeners}`;
}

const keyframes = (counts: AgentStatus["video"]["keyframes"]): string =>
  Object.entries(counts).map(([reason, count]) => `${reason} ${count}`).join(", ") || "none";

/** The owner's mute switch of the running agent. */
async function audio({ on, json }: CommandLine, stateDir: string): Promise<number> {
  const answer = await askAgent(stateDir, { op: "audio", on });
  if (!answer.ok) return fail(NOT_RUNNING);
  const { sound } = answer.value as AgentStatus;
  if (!sound.allowed) {
    return fail("Set audio.enabled and start the agent again: its sound is not shared");
  }
  say(json ? JSON.stringify(sound) : `Sound is ${describeSound(sound)}`);
  return EXIT.ok;
}

async function stop(stateDir: string): Promise<number> {
  if (!(await askAgent(stateDir, { op: "stop" })).ok) return fail(NOT_RUNNING);
  if (await agentGone(stateDir, STOP_WAIT_MS)) {
    say("The agent has stopped");
    return EXIT.ok;
  }
  return fail("End the process by hand: the agent does not stop");
}

// --- start ------------------------------------------------------------------------------------

async function start(
  command: CommandLine,
  merged: MergedSettings,
  stateDir: string,
): Promise<number> {
  const { settings } = merged;
  const secret = await readSecret(merged);
  if ("problem" in secret) return refuseSettings([secret.problem]);
  const log = openLog(wantsJson(settings));
  const identity = await loadIdentity(stateDir);
  if (!identity.ok) return fail(identity.error);
  const ended = Promise.withResolvers<number>();
  const running: { agent: Agent | null } = { agent: null };
  const control = await openControlServer(stateDir, (request) => {
    if (request.op === "stop") ended.resolve(EXIT.ok);
    else if (request.op === "audio") running.agent?.setMuted(!request.on);
    return running.agent?.status() ?? {};
  });
  if (!control.ok) return fail(control.error);
  const release = onSignals(() => ended.resolve(EXIT.ok));
  const shared = { sound: settings["audio.enabled"] };
  const prompt = settings["policy.consent"] === "ask" ? terminalPrompt(shared) : null;
  try {
    const built = await build(settings, identity.value, secret.secret, { log, consent: prompt });
    if (!built.ok) return fail(built.error);
    const { agent } = built;
    running.agent = agent;
    agent.start();
    agent.registered.then(() => announce(command, agent.status()));
    const code = await ended.promise;
    log("info", "Stopping");
    await withLimit(agent.stop());
    return code;
  } finally {
    prompt?.close();
    release();
    await control.value.close();
  }
}

function announce(command: CommandLine, { agentId, desktopId }: AgentStatus): void {
  if (command.json) say(JSON.stringify({ agentId, desktopId, pid: Deno.pid }));
}

const wantsJson = (settings: Settings): boolean =>
  settings["agent.logFormat"] === "auto"
    ? !Deno.stderr.isTerminal()
    : settings["agent.logFormat"] === "json";

function terminalPrompt(shared: SharedParts): ReturnType<typeof openConsentPrompt> | null {
  const terminal = ownTerminal();
  return terminal === null ? null : openConsentPrompt(terminal, shared);
}

function onSignals(run: () => void): () => void {
  const signals: Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) Deno.addSignalListener(signal, run);
  return () => signals.forEach((signal) => Deno.removeSignalListener(signal, run));
}

async function withLimit(work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, STOP_LIMIT_MS);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}

/** Puts the agent together; an error is one sentence. */
async function build(
  settings: Settings,
  made: Identity,
  secret: string,
  { log, consent }: { log: Log; consent: ReturnType<typeof openConsentPrompt> | null },
): Promise<{ readonly ok: true; readonly agent: Agent } | { readonly ok: false; error: string }> {
  const openDesktop = desktopOpener(settings);
  const probe = await openDesktop();
  if (!probe.ok) return { ok: false, error: probe.error.message };
  const { capture, input } = probe.value;
  const screen = { width: capture.width, height: capture.height, displays: capture.displays };
  const source = capture.name;
  const inputs = { pointer: input.pointer, keyboard: input.keyboard };
  // Only the size was wanted: nothing is read from the screen while nobody looks.
  input.close();
  await capture.close();
  const policy = policyOf(settings);
  const list = new EncoderList({
    preferred: settings["encoder.preferred"],
    hardware: { command: ownProbeCommand(import.meta.url) },
    log,
  });
  const sound = new Sound(
    { openCapture: openPulseMonitor, openEncoder: openOpusEncoder, random: Math.random, log },
    { allowed: settings["audio.enabled"], bitrateKbps: settings["audio.bitrateKbps"] },
  );
  const [createPeer] = await Promise.all([
    loadPeers(settings["network.peerLibrary"], (why) => {
      log("warn", `libdatachannel cannot be loaded, the slower werift carries WebRTC: ${why}`);
    }),
    policy.diffOnly ? null : list.probe(),
    sound.start(),
  ]);
  const encoders = list.working;
  if (encoders.length === 0 && policy.videoOnly) {
    return {
      ok: false,
      error: "Switch off policy.videoOnly: no video encoder works on this machine",
    };
  }
  if (encoders.length === 0 && !policy.diffOnly) {
    log("warn", "No video encoder works on this machine: only the diff transports are offered");
  }
  warnAboutPlainText(settings["server.url"], log);
  const agentId = settings["agent.id"] || made.agentId;
  const host = hostname();
  const now = () => performance.now();
  const random = () => Math.random();
  const pipeline = new Pipeline(
    {
      openDesktop,
      openEncoder: openLibavEncoder,
      openConverter,
      encoders: () => list.working,
      now,
      random,
      log,
    },
    {
      bitrateKbps: Math.min(settings["encoder.bitrateKbps"], settings["policy.maxBitrateKbps"]),
      maxFps: settings["encoder.maxFps"],
      preset: settings["encoder.preset"],
      displays: readSharedDisplays(settings["displays.shared"]),
    },
    screen,
  );
  const url = settings["server.url"];
  const agent = new Agent({
    info: { agentId, name: "agent", hostname: host, os: Deno.build.os, software: SOFTWARE_VERSION },
    desktopId: settings["agent.desktopId"] || made.desktopId,
    desktopName: settings["agent.name"] || host,
    capture: source,
    input: inputs,
    encoders,
    hybrid: settings["encoder.hybrid"] === "on",
    policy,
    loopbackOnly: settings["network.iceLoopbackOnly"],
    loopbackToo: isLocal(settings["server.url"]),
    relayOnly: settings["network.relayOnly"],
  }, {
    pipeline,
    sound,
    createPeer,
    consent,
    deflate,
    base64: (bytes) => Buffer.from(bytes).toString("base64"),
    soon: (task) => {
      const handle = setImmediate(task);
      return () => clearImmediate(handle);
    },
    fetchNonce: (signal) => fetchNonce(url, agentId, signal),
    openSocket: (nonce, events) => openSignallingSocket({ url, agentId, nonce, secret }, events),
    now,
    random,
    log,
    tracer: await openOtelTracer(Deno.env.toObject()),
    probes: () => list.probes,
  });
  list.onChange = () => agent.setEncoders(list.working);
  return { ok: true, agent };
}

const policyOf = (settings: Settings): DesktopPolicy => ({
  viewOnly: settings["policy.viewOnly"],
  diffOnly: settings["policy.diffOnly"],
  videoOnly: settings["policy.videoOnly"],
  consent: settings["policy.consent"],
});

function desktopOpener(settings: Settings): PipelinePorts["openDesktop"] {
  const display = settings["capture.display"] || Deno.env.get("DISPLAY");
  const maxFps = settings["capture.maxFps"];
  const source = settings["capture.source"] === "auto"
    ? display === undefined || display === "" ? "synthetic" : "x11"
    : settings["capture.source"];
  if (source === "x11") return () => openX11({ display, maxFps });
  const size = { width: settings["capture.width"], height: settings["capture.height"] };
  const displays = settings["capture.syntheticDisplays"];
  return () => Promise.resolve({ ok: true, value: openSynthetic({ ...size, maxFps, displays }) });
}

/** Whether the server is on this very machine. */
const isLocal = (url: string): boolean =>
  /^(?:localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname);

function warnAboutPlainText(url: string, log: Log): void {
  const { protocol } = new URL(url);
  if (!isLocal(url) && (protocol === "ws:" || protocol === "http:")) {
    log("warn", "Use wss:// in server.url: the connection to the server is not encrypted");
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
