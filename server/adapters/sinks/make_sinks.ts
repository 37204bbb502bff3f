/** Sinks from settings: each with its writer, its backlog and its limits. */
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import type { SecurityEvent } from "@farglass/protocol";
import type { Log } from "../../core/ports.ts";
import type { DeliveryLimits } from "../../core/telemetry/delivery.ts";
import type { Backlog, SinkWriter } from "../../core/telemetry/ports.ts";
import { syslogMessage } from "../../core/telemetry/syslog.ts";
import { FileWriter } from "./file.ts";
import type { HubSink } from "./hub.ts";
import { MemoryBacklog } from "./memory_backlog.ts";
import { redisLine, RedisStreamWriter } from "./redis_stream.ts";
import { SinkRunner } from "./runner.ts";
import { Spool } from "./spool.ts";
import { StdoutWriter, type WriteBytes } from "./stdout.ts";
import { SyslogWriter } from "./syslog.ts";
import { WebhookWriter } from "./webhook.ts";

/** One entry of `telemetry.sinks`. */
export type SinkSettings =
  | { readonly type: "stdout" }
  | {
    readonly type: "file";
    readonly path: string;
    readonly maxBytes: number;
    readonly maxFiles: number;
  }
  | {
    readonly type: "webhook";
    readonly url: string;
    readonly secret: string;
    readonly spoolBytes: number;
  }
  | {
    readonly type: "syslog";
    readonly host: string;
    readonly port: number;
    readonly tls: boolean;
    readonly caFile: string;
    readonly spoolBytes: number;
  }
  | {
    readonly type: "redis";
    readonly url: string;
    readonly stream: string;
    readonly maxLength: number;
    readonly spoolBytes: number;
  };

export interface SinkParts {
  /** Spools are below it, and relative file names start here. */
  readonly dataDir: string;
  readonly stdout: WriteBytes;
  readonly clock: () => number;
  /** Unix ms that never jump; `clock` when left out. */
  readonly steadyClock?: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly onDropped: (sink: string, count: number, total: number) => void;
}

const LIMITS: DeliveryLimits = {
  maxWaiting: 10_000,
  // Events are about 1 KB, so the count is the limit that counts.
  maxWaitingBytes: 32 * 1024 * 1024,
  maxBatch: 200,
  lingerMs: 0,
  minBackoffMs: 1_000,
  maxBackoffMs: 60_000,
  reportMs: 10_000,
};

interface Built {
  readonly writer: SinkWriter;
  readonly line: HubSink["line"];
  readonly limits: DeliveryLimits;
  /** Names the receiver, so that a spool is never delivered to another one; null for no spool. */
  readonly receiver: string | null;
}

const spooled = (spoolBytes: number, more: Partial<DeliveryLimits> = {}): DeliveryLimits => ({
  ...LIMITS,
  maxWaiting: Infinity,
  maxWaitingBytes: spoolBytes,
  ...more,
});

function build(sink: SinkSettings, parts: SinkParts): Built {
  const plain = (_event: SecurityEvent, text: string) => text;
  switch (sink.type) {
    case "stdout": {
      const writer = new StdoutWriter(parts.stdout);
      return { writer, line: plain, limits: LIMITS, receiver: null };
    }
    case "file": {
      const path = resolve(parts.dataDir, sink.path);
      return {
        writer: new FileWriter({ ...sink, path }),
        line: plain,
        limits: LIMITS,
        receiver: null,
      };
    }
    case "webhook": {
      const writer = new WebhookWriter({ ...sink, clock: parts.clock });
      const limits = spooled(sink.spoolBytes, { maxBatch: 500, lingerMs: 250 });
      return { writer, line: plain, limits, receiver: sink.url };
    }
    case "syslog": {
      const origin = { hostname: hostname(), processId: String(process.pid) };
      return {
        writer: new SyslogWriter(sink),
        line: (event, text) => syslogMessage(event, text, origin),
        limits: spooled(sink.spoolBytes),
        receiver: `${sink.host}:${sink.port}`,
      };
    }
    case "redis":
      return {
        writer: new RedisStreamWriter(sink),
        line: (event, text) => redisLine(event.id, event.action, text),
        limits: spooled(sink.spoolBytes),
        receiver: `${sink.url} ${sink.stream}`,
      };
  }
}

/** Opens every sink with what its spool still holds. */
export async function makeSinks(
  settings: readonly SinkSettings[],
  parts: SinkParts,
): Promise<readonly HubSink[]> {
  const sinks: HubSink[] = [];
  const spools = new Map<string, number>();
  for (const [index, sink] of settings.entries()) {
    const { writer, line, limits, receiver } = build(sink, parts);
    const name = `${sink.type}-${index + 1}`;
    const backlog: Backlog = receiver === null ? new MemoryBacklog() : await Spool.open(
      join(parts.dataDir, "spool", spoolName(`${sink.type}-${digest(receiver)}`)),
    );
    const { steadyClock: clock = parts.clock, random, log } = parts;
    const onDropped = (count: number, total: number) => parts.onDropped(name, count, total);
    const runner = new SinkRunner({
      name,
      writer,
      backlog,
      limits,
      clock,
      random,
      log,
      onDropped,
    });
    sinks.push({ runner, line });
  }
  return sinks;

  /** Two sinks with the same receiver have a spool each. */
  function spoolName(base: string): string {
    const uses = (spools.get(base) ?? 0) + 1;
    spools.set(base, uses);
    return uses === 1 ? base : `${base}-${uses}`;
  }
}

const digest = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 16);
