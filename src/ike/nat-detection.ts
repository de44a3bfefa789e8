/** NAT detection (RFC 7296 §2.23). */
import type { Endpoint } from "#core/address";
import type { RandomSource } from "#core/ports";

/** SHA-1 of SPIs, address and port: the data of NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP. */
export declare function natDetectionHash(initiatorSpi: bigint, responderSpi: bigint, endpoint: Endpoint): Uint8Array;

/** A hash that fits no endpoint: makes the peer believe in a NAT, so that ESP goes in UDP (swanctl's `encap = yes`). */
export declare function forcedNatHash(random: RandomSource): Uint8Array;

export interface NatHashes {
  readonly initiatorSpi: bigint;
  readonly responderSpi: bigint;
  /** Data of all NAT_DETECTION_SOURCE_IP notifies of the message. */
  readonly source: readonly Uint8Array[];
  readonly destination: readonly Uint8Array[];
}

export interface NatFindings {
  /** The peer does NAT traversal: it sent both kinds. */
  readonly supported: boolean;
  /** Our address is translated on the way to the peer. */
  readonly local: boolean;
  readonly remote: boolean;
}

/** `local` and `remote`: as the message was received. */
export declare function detectNat(hashes: NatHashes, local: Endpoint, remote: Endpoint): NatFindings;
