/** RFC 791 §3.1. Offsets in octets from the start of the IPv4 header. */
import { checksum } from "./checksum.ts";

export const IPV4_HEADER_LENGTH = 20;
export const Ipv4 = {
  VERSION_IHL: 0,
  TOS: 1,
  TOTAL_LENGTH: 2,
  ID: 4,
  /** Three flags and the offset in units of 8 octets. */
  FRAGMENT: 6,
  TTL: 8,
  PROTOCOL: 9,
  CHECKSUM: 10,
  SOURCE: 12,
  DESTINATION: 16,
} as const;

export const IPV4_DF = 0x4000;
export const IPV4_MF = 0x2000;
export const IPV4_OFFSET_MASK = 0x1fff;

/** Option kinds (RFC 791 §3.1); this bit says that an option goes into every fragment. */
export const IPV4_OPTION_END = 0;
export const IPV4_OPTION_NOP = 1;
export const IPV4_OPTION_COPIED = 0x80;

/** Writes a header without options, checksum included; `fragment` holds flags and offset, addresses are int32 words. */
export function writeIpv4Header(
  view: DataView,
  offset: number,
  totalLength: number,
  tos: number,
  id: number,
  fragment: number,
  ttl: number,
  protocol: number,
  source: number,
  destination: number,
): void {
  view.setUint16(offset + Ipv4.VERSION_IHL, 0x4500 | (tos & 0xff));
  view.setUint16(offset + Ipv4.TOTAL_LENGTH, totalLength);
  view.setUint16(offset + Ipv4.ID, id);
  view.setUint16(offset + Ipv4.FRAGMENT, fragment);
  view.setUint16(offset + Ipv4.TTL, ((ttl & 0xff) << 8) | (protocol & 0xff));
  view.setUint16(offset + Ipv4.CHECKSUM, 0);
  view.setInt32(offset + Ipv4.SOURCE, source);
  view.setInt32(offset + Ipv4.DESTINATION, destination);
  view.setUint16(offset + Ipv4.CHECKSUM, checksum(view, offset, IPV4_HEADER_LENGTH));
}

/** Recomputes the checksum of a header of any length. */
export function refreshIpv4Checksum(view: DataView, offset: number, headerLength: number): void {
  view.setUint16(offset + Ipv4.CHECKSUM, 0);
  view.setUint16(offset + Ipv4.CHECKSUM, checksum(view, offset, headerLength));
}
