/** RFC 8200 §3 and §4. Offsets in octets from the start of the header they belong to. */

export const IPV6_HEADER_LENGTH = 40;
export const Ipv6 = {
  /** Version (4 bits), traffic class (8), flow label (20). */
  VERSION_CLASS_FLOW: 0,
  PAYLOAD_LENGTH: 4,
  NEXT_HEADER: 6,
  HOP_LIMIT: 7,
  SOURCE: 8,
  DESTINATION: 24,
} as const;

/** RFC 8200 §4.5. */
export const IPV6_FRAGMENT_HEADER_LENGTH = 8;
export const Ipv6Fragment = {
  NEXT_HEADER: 0,
  RESERVED: 1,
  /** 13 bits of offset in units of 8 octets (so the masked value is in octets), 2 reserved, 1 more-fragments. */
  OFFSET: 2,
  ID: 4,
} as const;
export const IPV6_FRAGMENT_OFFSET_MASK = 0xfff8;
export const IPV6_FRAGMENT_MORE = 1;

/** Writes a header; the addresses are four int32 words each, at these indices of `words`. */
export function writeIpv6Header(
  view: DataView,
  offset: number,
  payloadLength: number,
  trafficClass: number,
  flowLabel: number,
  hopLimit: number,
  nextHeader: number,
  words: Int32Array,
  sourceAt: number,
  destinationAt: number,
): void {
  view.setInt32(offset, (6 << 28) | ((trafficClass & 0xff) << 20) | (flowLabel & 0xfffff));
  view.setUint16(offset + Ipv6.PAYLOAD_LENGTH, payloadLength);
  view.setUint8(offset + Ipv6.NEXT_HEADER, nextHeader);
  view.setUint8(offset + Ipv6.HOP_LIMIT, hopLimit);
  for (let i = 0; i < 4; i++) {
    view.setInt32(offset + Ipv6.SOURCE + 4 * i, words[sourceAt + i] ?? 0);
    view.setInt32(offset + Ipv6.DESTINATION + 4 * i, words[destinationAt + i] ?? 0);
  }
}
