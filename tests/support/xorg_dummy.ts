/** A real Xorg with outputs in memory: displays can be plugged, unplugged and given other modes. */
import { join } from "node:path";
import { spawnProcess } from "./process.ts";
import { xrandr } from "./xephyr.ts";

export interface XorgDummy extends AsyncDisposable {
  readonly display: string;
  /** Gives an output a mode at a place of the screen, as a person would who plugs it in. */
  plug(output: string, mode: string, at?: { readonly rightOf: string }): Promise<void>;
  unplug(output: string): Promise<void>;
}

const CONFIG = `
Section "ServerFlags"
  Option "AutoAddDevices" "false"
  Option "AllowMouseOpenFail" "true"
EndSection
Section "Device"
  Identifier "memory"
  Driver "dummy"
  VideoRam 65536
EndSection
Section "Monitor"
  Identifier "any"
  HorizSync 5-1000
  VertRefresh 5-200
EndSection
Section "Screen"
  Identifier "screen"
  Device "memory"
  Monitor "any"
  DefaultDepth 24
EndSection
`;

/** Starts it with one output, DUMMY0; resolves when it accepts clients. */
export async function startXorgDummy(mode: string): Promise<XorgDummy> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "farglass-xorg-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const config = join(dir, "xorg.conf");
  await Deno.writeTextFile(config, CONFIG);
  const child = spawnProcess({
    name: "Xorg",
    command: "Xorg",
    args: [
      ...["-displayfd", "1", "-config", config, "-logfile", join(dir, "xorg.log")],
      ...["-nolisten", "tcp", "-noreset", "-novtswitch", "-sharevts"],
    ],
  });
  stack.defer(async () => void await child.stop());
  const [, number] = await child.waitForLine(/^(\d+)$/, 20_000);
  const display = `:${number}`;
  await xrandr(display, "--output", "DUMMY0", "--mode", mode);
  const owned = stack.move();
  return {
    display,
    plug: async (output, mode, at) => {
      // DUMMY0 has every mode by itself.
      if (output !== "DUMMY0") await xrandr(display, "--addmode", output, mode);
      const place = at === undefined ? [] : ["--right-of", at.rightOf];
      await xrandr(display, "--output", output, "--mode", mode, ...place);
    },
    unplug: (output) => xrandr(display, "--output", output, "--off"),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
