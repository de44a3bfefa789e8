/**
 * The authentication header (RFC 4302 §2) and the muting of what routers may change (§3.3.3.1), for both ways.
 *
 *     | next header | payload length | reserved | SPI | sequence | ICV field |
 *
 * The ICV field is the ICV, for GMAC behind its IV (RFC 4543 §4), padded so that the header is a multiple of 4 octets
 * in IPv4 and of 8 in IPv6. `PREFIX` of a descriptor row is IP header and AH with muted fields and a zero ICV field.
 */
import { Drop } from "#core/drop";
import { IpProtocol } from "#core/selector";

export const AH_FIXED_OCTETS = 12;
export const AH_PAYLOAD_LENGTH = 1;
export const AH_SPI = 4;
export const AH_SEQUENCE = 8;

/** IPv4 options that routers do not change, so they are authenticated as they stand (RFC 4302 Appendix A1). */
const IMMUTABLE_OPTIONS: ReadonlySet<number> = new Set([0, 1, 130, 133, 134, 148, 149]);
const OPTION_END = 0;
const OPTION_NOP = 1;
/** Bit of an IPv6 option type: the option may change on the way (RFC 8200 §4.2). */
const OPTION_MAY_CHANGE = 0x20;

/** Octets of the whole header for an ICV field of `field` octets (IV and ICV). */
export function ahOctets(field: number, ipv6: boolean): number {
  const align = ipv6 ? 8 : 4;
  return (AH_FIXED_OCTETS + field + align - 1) & -align;
}

/**
 * Copies `headerLength` octets of IP header (with options or extension headers) from `from` to `to` and zeroes there
 * what may change on the way. Returns 0, or AH_HEADER for a header that cannot be muted.
 */
export function copyMuted(bytes: Uint8Array, from: number, to: number, headerLength: number): number {
  bytes.copyWithin(to, from, from + headerLength);
  return (bytes[to] ?? 0) >>> 4 === 4 ? muteIpv4(bytes, to, headerLength) : muteIpv6(bytes, to, headerLength);
}

function muteIpv4(bytes: Uint8Array, at: number, headerLength: number): number {
  // RFC 4302 §3.3.3.1.1.1: DSCP and ECN, flags, fragment offset, TTL, checksum.
  bytes[at + 1] = 0;
  bytes.fill(0, at + 6, at + 9);
  bytes.fill(0, at + 10, at + 12);
  for (let i = at + 20, end = at + headerLength; i < end; ) {
    const kind = bytes[i] ?? 0;
    if (kind === OPTION_END) break;
    if (kind === OPTION_NOP) {
      i++;
      continue;
    }
    const length = i + 1 < end ? (bytes[i + 1] ?? 0) : 0;
    if (length < 2 || i + length > end) return Drop.AH_HEADER;
    if (!IMMUTABLE_OPTIONS.has(kind)) bytes.fill(0, i, i + length);
    i += length;
  }
  return 0;
}

function muteIpv6(bytes: Uint8Array, at: number, headerLength: number): number {
  // RFC 4302 §3.3.3.1.2.1: DSCP, ECN, flow label, hop limit.
  bytes[at] = 0x60;
  bytes.fill(0, at + 1, at + 4);
  bytes[at + 7] = 0;
  let next = bytes[at + 6] ?? 0;
  for (let i = at + 40, end = at + headerLength; i < end; ) {
    const length = 8 * ((bytes[i + 1] ?? 0) + 1);
    if (i + length > end) return Drop.AH_HEADER;
    if (next === IpProtocol.HOPOPT || next === IpProtocol.DESTINATION) {
      if (!muteIpv6Options(bytes, i + 2, i + length)) return Drop.AH_HEADER;
    } else if (next === IpProtocol.ROUTING) {
      // Only a routing header that is used up has its final form (RFC 4302 §3.3.3.1.2.2).
      if ((bytes[i + 3] ?? 0) !== 0) return Drop.AH_HEADER;
    } else return Drop.AH_HEADER;
    next = bytes[i] ?? 0;
    i += length;
  }
  return 0;
}

function muteIpv6Options(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; ) {
    const kind = bytes[i] ?? 0;
    if (kind === 0) {
      i++;
      continue;
    }
    const end = i + 1 < to ? i + 2 + (bytes[i + 1] ?? 0) : to + 1;
    if (end > to) return false;
    if ((kind & OPTION_MAY_CHANGE) !== 0) bytes.fill(0, i + 2, end);
    i = end;
  }
  return true;
}
