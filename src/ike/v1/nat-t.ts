/** NAT traversal as phase 1 negotiates it (RFC 3947, and the drafts Windows speaks). */
import type { NatTVersion } from "#wire/ike/v1/nat-d";

/** Which numbers the peer uses for NAT-D, NAT-OA and UDP encapsulation modes: RFC 3947 §8 or draft-ietf-ipsec-nat-t-ike-02/03. */
export type NatDialect = NatTVersion;
