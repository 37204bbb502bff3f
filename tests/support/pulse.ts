/** A PulseAudio of the test's own: null sinks, a private socket, and what it plays. */
import { join } from "node:path";
import { pulseCookie } from "../../agent/adapters/pulse/address.ts";
import { PulseClient } from "../../agent/adapters/pulse/client.ts";
import { authCommand, nameCommand, PulseWriter } from "../../agent/core/pulse_wire.ts";
import { poll, spawnProcess } from "./process.ts";

/** PA_COMMAND_PLAY_SAMPLE */
const PLAY_SAMPLE = 18;
const NO_INDEX = 0xffffffff;
const FULL_VOLUME = 0x10000;

export interface TestPulse extends AsyncDisposable {
  /** For programs that shall find it. */
  readonly env: Readonly<Record<string, string>>;
  /** One command by pactl; the answer as text. */
  pactl(...args: readonly string[]): Promise<string>;
  /** Plays a tone on a sink until it is told to stop. */
  tone(sink: string, frequencyHz: number): Promise<() => Promise<string>>;
  /** Puts samples (a WAV file) on the server; `play` begins them at once. */
  sample(name: string, wav: Uint8Array): Promise<{ play(): Promise<void> } & AsyncDisposable>;
}

/** Starts the server with these null sinks, the first one being the default output. */
export async function startPulse(sinks: readonly string[]): Promise<TestPulse> {
  const dir = await Deno.makeTempDir({ prefix: "farglass-pulse-" });
  const env = {
    HOME: dir,
    XDG_RUNTIME_DIR: dir,
    XDG_CONFIG_HOME: dir,
    PULSE_RUNTIME_PATH: join(dir, "pulse"),
    PULSE_STATE_PATH: join(dir, "state"),
    PULSE_COOKIE: join(dir, "pulse", "cookie"),
    // Neither a server nor a bus of somebody else.
    PULSE_SERVER: `unix:${join(dir, "pulse", "native")}`,
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(dir, "no-bus")}`,
  };
  const { PULSE_SERVER: _own, ...forServer } = env;
  const child = spawnProcess({
    name: "pulseaudio",
    command: "pulseaudio",
    args: [
      ...["-n", "--daemonize=no", "--system=no", "--use-pid-file=no", "--exit-idle-time=-1"],
      ...["--realtime=no", "--high-priority=no", "--log-target=stderr"],
      ...sinks.flatMap((name) => ["-L", `module-null-sink sink_name=${name}`]),
      ...["-L", "module-suspend-on-idle timeout=1", "-L", "module-native-protocol-unix"],
    ],
    env: forServer,
  });
  const pactl = async (...args: readonly string[]) => {
    const { stdout, success } = await new Deno.Command("pactl", {
      args: [...args],
      env,
      stdin: "null",
      stderr: "null",
    }).output();
    if (!success) throw new Error(`pactl ${args.join(" ")} failed; ${child.report()}`);
    return new TextDecoder().decode(stdout).trim();
  };
  const end = async () => {
    await child.stop();
    await Deno.remove(dir, { recursive: true });
  };
  try {
    await poll("pulseaudio", 20_000, async () => await pactl("info").catch(() => null));
    await pactl("set-default-sink", sinks[0]);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    env,
    pactl,
    async tone(sink, frequencyHz) {
      const args = [`sink=${sink}`, `frequency=${frequencyHz}`];
      const module = await pactl("load-module", "module-sine", ...args);
      return () => pactl("unload-module", module);
    },
    async sample(name, wav) {
      const file = join(dir, `${name}.wav`);
      await Deno.writeFile(file, wav);
      await pactl("upload-sample", file, name);
      const events = { onSound: () => {}, onEvent: () => {}, onGone: () => {} };
      const client = await PulseClient.connect(join(dir, "pulse", "native"), events);
      const cookie = await pulseCookie(env);
      await client.request((tag) => authCommand(tag, cookie));
      await client.request((tag) => nameCommand(tag, "test"));
      return {
        play: async () => {
          await client.request((tag) =>
            new PulseWriter(PLAY_SAMPLE, tag).u32(NO_INDEX).text("@DEFAULT_SINK@")
              .u32(FULL_VOLUME).text(name).properties({}).packet()
          );
        },
        [Symbol.asyncDispose]: () => client.close(),
      };
    },
    [Symbol.asyncDispose]: end,
  };
}

/** A WAV file of 16-bit stereo samples at 48 kHz. */
export function wavOf(pcm: Uint8Array): Uint8Array {
  const head = new DataView(new ArrayBuffer(44));
  const text = (at: number, value: string) =>
    [...value].forEach((char, i) => head.setUint8(at + i, char.charCodeAt(0)));
  text(0, "RIFF");
  head.setUint32(4, 36 + pcm.length, true);
  text(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true);
  head.setUint16(22, 2, true);
  head.setUint32(24, 48_000, true);
  head.setUint32(28, 48_000 * 4, true);
  head.setUint16(32, 4, true);
  head.setUint16(34, 16, true);
  text(36, "data");
  head.setUint32(40, pcm.length, true);
  const out = new Uint8Array(44 + pcm.length);
  out.set(new Uint8Array(head.buffer));
  out.set(pcm, 44);
  return out;
}
