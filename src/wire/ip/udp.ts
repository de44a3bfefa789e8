/** RFC 768. Offsets in octets from the start of the UDP header. */

export const UDP_HEADER_LENGTH = 8;
export const Udp = { SOURCE_PORT: 0, DESTINATION_PORT: 2, LENGTH: 4, CHECKSUM: 6 } as const;
