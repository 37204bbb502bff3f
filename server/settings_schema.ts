/** Shape, bounds and defaults of the server's settings. */
import * as v from "valibot";
import { LOG_LEVELS } from "./adapters/json_log.ts";
import { EVENT_FORMATS } from "./adapters/sinks/hub.ts";
import { parseIpRange } from "./core/client_address.ts";
import { isLoopbackHost, parseOrigin } from "./core/origins.ts";
import { MAX_TTL_SECONDS, MIN_TTL_SECONDS, parseDuration } from "../turn/mod.ts";

const whole = (min: number, max: number) =>
  v.pipe(
    v.number(`a whole number from ${min} to ${max}`),
    v.check(
      (n) => Number.isInteger(n) && n >= min && n <= max,
      `a whole number from ${min} to ${max}`,
    ),
  );
const text = (max = 1024) =>
  v.pipe(
    v.string("a text"),
    v.maxLength(max, `a text of at most ${max} characters`),
  );
const flag = v.boolean("true or false");
const choice = <const T extends readonly string[]>(options: T) =>
  v.picklist(options, options.map((o) => `"${o}"`).join(" or "));

const originRule = "an origin such as https://desk.example.com";
const origin = v.pipe(text(256), v.check((t) => parseOrigin(t) !== null, originRule));
const ipRange = v.pipe(
  text(64),
  v.check(
    (t) => parseIpRange(t) !== null,
    "an address or range such as 192.0.2.7 or 2001:db8::/32",
  ),
);
const durationRule = `a duration from ${MIN_TTL_SECONDS}s to ${
  MAX_TTL_SECONDS / 3600
}h, such as "10m"`;
const lifetime = v.pipe(
  text(32),
  v.check((t) => {
    const seconds = parseDuration(t);
    return seconds !== null && seconds >= MIN_TTL_SECONDS && seconds <= MAX_TTL_SECONDS;
  }, durationRule),
);
const iceUrlRule = "a stun:, turn: or turns: URL such as turn:turn.example.com:3478?transport=udp";
const iceUrl = v.pipe(
  text(256),
  // RFC 7064 section 3.1 and RFC 7065 section 3.1.
  v.regex(
    /^(?:stuns?:(?:[\w.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?|turns?:(?:[\w.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?(?:\?transport=(?:udp|tcp))?)$/i,
    iceUrlRule,
  ),
);
const iceServer = v.pipe(
  v.strictObject({
    urls: v.pipe(
      v.array(iceUrl, "a list of URLs"),
      v.minLength(1, "at least one URL"),
      v.maxLength(8, "at most 8 URLs"),
    ),
    credentialSecret: v.optional(text(256), ""),
    credentialType: v.optional(choice(["password"]), "password"),
  }, "an object with urls, credentialSecret and credentialType"),
  v.check(
    (s) => s.credentialSecret !== "" || s.urls.every((u) => /^stuns?:/i.test(u)),
    "given a credentialSecret, which turn: and turns: URLs need",
  ),
);

const redisUrlRule = "empty or a URL such as redis://user:password@redis.example.com:6379/0";
const redisUrl = v.pipe(
  text(512),
  v.check((t) => t === "" || isRedisUrl(t), redisUrlRule),
);
const endpoint = v.pipe(
  text(256),
  v.regex(/^(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/, "a host and port such as redis1:26379"),
);
const endpoints = v.pipe(
  v.array(endpoint, "a list of hosts with ports"),
  v.maxLength(16, "at most 16 hosts"),
);

/** Redis by URL, as the `redis` and `rediss` schemes of IANA's provisional registrations. */
function isRedisUrl(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && /^rediss?:$/.test(url.protocol) && url.hostname !== "" &&
    /^(?:\/\d{0,4})?$/.test(url.pathname) && url.search === "" && url.hash === "";
}

const filled = (what: string, max?: number) => v.pipe(text(max), v.minLength(1, what));
const webhookRule = "an https: URL, or an http: URL of this machine";
const webhookUrl = v.pipe(
  text(),
  v.check((t) => {
    const url = URL.parse(t);
    if (url === null || url.username !== "" || url.password !== "") return false;
    return url.protocol === "https:" || url.protocol === "http:" && isLoopbackHost(url.hostname);
  }, webhookRule),
);
const streamUrl = v.pipe(
  text(),
  v.check((t) => /^rediss?:$/.test(URL.parse(t)?.protocol ?? ""), "a redis: or rediss: URL"),
);
/** Bytes of events that wait on disk while the receiver is away. */
const spoolBytes = v.optional(whole(64 * 1024, 1024 ** 4), 64 * 1024 ** 2);
const SINK_ENTRIES = {
  stdout: { type: v.literal("stdout") },
  file: {
    type: v.literal("file"),
    /** A relative path starts at `dataDir`. */
    path: v.optional(filled("a file"), "events.jsonl"),
    maxBytes: v.optional(whole(4096, 1024 ** 4), 16 * 1024 ** 2),
    maxFiles: v.optional(whole(1, 1000), 5),
  },
  webhook: {
    type: v.literal("webhook"),
    url: webhookUrl,
    /** Signs every batch. */
    secret: v.pipe(text(512), v.minLength(16, "a text of at least 16 characters")),
    spoolBytes,
  },
  syslog: {
    type: v.literal("syslog"),
    host: filled("an address or host name", 255),
    port: v.optional(whole(1, 65535), 6514),
    tls: v.optional(flag, true),
    caFile: v.optional(text(), ""),
    spoolBytes,
  },
  redis: {
    type: v.literal("redis"),
    url: streamUrl,
    stream: v.optional(filled("a key", 256), "farglass:events"),
    maxLength: v.optional(whole(1, 1e9), 100_000),
    spoolBytes,
  },
};
const sinkRule = `an object with a type: ${Object.keys(SINK_ENTRIES).join(", ")}`;
const sink = v.variant("type", [
  v.strictObject(SINK_ENTRIES.stdout),
  v.strictObject(SINK_ENTRIES.file),
  v.strictObject(SINK_ENTRIES.webhook),
  v.strictObject(SINK_ENTRIES.syslog),
  v.strictObject(SINK_ENTRIES.redis),
], sinkRule);
/** Keys of a sink of that type, or of any. */
export const sinkKeys = (type: string): readonly string[] =>
  Object.hasOwn(SINK_ENTRIES, type)
    ? Object.keys(SINK_ENTRIES[type as keyof typeof SINK_ENTRIES])
    : [...new Set(Object.values(SINK_ENTRIES).flatMap((entries) => Object.keys(entries)))];

/** `server/config.json`. Every key has a default; unknown keys are refused. */
export const settingsSchema = v.strictObject({
  /** Address to listen on. */
  host: v.optional(v.pipe(text(255), v.minLength(1, "an address or host name")), "127.0.0.1"),
  /** Port to listen on; 0 picks a free one. */
  port: v.optional(whole(0, 65535), 8080),
  /** Holds the agent secret and the cookie key; made when it is missing. */
  dataDir: v.optional(v.pipe(text(), v.minLength(1, "a directory")), ".farglass/server"),
  /** The address people use, where it is not the one the server listens on; empty for none. */
  publicUrl: v.optional(v.union([v.literal(""), origin], originRule), ""),
  /** Further origins the console may be loaded from. */
  allowedOrigins: v.optional(v.array(origin, "a list of origins"), []),
  /** Reverse proxies whose `X-Forwarded-For` says where a client is: in events and limits. */
  trustedProxies: v.optional(
    v.pipe(v.array(ipRange, "a list of addresses"), v.maxLength(64, "at most 64 addresses")),
    [],
  ),
  console: v.optional(
    v.strictObject({
      /** The built console; a relative path starts at the project's root. */
      directory: v.optional(v.pipe(text(), v.minLength(1, "a directory")), "browser/dist"),
    }, "an object"),
    {},
  ),
  limits: v.optional(
    v.strictObject({
      /** WebSockets and HTTP connections together. */
      connections: v.optional(whole(1, 15_000), 1024),
      desktops: v.optional(whole(1, 15_000), 128),
      sessionsPerDesktop: v.optional(whole(1, 64), 12),
      /** Live sessions of one operator, over all desktops and nodes. */
      sessionsPerOperator: v.optional(whole(1, 10_000), 16),
      /** Offers of one desktop that its agent has not answered yet. */
      offersInFlight: v.optional(whole(1, 64), 8),
      /** Offers of one session without a connection in between. */
      attemptsPerSession: v.optional(whole(1, 1_000_000), 1000),
      /** Unreadable messages on one link before it is closed. */
      badMessages: v.optional(whole(1, 1000), 20),
      /** Wrong sign-in links of one address; all addresses together may try twenty times as many. */
      signInFailuresPerMinute: v.optional(whole(1, 10_000), 30),
      consoleMessagesPerSecond: v.optional(whole(10, 10_000), 200),
      agentMessagesPerSecond: v.optional(whole(10, 100_000), 2000),
      /** Signalling text of one console. */
      consoleBytesPerSecond: v.optional(whole(65_536, 1_073_741_824), 1_048_576),
      /** Signalling text of one agent. */
      agentBytesPerSecond: v.optional(whole(65_536, 1_073_741_824), 4_194_304),
      /** Pixels of one session through the diff relay. */
      relayBytesPerSecond: v.optional(whole(65_536, 1_073_741_824), 33_554_432),
      /** What may wait in all sockets together before the slowest peers are cut off. */
      bufferedBytes: v.optional(whole(1_048_576, 17_179_869_184), 67_108_864),
      /** Heartbeats of all agents together; with more agents each beats slower. */
      agentHeartbeatsPerSecond: v.optional(whole(1, 100_000), 500),
    }, "an object"),
    {},
  ),
  webrtc: v.optional(
    v.strictObject({
      enabled: v.optional(flag, true),
      credentialTTL: v.optional(lifetime, "10m"),
      relayHint: v.optional(text(64), ""),
      iceTransportPolicy: v.optional(choice(["all", "relay"]), "all"),
      /** Whether 127.0.0.0/8 may be an ICE candidate; `auto`: only when `host` is loopback. */
      loopbackCandidates: v.optional(choice(["auto", "yes", "no"]), "auto"),
      servers: v.optional(
        v.pipe(v.array(iceServer, "a list of servers"), v.maxLength(8, "at most 8 servers")),
        [],
      ),
    }, "an object"),
    {},
  ),
  /** How this process is called among the nodes; `auto` makes a name at each start. */
  node: v.optional(
    v.strictObject({
      id: v.optional(
        v.pipe(text(64), v.regex(/^[\w.-]+$/, "a name of letters, digits, dots and dashes")),
        "auto",
      ),
    }, "an object"),
    {},
  ),
  /** State that all nodes share; without a URL it stays in this process's memory. */
  redis: v.optional(
    v.pipe(
      v.strictObject({
        /** `redis://` or `rediss://` (TLS), with an ACL user, password and database. */
        url: v.optional(redisUrl, ""),
        /** Stand before those of the URL, so that a secret can come by the environment. */
        username: v.optional(text(256), ""),
        password: v.optional(text(512), ""),
        /** Sentinels that know the master; the URL then only says scheme, user and database. */
        sentinels: v.optional(endpoints, []),
        sentinelName: v.optional(v.pipe(text(128), v.minLength(1, "a name")), "mymaster"),
        sentinelPassword: v.optional(text(512), ""),
        /** Further start nodes of a Redis Cluster; one is enough to make it one. */
        cluster: v.optional(endpoints, []),
        /** PEM files; a client certificate needs both `certFile` and `keyFile`. */
        tls: v.optional(
          v.strictObject({
            caFile: v.optional(text(), ""),
            certFile: v.optional(text(), ""),
            keyFile: v.optional(text(), ""),
            serverName: v.optional(text(255), ""),
          }, "an object"),
          {},
        ),
        /** A desktop nobody touches for so long is forgotten, with its history. */
        desktopSeconds: v.optional(whole(2, 30 * 86_400), 90_000),
        /** A link's record outlives the node that last refreshed it by at most this. */
        linkSeconds: v.optional(whole(2, 86_400), 3_600),
      }, "an object"),
      v.check(
        (r) => r.sentinels.length === 0 || r.cluster.length === 0,
        "either sentinels or cluster, not both",
      ),
      v.check((r) => (r.tls.certFile === "") === (r.tls.keyFile === ""), "given both files"),
    ),
    {},
  ),
  /** Records of ended sessions for timeline and support, in memory or, when there is one, in Redis. */
  history: v.optional(
    v.strictObject({
      /** From a session's end; at most a year. */
      hours: v.optional(whole(1, 8760), 168),
      /** The newest ones of each desktop. */
      sessionsPerDesktop: v.optional(whole(1, 10_000), 100),
    }, "an object"),
    {},
  ),
  metrics: v.optional(
    v.strictObject({
      /** Whether /metrics may be read by anyone; `auto`: only when `host` is loopback. */
      public: v.optional(choice(["auto", "yes", "no"]), "auto"),
    }, "an object"),
    {},
  ),
  /** Events for security teams (docs/events.md). */
  telemetry: v.optional(
    v.strictObject({
      format: v.optional(choice(EVENT_FORMATS), "native"),
      sinks: v.optional(
        v.pipe(v.array(sink, "a list of sinks"), v.maxLength(16, "at most 16 sinks")),
        [],
      ),
    }, "an object"),
    {},
  ),
  log: v.optional(
    v.strictObject({ level: v.optional(choice(LOG_LEVELS), "info") }, "an object"),
    {},
  ),
}, "an object");

export type Settings = v.InferOutput<typeof settingsSchema>;
export const DEFAULT_SETTINGS: Settings = v.parse(settingsSchema, {});
