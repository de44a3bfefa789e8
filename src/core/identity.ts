/** Who somebody claims to be: the body of an Identification payload (RFC 7296 §3.5, RFC 2407 §4.6.2.1). */

export const IdType = {
  ID_IPV4_ADDR: 1,
  ID_FQDN: 2,
  ID_RFC822_ADDR: 3,
  ID_IPV4_ADDR_SUBNET: 4,
  ID_IPV6_ADDR: 5,
  ID_IPV6_ADDR_SUBNET: 6,
  ID_IPV4_ADDR_RANGE: 7,
  ID_IPV6_ADDR_RANGE: 8,
  ID_DER_ASN1_DN: 9,
  ID_DER_ASN1_GN: 10,
  ID_KEY_ID: 11,
  ID_NULL: 13,
} as const;

export interface Identity {
  /** An `IdType`; others come from the wire and match nothing. */
  readonly type: number;
  /** Text types: ASCII or UTF-8 without terminator. DN: DER. Addresses: 4 or 16 octets. */
  readonly data: Uint8Array;
}
