/**
 * A network namespace of the test's own: loopback only, in which UDP can be cut and mended while
 * every process in it keeps running. Needs root, iproute2 and iptables.
 */
export interface Netns extends AsyncDisposable {
  readonly name: string;
  /** The command line that runs `command` inside the namespace. */
  wrap(command: string, args: readonly string[]): { command: string; args: string[] };
  /** A script that runs `command` inside the namespace, for callers that take a path only. */
  executable(command: string): Promise<string>;
  /** Drops every UDP packet that arrives in the namespace, or lets them through again. */
  setUdpBlocked(blocked: boolean): Promise<void>;
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(command, { args: [...args], stdout: "null" })
    .output();
  if (code !== 0) {
    throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  }
}

/** Makes a namespace with `lo` up; disposing removes it. */
export async function createNetns(): Promise<Netns> {
  const name = `farglass-${crypto.randomUUID().slice(0, 8)}`;
  const inside = ["netns", "exec", name];
  const dir = await Deno.makeTempDir({ prefix: `${name}-` });
  await run("ip", ["netns", "add", name]);
  await run("ip", [...inside, "ip", "link", "set", "lo", "up"]);
  return {
    name,
    wrap: (command, args) => ({ command: "ip", args: [...inside, command, ...args] }),
    executable: async (command) => {
      const script = `${dir}/run`;
      await Deno.writeTextFile(
        script,
        `#!/bin/sh\nexec ip netns exec ${name} "${command}" "$@"\n`,
        { mode: 0o755 },
      );
      return script;
    },
    setUdpBlocked: (blocked) =>
      run("ip", [
        ...inside,
        "iptables",
        "-w",
        blocked ? "-A" : "-D",
        "INPUT",
        "-p",
        "udp",
        "-j",
        "DROP",
      ]),
    [Symbol.asyncDispose]: async () => {
      await run("ip", ["netns", "delete", name]);
      await Deno.remove(dir, { recursive: true });
    },
  };
}
