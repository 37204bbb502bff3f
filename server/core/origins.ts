/** Which `Origin` and `Host` headers belong to this server (cross-site hijack, DNS rebinding). */
export interface OriginPolicy {
  /** Lower-case origins without a trailing slash, such as `https://desk.example.com`. */
  readonly origins: ReadonlySet<string>;
  /** Lower-case `host:port`; the default port of the scheme is left out, as browsers do. */
  readonly hosts: ReadonlySet<string>;
}

const ORIGIN = /^(https?):\/\/([a-z0-9.-]+|\[[0-9a-f:]+\])(?::(\d{1,5}))?$/;

/** Splits an origin; null when the text is none. */
export function parseOrigin(
  text: string,
): { readonly origin: string; readonly host: string; readonly secure: boolean } | null {
  const match = ORIGIN.exec(text.toLowerCase().replace(/\/$/, ""));
  if (match === null) return null;
  const [, scheme, name, port] = match;
  const isDefault = port === undefined || port === (scheme === "https" ? "443" : "80");
  const host = isDefault ? name : `${name}:${port}`;
  return { origin: `${scheme}://${host}`, host, secure: scheme === "https" };
}

export const isLoopbackHost = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);

/** The server's own addresses, what it is told to be known as, and nothing else. */
export function originPolicy(options: {
  readonly host: string;
  readonly port: number;
  readonly publicUrl: string;
  readonly allowedOrigins: readonly string[];
}): OriginPolicy {
  const { host, port, publicUrl, allowedOrigins } = options;
  const everywhere = host === "0.0.0.0" || host === "::";
  const names = isLoopbackHost(host) || everywhere
    ? ["127.0.0.1", "localhost", "[::1]"]
    : [host.includes(":") ? `[${host}]` : host];
  const all = [...names.map((n) => `http://${n}:${port}`), publicUrl, ...allowedOrigins];
  const parsed = all.map((o) => parseOrigin(o)).filter((o) => o !== null);
  return {
    origins: new Set(parsed.map((o) => o.origin)),
    hosts: new Set(parsed.map((o) => o.host)),
  };
}

/** Exact match; an absent or opaque (`null`) origin is refused. */
export const isOriginAllowed = (policy: OriginPolicy, origin: string | null): boolean =>
  origin !== null && policy.origins.has(origin.toLowerCase());

export const isHostAllowed = (policy: OriginPolicy, host: string | null): boolean =>
  host !== null && policy.hosts.has(host.toLowerCase());
