/** RFC 768. Offsets in octets from the start of the UDP header. */

export const UDP_HEADER_LENGTH = 8;
export const Udp = { SOURCE_PORT: 0, DESTINATION_PORT: 2, LENGTH: 4, CHECKSUM: 6 } as const;

/** RFC 3948 §2.1: the checksum of a UDP-encapsulated ESP packet is zero. `length` includes this header. */
export function writeUdpHeader(
  view: DataView,
  offset: number,
  sourcePort: number,
  destinationPort: number,
  length: number,
): void {
  view.setUint16(offset + Udp.SOURCE_PORT, sourcePort);
  view.setUint16(offset + Udp.DESTINATION_PORT, destinationPort);
  view.setUint16(offset + Udp.LENGTH, length);
  view.setUint16(offset + Udp.CHECKSUM, 0);
}
