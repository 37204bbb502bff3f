/** Who is behind a reverse proxy: `X-Forwarded-For`, believed only as far as trusted proxies wrote it. */
import { type IpAddress, parseIp } from "@farglass/protocol";

/** An address or a range of them. */
export interface IpRange {
  readonly address: IpAddress;
  /** Leading bits that count, of the 32 or 128 that its version has. */
  readonly bits: number;
}

/** Reads `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32` (RFC 4632, RFC 4291 section 2.3). */
export function parseIpRange(text: string): IpRange | null {
  const [literal, length, ...rest] = text.split("/");
  const address = parseIp(literal);
  if (address === null || rest.length > 0) return null;
  const most = address.version === 4 ? 32 : 128;
  if (length === undefined) return { address, bits: most };
  if (!/^\d{1,3}$/.test(length) || Number(length) > most) return null;
  return { address, bits: Number(length) };
}

/** Whether an address is in a range. */
export function isInRange(address: IpAddress, range: IpRange): boolean {
  if (address.version !== range.address.version) return false;
  // IPv4 stands in the last 32 of 128 bits.
  let left = range.bits + (address.version === 4 ? 96 : 0);
  for (let i = 0; i < 8 && left > 0; i++, left -= 16) {
    const shift = Math.max(0, 16 - left);
    if (address.groups[i] >> shift !== range.address.groups[i] >> shift) return false;
  }
  return true;
}

/** Longer than any chain of proxies that is meant. */
const MAX_HEADER = 1024;

/**
 * The client's address: the socket's own, or, where that is a trusted proxy's, the last one in the
 * header that no trusted proxy has. What stands further left anybody may have written.
 */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | undefined,
  trusted: readonly IpRange[],
): string | undefined {
  if (trusted.length === 0 || peer === undefined || forwardedFor === undefined) return peer;
  const isTrusted = (text: string) => {
    const address = parseIp(text);
    return address !== null && trusted.some((range) => isInRange(address, range));
  };
  let known = plainAddress(peer);
  // Cut at its end, which is the nearest part.
  const entries = forwardedFor.slice(-MAX_HEADER).split(",");
  while (isTrusted(known)) {
    const next = plainAddress(entries.pop()?.trim() ?? "");
    // Nothing more, or no address: the proxy is the last thing that is known.
    if (parseIp(next) === null) break;
    known = next;
  }
  return known;
}

/** Without a port, brackets or the prefix of IPv4 on a dual-stack socket (RFC 4291 section 2.5.5.2). */
function plainAddress(text: string): string {
  const bare = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1] ??
    /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text;
  return bare.replace(/^::ffff:(?=\d+\.)/i, "");
}
