/** Numeric IP addresses in any spelling, so that no spelling slips past a range check. */

/** Eight 16-bit groups; an IPv4 literal has `version` 4 and stands in the last two. */
export interface IpAddress {
  readonly version: 4 | 6;
  readonly groups: readonly number[];
}

const OCTET = /^(?:0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9a-f]{1,4}$/i;

/** Reads a dotted-quad or RFC 4291 section 2.2 literal, without zone or brackets. */
export function parseIp(text: string): IpAddress | null {
  if (text.length > 45) return null;
  if (!text.includes(":")) {
    const last = parseIpv4(text);
    return last === null ? null : { version: 4, groups: [0, 0, 0, 0, 0, 0, ...last] };
  }
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0], halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1], true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  // "::" stands for at least one group.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  return { version: 6, groups: [...head, ...Array<number>(missing).fill(0), ...tail] };
}

/** Colon-separated groups; the last may be a dotted quad when the text ends the address. */
function parseGroups(text: string, endsAddress: boolean): number[] | null {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (GROUP.test(part)) groups.push(parseInt(part, 16));
    else if (endsAddress && index === parts.length - 1) {
      const quad = parseIpv4(part);
      if (quad === null) return null;
      groups.push(...quad);
    } else return null;
  }
  return groups;
}

/** A dotted quad without leading zeros (some readers take those as octal), as two groups. */
function parseIpv4(text: string): [number, number] | null {
  const octets = text.split(".");
  if (octets.length !== 4 || !octets.every((octet) => OCTET.test(octet))) return null;
  const [a, b, c, d] = octets.map(Number);
  return Math.max(a, b, c, d) > 255 ? null : [a << 8 | b, c << 8 | d];
}

/** Whether every group but the last two is zero. */
const isLow = ({ groups }: IpAddress) => groups.slice(0, 6).every((group) => group === 0);

/**
 * Addresses that are never a peer: unspecified, link-local, site-local, multicast, reserved, and
 * IPv6 spellings of IPv4 addresses (security.md section 1 shows a relay fooled by those).
 */
export function isForbiddenAddress(address: IpAddress): boolean {
  const { version, groups } = address;
  if (version === 4) {
    const first = groups[6] >> 8;
    return first === 0 || first >= 224 || groups[6] === 0xa9fe;
  }
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped || (isLow(address) && !isLoopbackAddress(address))) return true;
  // fe80::/10 and fec0::/10 together are fe80::/9.
  return groups[0] >= 0xff00 || (groups[0] & 0xff80) === 0xfe80;
}

/** 127.0.0.0/8 and ::1. */
export function isLoopbackAddress(address: IpAddress): boolean {
  const { version, groups } = address;
  if (version === 4) return groups[6] >> 8 === 127;
  return isLow(address) && groups[6] === 0 && groups[7] === 1;
}
