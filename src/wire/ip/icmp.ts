/** ICMP (RFC 792, 1191, 1812) and ICMPv6 (RFC 4443): the numbers the data plane needs. */

/** Type, code, checksum, and four octets whose meaning depends on the type. */
export const ICMP_HEADER_LENGTH = 8;
export const Icmp = { TYPE: 0, CODE: 1, CHECKSUM: 2, PARAMETER: 4 } as const;

export const Icmp4Type = {
  ECHO_REPLY: 0,
  DESTINATION_UNREACHABLE: 3,
  SOURCE_QUENCH: 4,
  REDIRECT: 5,
  ECHO: 8,
  TIME_EXCEEDED: 11,
  PARAMETER_PROBLEM: 12,
} as const;
export const ICMP4_FRAGMENTATION_NEEDED = 4;
/** RFC 1812 §5.2.7.1. */
export const ICMP4_ADMINISTRATIVELY_PROHIBITED = 13;

export const Icmp6Type = {
  DESTINATION_UNREACHABLE: 1,
  PACKET_TOO_BIG: 2,
  TIME_EXCEEDED: 3,
  PARAMETER_PROBLEM: 4,
  ECHO_REQUEST: 128,
  ECHO_REPLY: 129,
  REDIRECT: 137,
} as const;
/** Types below this one are errors (RFC 4443 §2.1). */
export const ICMP6_FIRST_INFORMATIONAL = 128;
export const ICMP6_ADMINISTRATIVELY_PROHIBITED = 1;
