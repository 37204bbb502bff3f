/** The rooms of the house (design section 2) and which may import which. */

/** One part of the tree that has rules of its own. */
export type Room =
  | "protocol"
  | `${Side}/core`
  | `${Side}/adapters`
  | "browser/ui"
  | Side
  | "turn"
  | "tools"
  | "tests";
export type Side = "server" | "agent" | "browser";

/** The console's build settings: run by a tool, beside what they build. */
const CONSOLE_BUILD = "browser/vite.config.ts";

const SIDES: readonly Side[] = ["server", "agent", "browser"];

/** The room of a path relative to the repository, or null for files outside every room. */
export function roomOf(path: string): Room | null {
  if (isTest(path)) return "tests";
  if (path === CONSOLE_BUILD) return "tools";
  const [first, second, third] = path.split("/");
  const side = SIDES.find((name) => name === first);
  if (side !== undefined) {
    if (third !== undefined && (second === "core" || second === "adapters")) {
      return `${side}/${second}`;
    }
    if (side === "browser" && second === "ui") return "browser/ui";
    return side;
  }
  return first === "protocol" || first === "turn" || first === "tools" ? first : null;
}

/**
 * What ships with nothing: `tests/`, `testdata/`, `testing/`, `*_test.ts`, and `*_contract.ts`,
 * the suites that every implementation of a port runs.
 */
export const isTest = (path: string): boolean =>
  path.startsWith("tests/") || /(?:^|\/)test(?:data|ing)\/|_(?:test|contract)\.tsx?$/.test(path);

/** Rooms that have no IO, clock, randomness or timers. */
export const isPure = (room: Room | null): boolean =>
  room === "protocol" || (room?.endsWith("/core") ?? false);

/** Rooms that code of `room` may import from, beside its own. */
export function mayImport(room: Room): readonly Room[] {
  switch (room) {
    case "protocol":
      return [];
    case "server/core":
    case "agent/core":
    case "browser/core":
    case "turn":
      return ["protocol"];
    case "server/adapters":
      return ["protocol", "server/core", "turn"];
    case "agent/adapters":
      return ["protocol", "agent/core"];
    case "browser/adapters":
      return ["protocol", "browser/core"];
    case "browser/ui":
      return ["protocol", "browser/core"];
    case "server":
      return ["protocol", "server/core", "server/adapters", "turn"];
    case "agent":
      return ["protocol", "agent/core", "agent/adapters"];
    case "browser":
      return ["protocol", "browser/core", "browser/adapters", "browser/ui"];
    case "tools":
      // Tables that documents are generated from.
      return ["protocol", "server/core"];
    case "tests":
      return [
        ...["protocol", "server/core", "agent/core", "browser/core", "turn", "tools"] as const,
        ...["server/adapters", "agent/adapters", "browser/adapters", "browser/ui"] as const,
        ...["server", "agent", "browser"] as const,
      ];
  }
}

/** Bare packages that are pure themselves. */
export const PURE_PACKAGES: readonly string[] = ["@farglass/protocol", "valibot"];

const BUILD = /^(?:tools\/build_console\.ts|browser\/vite\.config\.ts)$/;

/** The one adapter of each vendor library, per side; tests are free. */
export const FENCES: readonly { readonly vendor: string; readonly inside: RegExp }[] = [
  { vendor: "hono", inside: /^server\/adapters\/http\// },
  {
    vendor: "ws",
    inside: /^(?:server\/adapters\/ws_server|agent\/adapters\/signalling_socket)\.ts$/,
  },
  { vendor: "ioredis", inside: /^server\/adapters\/(?:redis_[a-z_]+|sinks\/redis_stream)\.ts$/ },
  { vendor: "prom-client", inside: /^server\/adapters\/prom_metrics\.ts$/ },
  { vendor: "werift", inside: /^agent\/adapters\/peer_werift\// },
  { vendor: "node-datachannel", inside: /^agent\/adapters\/peer_libdatachannel\// },
  { vendor: "node-av", inside: /^agent\/adapters\/libav\// },
  { vendor: "smol-toml", inside: /^agent\/adapters\/toml_file\.ts$/ },
  { vendor: "fflate", inside: /^browser\/adapters\/inflate\.ts$/ },
  { vendor: "react", inside: /^browser\/(?:ui\/|main\.tsx$)/ },
  { vendor: "react-dom", inside: /^browser\/(?:ui\/|main\.tsx$)/ },
  { vendor: "vite", inside: BUILD },
  { vendor: "@vitejs/plugin-react", inside: BUILD },
  { vendor: "@tailwindcss/vite", inside: BUILD },
  { vendor: "playwright-core", inside: /^tests\// },
  { vendor: "fast-check", inside: /^tests\// },
];

/** Where native libraries may be opened; the tools only look whether they are there. */
export const FFI_FENCE = /^(?:agent\/adapters\/x11\/|tools\/system_packages\.ts$)/;

/** The package that a bare specifier names: `node-av/lib` → `node-av`, `@a/b/c` → `@a/b`. */
export function packageOf(specifier: string): string | null {
  if (/^(?:\.{1,2}\/|\/|node:|[a-z]+:\/\/)/.test(specifier)) return null;
  const bare = specifier.replace(/^npm:\/?/, "").replace(/(.)@[\d^~].*$/, "$1");
  return bare.split("/").slice(0, bare.startsWith("@") ? 2 : 1).join("/");
}
