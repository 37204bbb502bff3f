/** prom-client, fenced. Base units, `_total` for counters, no ids as labels. */
import {
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  type OpenMetricsContentType,
  openMetricsContentType,
  type PrometheusContentType,
  prometheusContentType,
  Registry,
} from "prom-client";
import { type DecisionCounts, type ErrorCode, MEDIA_DECISIONS } from "@farglass/protocol";
import type { DropReason, Metrics } from "../core/ports.ts";
import type { DesktopState, SessionEvent } from "../core/state.ts";
import type { SinkStatus } from "../core/telemetry/ports.ts";
import { watchEventLoop } from "./event_loop_lag.ts";

/** From a command on the same machine to the client's own timeout. */
const REDIS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2];
const LAG_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5];

/** What waits in this node for one role's links. */
export interface LinkBacklog {
  readonly role: "agent" | "console";
  /** Sent, or waiting for a socket, and not acknowledged. */
  readonly messages: number;
  readonly bytes: number;
}

/** From a loopback connection to the negotiation's deadline. */
const SECONDS = [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 15];

const OPEN_METRICS = "application/openmetrics-text";

/** The server's metrics in a registry of their own. */
export class PromMetrics implements Metrics {
  readonly #registry = new Registry<OpenMetricsContentType>();
  /** Scrapes take turns: the form is a setting of the whole registry. */
  #scrape: Promise<unknown> = Promise.resolve();
  /** Counted here and handed over at a scrape: labels cost more than the rest of a message's count. */
  readonly #messages = { in: new Map<string, number>(), out: new Map<string, number>() };
  readonly #rejected: Counter;
  readonly #fallbacks: Counter;
  readonly #restored: Counter;
  readonly #negotiation: Histogram;
  readonly #firstFrame: Histogram;
  readonly #agents: Gauge;
  readonly #consoles: Gauge;
  readonly #relayBytes: Counter;
  readonly #relaySkipped: Counter;
  readonly #dropped: Counter;
  readonly #decisions: Counter;
  readonly #redis: Histogram;
  readonly #lag: Histogram;
  #stopLag: (() => void) | null = null;

  /** `desktops` is asked at each scrape, so that gauges cannot drift from the state. */
  constructor(desktops: () => Promise<readonly DesktopState[]>) {
    // Exemplars are refused elsewhere.
    this.#registry.setContentType(openMetricsContentType);
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    // On this runtime they say that all is well while nothing moves (see event_loop_lag.ts).
    for (const metric of this.#registry.getMetricsAsArray()) {
      if (/^nodejs_eventloop/.test(metric.name)) this.#registry.removeSingleMetric(metric.name);
    }
    new Gauge({
      name: "farglass_sessions",
      help: "Live sessions by stage and transport, those of all nodes",
      labelNames: ["stage", "transport"],
      registers,
      async collect() {
        // While the store is away nobody knows: no value rather than a wrong one.
        const known = await desktops().catch(() => []);
        this.reset();
        for (const desktop of known) {
          for (const { stage, transport } of Object.values(desktop.sessions)) {
            this.inc({ stage, transport });
          }
        }
      },
    });
    const counter = (name: string, help: string, labelNames: readonly string[] = []) =>
      new Counter({ name, help, labelNames: [...labelNames], registers });
    const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
    const messages = this.#messages;
    new Counter({
      name: "farglass_messages_total",
      help: "Signalling messages by type and direction",
      labelNames: ["type", "direction"],
      registers,
      collect() {
        this.reset();
        for (const direction of ["in", "out"] as const) {
          for (const [type, count] of messages[direction]) this.inc({ type, direction }, count);
        }
      },
    });
    this.#rejected = counter(
      "farglass_rejected_messages_total",
      "Messages and requests answered with an error, by code",
      ["code"],
    );
    this.#fallbacks = counter(
      "farglass_transport_fallbacks_total",
      "Switches to a lesser transport, by reason",
      ["reason"],
    );
    this.#restored = counter(
      "farglass_transport_restored_total",
      "Returns to a better transport, by reason",
      ["reason"],
    );
    this.#negotiation = new Histogram({
      name: "farglass_negotiation_duration_seconds",
      help: "From an offer to its answer and to its connection, by the phase reached",
      labelNames: ["phase"],
      buckets: SECONDS,
      enableExemplars: true,
      registers,
    });
    this.#firstFrame = new Histogram({
      name: "farglass_first_frame_seconds",
      help: "From the newest offer, or from the request where there was none, to the first picture",
      buckets: SECONDS,
      enableExemplars: true,
      registers,
    });
    this.#agents = gauge("farglass_connected_agents", "Agents with an open link");
    this.#consoles = gauge("farglass_connected_consoles", "Consoles with an open link");
    this.#relayBytes = counter(
      "farglass_relay_bytes_total",
      "Bytes forwarded by the diff relay, both ways",
    );
    this.#relaySkipped = counter(
      "farglass_relay_skipped_frames_total",
      "Diff frames skipped because a console read too slowly",
    );
    this.#dropped = counter(
      "farglass_dropped_messages_total",
      "Signalling messages that no client will get any more, by the reason",
      ["reason"],
    );
    this.#decisions = counter(
      "farglass_congestion_decisions_total",
      "Decisions about rates, patches, video regions and playout, by reason, as reported",
      ["reason"],
    );
    this.#redis = new Histogram({
      name: "farglass_redis_command_duration_seconds",
      help: "Commands to Redis until their answer, by what became of them",
      labelNames: ["outcome"],
      buckets: REDIS_SECONDS,
      registers,
    });
    this.#lag = new Histogram({
      name: "farglass_event_loop_lag_seconds",
      help: "How late a timer of 100 ms came",
      buckets: LAG_SECONDS,
      registers,
    });
  }

  message(type: string, direction: "in" | "out"): void {
    const counts = this.#messages[direction];
    counts.set(type, (counts.get(type) ?? 0) + 1);
  }

  rejected(code: ErrorCode): void {
    this.#rejected.inc({ code });
  }

  sessionEvent(event: SessionEvent, traceId?: string): void {
    if (event.type === "DESKTOP_TRANSPORT_FALLBACK") this.#fallbacks.inc({ reason: event.reason });
    if (event.type === "DESKTOP_TRANSPORT_RESTORED") this.#restored.inc({ reason: event.reason });
    if (event.type !== "DESKTOP_WEBRTC_STATE") return;
    const { stage, previous, transport, reason, elapsedMs } = event;
    const seconds = elapsedMs / 1000;
    const open = previous === "answered" || previous === "connecting";
    // OpenMetrics 1.0, "Exemplars": the trace in which it took so long.
    const exemplarLabels: Record<string, string> = traceId === undefined
      ? {}
      : { trace_id: traceId };
    const seen = { value: seconds, exemplarLabels };
    if (stage === "answered") this.#negotiation.observe({ ...seen, labels: { phase: stage } });
    if (stage === "connected" && open) {
      this.#negotiation.observe({ ...seen, labels: { phase: stage } });
    }
    // Between stages the controller tells of the first picture, and of a console that came back.
    const painted = stage === previous && transport !== "none" && reason !== "session-requested";
    if (painted) this.#firstFrame.observe(seen);
  }

  connections(role: "agent" | "console", count: number): void {
    (role === "agent" ? this.#agents : this.#consoles).set(count);
  }

  relayed(bytes: number): void {
    this.#relayBytes.inc(bytes);
  }

  relaySkipped(frames: number): void {
    this.#relaySkipped.inc(frames);
  }

  dropped(reason: DropReason, messages: number): void {
    if (messages > 0) this.#dropped.inc({ reason }, messages);
  }

  mediaDecisions(counts: DecisionCounts): void {
    for (const reason of MEDIA_DECISIONS) {
      const count = counts[reason] ?? 0;
      if (count > 0) this.#decisions.inc({ reason }, count);
    }
  }

  redisCommand(outcome: "ok" | "error", seconds: number): void {
    this.#redis.observe({ outcome }, seconds);
  }

  /** Begins to measure how late the event loop is; `close` ends it. */
  watchEventLoop(): void {
    this.#stopLag ??= watchEventLoop((seconds) => this.#lag.observe(seconds));
  }

  /** Counts what waits in links; asked at each scrape. */
  watchLinks(backlog: () => readonly LinkBacklog[]): void {
    const registers = [this.#registry];
    const labelNames = ["role"];
    const gauge = (name: string, help: string, of: (one: LinkBacklog) => number) =>
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          for (const one of backlog()) this.set({ role: one.role }, of(one));
        },
      });
    gauge(
      "farglass_buffered_messages",
      "Signalling messages that a client has not acknowledged",
      (one) => one.messages,
    );
    gauge(
      "farglass_buffered_bytes",
      "Bytes of unacknowledged messages and of what waits in sockets",
      (one) => one.bytes,
    );
  }

  /**
   * The exposition and its content type: OpenMetrics, which has exemplars, for a scraper whose
   * Accept header names it, else Prometheus' text.
   */
  text(accept = ""): Promise<{ readonly text: string; readonly contentType: string }> {
    const openMetrics = accept.toLowerCase().includes(OPEN_METRICS);
    const scrape = this.#scrape.then(() => this.#text(openMetrics));
    this.#scrape = scrape.catch(() => {});
    return scrape;
  }

  async #text(openMetrics: boolean): Promise<{ text: string; contentType: string }> {
    const registry = this.#registry;
    if (!openMetrics) {
      // Typed for one form, made for both.
      const plain = registry as unknown as Registry<PrometheusContentType>;
      plain.setContentType(prometheusContentType);
      try {
        return { text: await plain.metrics(), contentType: prometheusContentType };
      } finally {
        registry.setContentType(openMetricsContentType);
      }
    }
    // The library renames counters for this form and never back.
    const all = registry.getMetricsAsArray() as unknown as { name: string }[];
    const names = all.map((metric) => metric.name);
    try {
      return { text: await registry.metrics(), contentType: openMetricsContentType };
    } finally {
      all.forEach((metric, i) => metric.name = names[i]);
    }
  }

  /** Counts events that wait for each sink, and those it has lost; asked at each scrape. */
  watchSinks(status: () => readonly SinkStatus[]): void {
    const registers = [this.#registry];
    const labelNames = ["sink"];
    new Gauge({
      name: "farglass_events_waiting",
      help: "Events that wait for a sink",
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const { name, waiting } of status()) this.set({ sink: name }, waiting);
      },
    });
    new Counter({
      name: "farglass_events_dropped_total",
      help: "Events that a sink has lost because its buffer was full",
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const { name, dropped } of status()) this.inc({ sink: name }, dropped);
      },
    });
  }

  /** Counts commands to Redis; asked at each scrape. */
  watchRedis(commands: () => number): void {
    new Counter({
      name: "farglass_redis_commands_total",
      help: "Commands sent to Redis",
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(commands());
      },
    });
  }

  /** Lets go of what the collectors hold. */
  close(): void {
    this.#stopLag?.();
    this.#registry.clear();
  }
}
