/** Programs and libraries that the tests need from the system, and how to get them on Debian. */

import { fetchPromtool, hasPromtool } from "./promtool.ts";

export interface Need {
  /** As a person would call it. */
  readonly what: string;
  readonly debianPackage: string;
  present(): boolean;
  /** How to have it without installing its package. */
  readonly fetch?: () => Promise<boolean>;
}

/** A program on the path, and the Debian package that brings it. */
export const program = (what: string, debianPackage = what): Need => ({
  what,
  debianPackage,
  present: () => onPath(what),
});
const library = (what: string, debianPackage: string): Need => ({
  what,
  debianPackage,
  present: () => loads(what),
});

const NEEDS: readonly Need[] = [
  {
    what: "chromium",
    debianPackage: "chromium",
    present: () => {
      const own = Deno.env.get("FARGLASS_CHROMIUM");
      return own === undefined ? isFile("/usr/bin/chromium") : isFile(own);
    },
  },
  program("Xvfb", "xvfb"),
  program("Xorg", "xserver-xorg-core"),
  {
    what: "Xorg's dummy driver",
    debianPackage: "xserver-xorg-video-dummy",
    present: () => isFile("/usr/lib/xorg/modules/drivers/dummy_drv.so"),
  },
  program("Xephyr", "xserver-xephyr"),
  program("xauth"),
  program("xterm"),
  program("xdotool"),
  program("xrandr", "x11-xserver-utils"),
  program("xwininfo", "x11-utils"),
  program("setxkbmap", "x11-xkb-utils"),
  program("turnserver", "coturn"),
  program("ffmpeg"),
  program("ffprobe", "ffmpeg"),
  program("ip", "iproute2"),
  program("iptables"),
  program("curl"),
  program("openssl"),
  program("redis-server"),
  program("script", "bsdutils"),
  program("pulseaudio"),
  program("pactl", "pulseaudio-utils"),
  {
    what: "promtool",
    debianPackage: "prometheus",
    present: hasPromtool,
    fetch: fetchPromtool,
  },
  library("libX11.so.6", "libx11-6"),
  library("libXext.so.6", "libxext6"),
  library("libXtst.so.6", "libxtst6"),
  library("libXdamage.so.1", "libxdamage1"),
  library("libXfixes.so.3", "libxfixes3"),
  library("libXrandr.so.2", "libxrandr2"),
  library("libXinerama.so.1", "libxinerama1"),
  library("libxkbcommon.so.0", "libxkbcommon0"),
  {
    what: "the DejaVu fonts",
    debianPackage: "fonts-dejavu-core",
    present: () => isFile("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
  },
];

/**
 * Installs what is missing, as root on Debian or Ubuntu; elsewhere says what is missing. Returns
 * whether everything is there now.
 */
export async function ensureSystemPackages(
  log: (line: string) => void,
  needs: readonly Need[] = NEEDS,
): Promise<boolean> {
  const missing = needs.filter((need) => !need.present());
  if (missing.length === 0) return true;
  const own = missing.filter((need) => need.fetch === undefined);
  const packages = [...new Set(own.map((need) => need.debianPackage))];
  log(`Missing: ${missing.map((need) => need.what).join(", ")}`);
  if (!isDebian()) {
    const all = [...new Set(missing.map((need) => need.debianPackage))].join(" ");
    log(`Install them, then run this again; on Debian their packages are ${all}`);
    return false;
  }
  if (packages.length > 0 && Deno.uid() !== 0) {
    log(`Install them: sudo apt-get install ${packages.join(" ")}`);
    return false;
  }
  let done = Deno.uid() !== 0 || await aptGet("update");
  if (packages.length > 0) {
    log(`Installing ${packages.join(" ")}`);
    done &&= await aptGet("install", "-y", "--no-install-recommends", ...packages);
  }
  for (const need of missing) {
    if (need.fetch === undefined) continue;
    log(`Taking ${need.what} out of the package ${need.debianPackage}`);
    done = await need.fetch() && done;
  }
  const left = needs.filter((need) => !need.present()).map((need) => need.what);
  if (left.length > 0) {
    log(`Still missing: ${left.join(", ")}`);
    if (left.includes("chromium")) log("Name another Chromium by FARGLASS_CHROMIUM=/path/to/it");
  }
  return done && left.length === 0;
}

async function aptGet(...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command("apt-get", {
    args: ["-q", ...args],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
  }).spawn().status;
  return success;
}

function isDebian(): boolean {
  try {
    const release = Deno.readTextFileSync("/etc/os-release");
    return /^ID(?:_LIKE)?=.*\b(?:debian|ubuntu)\b/m.test(release) && onPath("apt-get");
  } catch {
    return false; // no such file: not a Linux distribution
  }
}

const onPath = (name: string): boolean =>
  // System programs stand in sbin, which is not on everybody's path.
  [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin"]
    .some((dir) => dir !== "" && isFile(`${dir}/${name}`));

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // not there
  }
}

function loads(name: string): boolean {
  try {
    Deno.dlopen(name, {}).close();
    return true;
  } catch {
    return false; // not there
  }
}
