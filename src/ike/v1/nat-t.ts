/** NAT traversal as phase 1 negotiates it (RFC 3947 §3, and the drafts Windows speaks). */
import type { Endpoint } from "#core/address";
import { isakmpHash } from "#crypto/isakmp-cipher";
import { equalOctets } from "#crypto/octets";
import type { Payload } from "#wire/ike/v1/chain";
import type { NatTVersion } from "#wire/ike/v1/nat-d";
import type { Path } from "./peer-line.ts";

/** Which numbers the peer uses for NAT-D, NAT-OA and UDP encapsulation modes: RFC 3947 §8 or draft-ietf-ipsec-nat-t-ike-02/03. */
export type NatDialect = NatTVersion;

export interface NatHashing {
  /** Of crypto/prf.ts: its hash is what NAT-D is made with. */
  readonly prf: number;
  readonly initiatorCookie: bigint;
  readonly responderCookie: bigint;
}

/** RFC 3947 §3.2: HASH(CKY-I | CKY-R | IP | Port). */
function natHash({ prf, initiatorCookie, responderCookie }: NatHashing, { address, port }: Endpoint): Uint8Array {
  const octets = new Uint8Array(16);
  const view = new DataView(octets.buffer);
  view.setBigUint64(0, initiatorCookie);
  view.setBigUint64(8, responderCookie);
  return isakmpHash(prf, [octets, address.octets, Uint8Array.of(port >>> 8, port & 0xff)]);
}

/** The peer's end first, then ours; `forced`: ours is nobody's, so that ESP goes in UDP (swanctl.conf `encap`). */
export function natPayloads(hashing: NatHashing, version: NatDialect, path: Path, forced: boolean): Payload[] {
  const source = forced ? { ...path.local, port: 0 } : path.local;
  return [path.remote, source].map((end) => ({ kind: "NAT-D", version, hash: natHash(hashing, end) }));
}

export interface NatFindings {
  readonly natLocal: boolean;
  readonly natRemote: boolean;
}

/** `hashes`: of all NAT-D payloads in their order; without two of them there is no NAT traversal. */
export function natFindings(
  hashing: NatHashing,
  hashes: readonly Uint8Array[],
  local: Endpoint,
  remote: Endpoint,
): NatFindings | undefined {
  const [ours, ...theirs] = hashes;
  if (ours === undefined || theirs.length === 0) return undefined;
  const seen = natHash(hashing, remote);
  return {
    natLocal: !equalOctets(ours, natHash(hashing, local)),
    natRemote: !theirs.some((hash) => equalOctets(hash, seen)),
  };
}
