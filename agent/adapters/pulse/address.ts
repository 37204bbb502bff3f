/** Where the sound server of this user listens, and the secret that it wants to see. */
import { join } from "node:path";
import { COOKIE_BYTES } from "../../core/pulse_wire.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Paths of sockets to try, the likeliest first (PULSE_SERVER, pulse-client.conf(5)). */
export function pulseSockets(env: Env, uid: number | null): readonly string[] {
  const named = env.PULSE_SERVER?.trim();
  if (named !== undefined && named !== "") {
    // `{machine-id}unix:/path`, several with spaces between; servers of other machines are not ours.
    return named.split(/\s+/).flatMap((one) => {
      const path = one.replace(/^\{[^}]*\}/, "").replace(/^unix:/, "");
      return path.startsWith("/") ? [path] : [];
    });
  }
  const runtime = env.XDG_RUNTIME_DIR || (uid === null ? "" : `/run/user/${uid}`);
  return [
    ...env.PULSE_RUNTIME_PATH ? [join(env.PULSE_RUNTIME_PATH, "native")] : [],
    ...runtime === "" ? [] : [join(runtime, "pulse", "native")],
  ];
}

/** The cookie that server and clients of one user share; zeros where there is none. */
export async function pulseCookie(env: Env): Promise<Uint8Array> {
  const home = env.HOME ?? "";
  const files = [
    env.PULSE_COOKIE,
    join(env.XDG_CONFIG_HOME || join(home, ".config"), "pulse", "cookie"),
    join(home, ".pulse-cookie"),
  ];
  for (const file of files) {
    if (file === undefined || file === "") continue;
    try {
      const bytes = await Deno.readFile(file);
      if (bytes.length >= COOKIE_BYTES) return bytes.subarray(0, COOKIE_BYTES);
    } catch {
      // Not there: the next place, or none, which a server may do without.
    }
  }
  return new Uint8Array(COOKIE_BYTES);
}
