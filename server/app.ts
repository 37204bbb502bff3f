/** Puts the server together from its settings, and takes it apart again. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { resolve } from "node:path";
import {
  mintsCredentials,
  parseDuration,
  webrtcCapsFor,
  type WebrtcSettings,
} from "../turn/mod.ts";
import { SteadyClock, watchClock } from "./adapters/clocks.ts";
import { corruptionDraft, type OnCorrupt } from "./adapters/corruption.ts";
import { ControllerShell } from "./adapters/controller_shell.ts";
import { openFilesLimit, safeConnections } from "./adapters/fd_limit.ts";
import { makeHttpApp } from "./adapters/http/app.ts";
import { Identities, loadSecrets } from "./adapters/identity.ts";
import {
  LinkEvents,
  originOf,
  tellLinkRejection,
  tellRefusedUpgrade,
} from "./adapters/link_events.ts";
import { LinkHub } from "./adapters/link_hub.ts";
import type { LinkHubOptions } from "./adapters/link_hub_options.ts";
import {
  MemoryBus,
  MemoryDesktopStore,
  MemoryOnceStore,
  MemoryOperatorPlaces,
} from "./adapters/memory_store.ts";
import { OperatorSessions } from "./adapters/operator_sessions.ts";
import { addressFinder, type HttpServer, listen, refuseUpgrade } from "./adapters/node_http.ts";
import { openOtelTracer, type RunningTracer } from "./adapters/otel_tracer.ts";
import { PromMetrics } from "./adapters/prom_metrics.ts";
import { type Backend, openRedisBackend } from "./adapters/redis_backend.ts";
import type { CommandObserver } from "./adapters/redis_client.ts";
import { Relay } from "./adapters/relay.ts";
import { SignalRouter } from "./adapters/signal_router.ts";
import { type RunningTelemetry, startTelemetry } from "./adapters/telemetry.ts";
import { TraceReports } from "./adapters/trace_reports.ts";
import { SIGNAL_PATH, UpgradeGate } from "./adapters/upgrade_gate.ts";
import { WsServer } from "./adapters/ws_server.ts";
import { isLoopbackHost, type OriginPolicy, originPolicy, parseOrigin } from "./core/origins.ts";
import { type ControllerPolicy, DEFAULT_POLICY } from "./core/policy.ts";
import {
  type Bus,
  DESKTOPS_TOPIC,
  type DesktopStore,
  type HistoryLimits,
  type Log,
  type OnceStore,
  StoreUnavailable,
} from "./core/ports.ts";
import type { DesktopState } from "./core/state.ts";
import { eventSource, rejectionDraft, SERVER_ORIGIN } from "./core/telemetry/drafts.ts";
import type { Settings } from "./settings_schema.ts";

export interface ServerOptions {
  readonly settings: Settings;
  readonly log: Log;
  /** Relative `console.directory` starts here. */
  readonly rootDirectory: string;
  /** The machine's own clock in Unix ms, which may jump. */
  readonly clock?: () => number;
  readonly store?: DesktopStore;
  readonly bus?: Bus;
  readonly once?: OnceStore;
  /** Says by `OTEL_*` whether traces are collected and where; left out, they are not. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where the sink `stdout` writes; how many bytes were taken. */
  readonly stdout?: (bytes: Uint8Array<ArrayBuffer>) => Promise<number>;
}

export interface RunningServer {
  readonly port: number;
  /** `http://127.0.0.1:8080`, or the public URL. */
  readonly baseUrl: string;
  readonly metricsUrl: string;
  /** `ws://…/ws/rd-signal` */
  readonly signalUrl: string;
  readonly agentSecretFile: string;
  /** The console's address with a fresh single-use sign-in link. */
  newConsoleUrl(): Promise<string>;
  /**
   * Takes nothing new on, asks the clients to move (1012), then closes: for a planned stop while
   * other nodes, or the next process, take over.
   */
  drain(): Promise<void>;
  /** Closes every socket with 1001 and stops listening. */
  close(): Promise<void>;
}

/** Clients are asked to move over this time; with the rest a drain stays below ten seconds. */
const DRAIN_MS = 4_000;
/** How long a balancer may at least read in /readyz that the node goes. */
const DRAIN_NOTICE_MS = 1_500;
/** Goodbyes may take this long; the whole stop has two seconds. */
const CLOSE_GRACE_MS = 700;

const policyOf = (settings: Settings, webrtc: WebrtcSettings): ControllerPolicy => ({
  ...DEFAULT_POLICY,
  webrtcEnabled: webrtc.enabled,
  loopbackCandidates: autoOf(settings.webrtc.loopbackCandidates, settings.host),
  credentialTtlMs: mintsCredentials(webrtc) ? webrtc.credentialTtlSeconds * 1000 : null,
  maxSessionsPerDesktop: settings.limits.sessionsPerDesktop,
  maxOffersInFlight: settings.limits.offersInFlight,
  maxRetries: settings.limits.attemptsPerSession,
});

const historyOf = ({ history }: Settings): HistoryLimits => ({
  keepMs: history.hours * 3_600_000,
  perDesktop: history.sessionsPerDesktop,
});

/** As this process is called in events and among the nodes, of which a machine may have several. */
const nodeName = ({ node, redis }: Settings): string =>
  node.id !== "auto"
    ? node.id
    : redis.url === ""
    ? hostname()
    : `${hostname()}-${randomUUID().slice(0, 8)}`;

const autoOf = (value: "auto" | "yes" | "no", host: string): boolean =>
  value === "auto" ? isLoopbackHost(host) : value === "yes";

function webrtcOf(settings: Settings): WebrtcSettings {
  const { credentialTTL, loopbackCandidates: _controllers, ...rest } = settings.webrtc;
  const credentialTtlSeconds = parseDuration(credentialTTL);
  if (credentialTtlSeconds === null) throw new Error("The settings were not checked");
  return { ...rest, credentialTtlSeconds };
}

/** Starts a server. Rejects with PortTakenError when the port is in use. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { settings, log } = options;
  const clock = options.clock ?? Date.now;
  const dataDir = resolve(options.rootDirectory, settings.dataDir);
  const secrets = await loadSecrets(dataDir);
  // Made before there is a store to count in.
  const commands: { seen: CommandObserver } = { seen: () => {} };
  const corrupt: { found: OnCorrupt } = { found: () => {} };
  const nodes: { lost: (nodeId: string) => void } = { lost: () => {} };
  const node = nodeName(settings);
  const backend = settings.redis.url === "" ? null : await openRedisBackend(settings.redis, {
    log,
    nodeId: node,
    onNodeLost: (nodeId) => nodes.lost(nodeId),
    onCommand: (outcome, seconds) => commands.seen(outcome, seconds),
    onCorrupt: (found) => corrupt.found(found),
    history: historyOf(settings),
  });
  const steady = new SteadyClock(clock());
  const once = backend?.once ?? options.once ?? new MemoryOnceStore(steady.now);
  const identities = new Identities(secrets, once, clock);
  const telemetry = await startTelemetry({
    ...settings.telemetry,
    node,
    dataDir,
    stdout: options.stdout ?? ((bytes) => Deno.stdout.write(bytes)),
    clock,
    steadyClock: steady.now,
    newId: randomUUID,
    random: Math.random,
    log,
    settings,
    key: secrets.cookieKey,
  });
  corrupt.found = (found) => telemetry.emit(corruptionDraft(clock(), found));
  nodes.lost = (lostNode) => telemetry.nodeLost(lostNode);
  const tracer = await openOtelTracer({ env: options.env ?? {}, log, clock });
  const signalling = makeSignalling(options, {
    ...{ clock, steady, identities, telemetry, tracer, backend },
  });
  const { metrics, hub, shell } = signalling;
  commands.seen = (outcome, seconds) => metrics.redisCommand(outcome, seconds);
  const sockets = new WsServer((source) => {
    metrics.rejected("too-large");
    const about = { at: clock(), actor: { kind: "operator" as const }, source };
    telemetry.emit(rejectionDraft("too-large", { ...about, messageType: "link" }));
  });
  const life: Life = {
    origins: { origins: new Set(), hosts: new Set() },
    stopping: false,
    listening: true,
  };
  const openFiles = await openFilesLimit();
  const http = await listenFor(options, {
    ...signalling,
    clock,
    identities,
    telemetry,
    sockets,
    life,
    openFiles,
  }).catch(async (error) => {
    signalling.close();
    await telemetry.close();
    throw error;
  });
  const { host, publicUrl, allowedOrigins } = settings;
  life.origins = originPolicy({ host, port: http.port, publicUrl, allowedOrigins });
  const baseUrl = baseUrlOf(settings, http.port);
  // Without its store the node listens and says in /readyz that it is not ready.
  await backend?.whenUp();
  await shell.start();
  log.write("info", "server-started", { port: http.port });
  const close = runOnce(async () => {
    life.stopping = true;
    hub.close();
    await sockets.close(CLOSE_GRACE_MS);
    await http.close();
    await backend?.leave();
    const quiet = shell.close();
    signalling.close();
    await quiet;
    await Promise.all([telemetry.close(), tracer?.close()]);
    log.write("info", "server-stopped");
  });
  return {
    port: http.port,
    baseUrl,
    metricsUrl: `${baseUrl}/metrics`,
    signalUrl: `${baseUrl.replace(/^http/, "ws")}${SIGNAL_PATH}`,
    agentSecretFile: secrets.agentSecretFile,
    newConsoleUrl: async () => {
      const token = await identities.newSignInLink();
      if (token === null) throw new Error("Too many sign-in links are waiting");
      return `${baseUrl}/sign-in?link=${token}`;
    },
    drain: runOnce(async () => {
      life.stopping = true;
      log.write("info", "server-draining", { connections: sockets.count });
      const notice = sockets.count === 0
        ? null
        : new Promise<void>((resolve) => setTimeout(resolve, DRAIN_NOTICE_MS));
      await Promise.all([hub.drain(DRAIN_MS), notice]);
      await close();
    }),
    close,
  };
}

/** What changes while the server runs. */
interface Life {
  /** Known once the port is. */
  origins: OriginPolicy;
  stopping: boolean;
  /** Whether new connections are accepted. */
  listening: boolean;
}

type Signalling = ReturnType<typeof makeSignalling>;

/** Everything behind the sockets: controller, links, relay, metrics. */
function makeSignalling(
  options: ServerOptions,
  parts: {
    readonly clock: () => number;
    /** Of this node: links and rates are measured by it. */
    readonly steady: SteadyClock;
    readonly identities: Identities;
    readonly telemetry: RunningTelemetry;
    readonly tracer: RunningTracer | null;
    readonly backend: Backend | null;
  },
) {
  const { settings, log } = options;
  const { clock, steady, identities, telemetry, tracer, backend } = parts;
  // Of all nodes: sessions are measured by it, whatever a machine believes.
  const shared = backend === null ? steady : new SteadyClock(clock());
  const bus = backend?.bus ?? options.bus ?? new MemoryBus();
  const store = backend?.store ?? options.store ??
    new MemoryDesktopStore(bus, historyOf(settings), steady.now);
  const metrics = new PromMetrics(() => store.list());
  metrics.watchSinks(() => telemetry.status());
  if (backend !== null) metrics.watchRedis(() => backend.commands());
  metrics.watchLinks(() => hub.backlog());
  metrics.watchEventLoop();
  const webrtc = webrtcOf(settings);
  const relay: Relay = new Relay({
    metrics,
    clock: steady.now,
    socketOf: (linkId) => hub.socketOf(linkId),
    send: (linkId, draft) => {
      if (backend === null || hub.socketOf(linkId) !== null) hub.send(linkId, draft);
      else backend.post(linkId, draft);
    },
    remote: backend?.remote ?? null,
    bytesPerSecond: settings.limits.relayBytesPerSecond,
  });
  const operators = new OperatorSessions(
    store,
    backend?.places ?? new MemoryOperatorPlaces(),
    settings.limits.sessionsPerOperator,
  );
  const shell = new ControllerShell({
    store,
    bus,
    log,
    metrics,
    telemetry,
    tracer,
    clock: shared.now,
    wallClock: clock,
    policy: policyOf(settings, webrtc),
    webrtcFor: (desktopId) => webrtcCapsFor(webrtc, { desktopId, nowSeconds: clock() / 1000 }),
    links: backend === null ? null : {
      has: (linkId) => hub.linkOf(linkId) !== null,
      direct: (linkId, drafts) => backend.direct ? hub.direct(linkId, drafts) : null,
    },
    onRoute: (route) => relay.route(route),
    onUnroute: (sessionId) => relay.unroute(sessionId),
    originOf: (linkId) => {
      const link = hub.linkOf(linkId);
      return link === null ? null : originOf(link.identity, link.agent);
    },
  });
  const onRejected: LinkHubOptions["onRejected"] = (code, { identity, agent, type }) => {
    tellLinkRejection({ telemetry, clock }, { identity, agent, code, messageType: type });
  };
  const router = new SignalRouter({
    store,
    shell,
    relay,
    log,
    metrics,
    newId: randomUUID,
    maxDesktops: settings.limits.desktops,
    operators,
    reports: tracer === null ? null : new TraceReports({ tracer, store, clock }),
    hub: () => hub,
    onRejected,
  });
  const hub: LinkHub = new LinkHub({
    bus,
    log,
    metrics,
    clock: steady.now,
    newId: randomUUID,
    limits: linkLimits(settings),
    agentHeartbeatsPerSecond: settings.limits.agentHeartbeatsPerSecond,
    maxBufferedBytes: settings.limits.bufferedBytes,
    checkTicket: (ticket, operator) => identities.useTicket(ticket, operator),
    handlers: new LinkEvents(router, { telemetry, clock }),
    onRejected,
    sharing: backend?.sharing ?? null,
  });
  const desktopsChanged = () => router.desktopsChanged();
  const unsubscribe = bus.subscribe(DESKTOPS_TOPIC, desktopsChanged);
  backend?.join({
    ...{ hub, shell, relay, desktopsChanged },
    onTime: (unixMs) => {
      if (!shared.meet(unixMs)) return;
      shell.start().catch((cause) => {
        log.write("warn", "start-failed", { error: String(cause) });
      });
    },
  });
  const stopWatch = watchClock(clock, steady, (jumpMs) => {
    log.write("warn", "clock-jumped", { jumpMs });
    // The relay's own clock may have done the same, and credentials carry their time.
    const isOurs = (desktop: DesktopState) =>
      desktop.link.at === "online" && hub.linkOf(desktop.link.linkId) !== null;
    shell.reissue(isOurs).catch((cause) => {
      log.write("warn", "reissue-failed", { error: String(cause) });
    });
  });
  const close = () => {
    stopWatch();
    hub.close();
    unsubscribe();
    metrics.close();
    backend?.close();
  };
  const storeUp = () => backend?.healthy() ?? true;
  return { store, metrics, operators, shell, hub, shared, storeUp, close };
}

/** Listens for HTTP and, through the gate, for WebSockets. */
function listenFor(
  options: ServerOptions,
  parts: Signalling & {
    readonly clock: () => number;
    readonly identities: Identities;
    readonly telemetry: RunningTelemetry;
    readonly sockets: WsServer;
    readonly life: Life;
    readonly openFiles: number | null;
  },
): Promise<HttpServer> {
  const { settings, log, rootDirectory } = options;
  const { store, metrics, operators, shell, hub, identities, sockets, life } = parts;
  const { clock, telemetry } = parts;
  // A few more than sockets, so that /healthz answers when the links are used up.
  const wanted = settings.limits.connections + 64;
  const maxConnections = safeConnections(wanted, parts.openFiles);
  if (maxConnections < wanted) {
    log.write("warn", "connections-limited", { maxConnections, openFiles: parts.openFiles });
  }
  const app = makeHttpApp({
    identities,
    store,
    shell,
    metrics,
    telemetry,
    clock,
    steadyClock: parts.shared.now,
    signInFailuresPerMinute: settings.limits.signInFailuresPerMinute,
    operators,
    log,
    newId: randomUUID,
    origins: () => life.origins,
    consoleDirectory: resolve(rootDirectory, settings.console.directory),
    secureCookies: settings.publicUrl.startsWith("https:"),
    metricsText: autoOf(settings.metrics.public, settings.host)
      ? (accept) => metrics.text(accept)
      : null,
    ready: () => !life.stopping,
    listening: () => life.listening,
    storeUp: parts.storeUp,
  });
  const addressOf = addressFinder(settings.trustedProxies);
  const gate = new UpgradeGate({
    addressOf,
    identities,
    sockets,
    hub,
    origins: () => life.origins,
    maxSockets: Math.min(settings.limits.connections, Math.max(1, maxConnections - 8)),
    stopping: () => life.stopping,
    rejected: (code, refused) => {
      metrics.rejected(code);
      tellRefusedUpgrade({ telemetry, clock }, code, refused);
    },
  });
  return listen(settings, {
    fetch: (request, peer) => app.fetch(request, peer),
    upgrade: (request, socket, head) => {
      gate.upgrade(request, socket, head).catch((cause) => {
        if (cause instanceof StoreUnavailable) return refuseUpgrade(socket, "store-unavailable");
        log.write("error", "upgrade-failed", { error: String(cause) });
        refuseUpgrade(socket, "internal");
      });
    },
    maxConnections,
    addressOf,
    onListening: (listening) => {
      life.listening = listening;
      if (listening) return log.write("info", "listener-restored");
      const code = "out-of-descriptors";
      log.write("error", "listener-died", { code });
      metrics.rejected(code);
      const about = { at: clock(), ...SERVER_ORIGIN, messageType: "listener" };
      telemetry.emit(rejectionDraft(code, about));
    },
    onError: (cause) => log.write("error", "http-failed", { error: String(cause) }),
    onRejected: (code, { address }) => {
      metrics.rejected(code);
      const source = eventSource(address, undefined);
      const about = { at: clock(), actor: { kind: "operator" as const }, source };
      telemetry.emit(rejectionDraft(code, { ...about, messageType: "HTTP" }));
    },
  });
}

function runOnce(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => running ??= run();
}

function linkLimits({ limits }: Settings) {
  const of = (perSecond: number, bytesPerSecond: number) => ({
    rate: { perSecond, burst: perSecond * 2 },
    bytes: { perSecond: bytesPerSecond, burst: bytesPerSecond },
    maxBadMessages: limits.badMessages,
  });
  return {
    agent: of(limits.agentMessagesPerSecond, limits.agentBytesPerSecond),
    console: of(limits.consoleMessagesPerSecond, limits.consoleBytesPerSecond),
  };
}

/** Where a browser on this machine reaches the server. */
function baseUrlOf(settings: Settings, port: number): string {
  const known = parseOrigin(settings.publicUrl);
  if (known !== null) return known.origin;
  const { host } = settings;
  const everywhere = host === "0.0.0.0" || host === "::";
  const name = everywhere ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  return `http://${name}:${port}`;
}
