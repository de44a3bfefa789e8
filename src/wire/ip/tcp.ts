/** RFC 9293 §3.1. Offsets in octets from the start of the TCP header. */

export const TCP_HEADER_LENGTH = 20;
export const Tcp = {
  SOURCE_PORT: 0,
  DESTINATION_PORT: 2,
  DATA_OFFSET: 12,
  FLAGS: 13,
  CHECKSUM: 16,
  OPTIONS: 20,
} as const;
export const TCP_SYN = 0x02;

/** Option kinds (RFC 9293 §3.2). */
export const TCP_OPTION_END = 0;
export const TCP_OPTION_NOP = 1;
export const TCP_OPTION_MSS = 2;
export const TCP_OPTION_MSS_LENGTH = 4;
