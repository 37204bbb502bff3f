/** The server's events from start to stop: sinks, node up and down, changed settings. */
import { createHmac } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type EventDraft, SOFTWARE_VERSION } from "@farglass/protocol";
import type { Log } from "../core/ports.ts";
import { SERVER_ORIGIN } from "../core/telemetry/drafts.ts";
import type { SinkStatus, Telemetry } from "../core/telemetry/ports.ts";
import { type EventFormat, EventHub } from "./sinks/hub.ts";
import { makeSinks, type SinkSettings } from "./sinks/make_sinks.ts";
import type { WriteBytes } from "./sinks/stdout.ts";

export interface TelemetryOptions {
  readonly format: EventFormat;
  readonly sinks: readonly SinkSettings[];
  /** Name of this process in events. */
  readonly node: string;
  readonly dataDir: string;
  readonly stdout: WriteBytes;
  readonly clock: () => number;
  /** Unix ms that never jump: retries and windows are measured by it. */
  readonly steadyClock: () => number;
  readonly newId: () => string;
  readonly random: () => number;
  readonly log: Log;
  /** All settings, to tell when they are not those of the last start. */
  readonly settings: object;
  /** Keeps guesses at a setting's value from being checked against what is stored. */
  readonly key: string;
}

/** Fingerprints of the settings at the last start. */
const SETTINGS_FILE = "settings.seen";

export interface RunningTelemetry extends Telemetry {
  status(): readonly SinkStatus[];
  /** Another node has died. */
  nodeLost(lostNode: string): void;
  /** Says that the node goes down, and delivers what can be delivered soon. */
  close(): Promise<void>;
}

/** Opens the sinks and says that the node is up. */
export async function startTelemetry(options: TelemetryOptions): Promise<RunningTelemetry> {
  const { format, node, dataDir, stdout, clock, steadyClock, newId, random, log } = options;
  const hub = new EventHub({ node, format, clock, steadyClock, newId, log });
  const server = { ...SERVER_ORIGIN, actor: { ...SERVER_ORIGIN.actor, id: node } };
  const onDropped = (sink: string, count: number, total: number) => {
    log.write("error", "events-dropped", { sink, count, total });
    const details = { sink, count, total };
    const action = "events-dropped" as const;
    const reason = "buffer-full" as const;
    hub.emit({ action, at: clock(), outcome: "failure", ...server, reason, details });
  };
  const parts = { dataDir, stdout, clock, steadyClock, random, log, onDropped };
  hub.start(await makeSinks(options.sinks, parts));
  const upAt = clock();
  const up = { at: upAt, outcome: "success" as const, ...server };
  hub.emit({ action: "node-up", ...up, details: { software: SOFTWARE_VERSION } });
  const keys = await changedSettings(options);
  if (keys.length > 0) {
    const details = { scope: "server" as const, keys: keys.join(",").slice(0, 2048) };
    hub.emit({ action: "configuration-changed", ...up, details });
  }
  return {
    emit: (draft: EventDraft) => hub.emit(draft),
    status: () => hub.status(),
    nodeLost: (lostNode) =>
      hub.emit({
        action: "node-lost",
        at: clock(),
        outcome: "failure",
        ...server,
        details: { lostNode },
      }),
    async close() {
      const uptimeMs = Math.max(0, clock() - upAt);
      const details = { uptimeMs };
      hub.emit({ action: "node-down", at: clock(), outcome: "success", ...server, details });
      await hub.close();
    },
  };
}

/** Names of settings with another value than at the last start; none at the very first. */
async function changedSettings(options: TelemetryOptions): Promise<string[]> {
  const { dataDir, settings, key, log } = options;
  const path = join(dataDir, SETTINGS_FILE);
  const now = Object.fromEntries(
    leaves(settings, "").map(([name, value]) =>
      [name, createHmac("sha256", key).update(`${name}\n${value}`).digest("hex")] as const
    ),
  );
  let seen: Record<string, unknown> | null;
  try {
    seen = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") {
      log.write("warn", "settings-unreadable", { file: SETTINGS_FILE });
    }
    seen = null;
  }
  await writeFile(`${path}.new`, JSON.stringify(now), { mode: 0o600 });
  await rename(`${path}.new`, path);
  if (seen === null) return [];
  const names = new Set([...Object.keys(now), ...Object.keys(seen)]);
  return [...names].filter((name) => now[name] !== seen[name]).toSorted();
}

/** Dotted names of all settings and their values as text; a list is one value. */
function leaves(object: object, prefix: string): (readonly [string, string])[] {
  return Object.entries(object).flatMap(([key, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? leaves(value, `${prefix}${key}.`)
      : [[`${prefix}${key}`, JSON.stringify(value)] as const]
  );
}
