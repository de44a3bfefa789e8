/** NAT detection (RFC 7296 §2.23). */
import type { Endpoint } from "#core/address";
import { equalOctets } from "#crypto/octets";
import { sha1 } from "#crypto/sha1";
import { ikeSpiOctets } from "#wire/ike/spi";

/** SHA-1 of SPIs, address and port: the data of NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP. */
export function natDetectionHash(initiatorSpi: bigint, responderSpi: bigint, endpoint: Endpoint): Uint8Array {
  const port = Uint8Array.of(endpoint.port >>> 8, endpoint.port & 0xff);
  return sha1([ikeSpiOctets(initiatorSpi), ikeSpiOctets(responderSpi), endpoint.address.octets, port]);
}

/**
 * A hash of no endpoint: makes the peer believe in a NAT, so that ESP goes in UDP (swanctl's `encap = yes`). With port 0,
 * which nobody sends from: a peer that looks can tell it from a NAT.
 */
export function forcedNatHash(initiatorSpi: bigint, responderSpi: bigint, { address }: Endpoint): Uint8Array {
  return natDetectionHash(initiatorSpi, responderSpi, { address, port: 0 });
}

export interface NatHashes {
  readonly initiatorSpi: bigint;
  /** 0 in the request of IKE_SA_INIT. */
  readonly responderSpi: bigint;
  /** Data of all NAT_DETECTION_SOURCE_IP notifies of the message: one for each address the sender may have. */
  readonly source: readonly Uint8Array[];
  readonly destination: readonly Uint8Array[];
}

export interface NatFindings {
  /** The peer does NAT traversal: it sent both kinds. */
  readonly supported: boolean;
  /** Our address is translated on the way to the peer. */
  readonly local: boolean;
  /** The peer's address is, or the peer wants it to look so. */
  readonly remote: boolean;
  /** The peer says by `forcedNatHash` that there is none; others that force UDP cannot be told from a NAT. */
  readonly remoteForces: boolean;
}

const NONE: NatFindings = { supported: false, local: false, remote: false, remoteForces: false };

/** `local` and `remote`: as the message was received. */
export function detectNat(hashes: NatHashes, local: Endpoint, remote: Endpoint): NatFindings {
  const { initiatorSpi, responderSpi, source, destination } = hashes;
  if (source.length === 0 || destination.length === 0) return NONE;
  const names = (sent: readonly Uint8Array[], endpoint: Endpoint) => {
    const seen = natDetectionHash(initiatorSpi, responderSpi, endpoint);
    return sent.some((hash) => equalOctets(hash, seen));
  };
  return {
    supported: true,
    local: !names(destination, local),
    remote: !names(source, remote),
    remoteForces: names(source, { ...remote, port: 0 }),
  };
}
