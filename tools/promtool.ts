/**
 * Prometheus' rule checker. Debian has it only inside its `prometheus` package, whose installation
 * starts a server; so the program is taken out of the package, and nothing is installed.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const OWN = fileURLToPath(new URL("../.farglass/tools/promtool", import.meta.url));

/** The program's path: its name when it is installed, else where `fetchPromtool` puts it. */
export const promtool = (): string => onPath() ? "promtool" : OWN;

/** Whether it can be run. */
export const hasPromtool = (): boolean => onPath() || isFile(OWN);

/** Takes it out of Debian's package; needs apt and a network, but no root. */
export async function fetchPromtool(): Promise<boolean> {
  const dir = await Deno.makeTempDir({ prefix: "farglass-promtool-" });
  try {
    const loaded = await run("apt-get", ["-q", "download", "prometheus"], dir);
    const name = [...Deno.readDirSync(dir)].find((e) => e.name.endsWith(".deb"))?.name;
    if (!loaded || name === undefined) return false;
    if (!await run("dpkg-deb", ["--extract", join(dir, name), join(dir, "package")], dir)) {
      return false;
    }
    await Deno.mkdir(join(OWN, ".."), { recursive: true });
    // Whole or not at all, for those who look at the same time.
    await Deno.copyFile(join(dir, "package/usr/bin/promtool"), `${OWN}.new`);
    await Deno.rename(`${OWN}.new`, OWN);
    return true;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function run(command: string, args: readonly string[], cwd: string): Promise<boolean> {
  try {
    const child = new Deno.Command(command, { args: [...args], cwd, stdin: "null" }).spawn();
    return (await child.status).success;
  } catch {
    return false; // no such program: not Debian
  }
}

const onPath = (): boolean =>
  (Deno.env.get("PATH") ?? "").split(":").some((dir) => dir !== "" && isFile(`${dir}/promtool`));

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // not there
  }
}
