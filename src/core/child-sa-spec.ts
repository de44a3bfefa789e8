/**
 * What IKE (or an operator's manual keys) hands to the data plane: one pair of SAs, complete and immutable.
 * RFC 4301 §4.4.2.1 lists the data items; the names are its own.
 */
import type { Endpoint } from "./address.ts";
import type { TrafficSelector } from "./selector.ts";
import type { Millis, Octets, Spi } from "./units.ts";

/**
 * IANA transform IDs of the IKEv2 registry; key octets distinguish AES's sizes.
 * AH has `encryption` 0. An AEAD has `integrity` 0.
 */
export interface SuiteIds {
  readonly encryption: number;
  readonly integrity: number;
}

export interface SaKeys {
  readonly spi: Spi;
  /** AEAD and CTR: key followed by the salt or nonce (RFC 4106 §8.1, 4309 §7.1, 3686 §5.1, 7634 §2). Empty for AH and NULL. */
  readonly encryptionKey: Uint8Array;
  /** Empty for an AEAD. */
  readonly integrityKey: Uint8Array;
}

/** Infinity = no limit. Soft = replace now, hard = stop now (RFC 4301 §4.4.2.1). */
export interface LifetimeLimits {
  readonly softOctets: Octets;
  readonly hardOctets: Octets;
  readonly softPackets: number;
  readonly hardPackets: number;
  /** Since the SA was installed. */
  readonly softTime: Millis;
  readonly hardTime: Millis;
}

export type Mode = "tunnel" | "transport";
export type Protocol = "esp" | "ah";
export type DfPolicy = "copy" | "set" | "clear";
export type FragmentationPolicy = "before" | "after";

/** One protected protocol with its pair of SAs; a bundle has two of them (RFC 2401 §4.5). */
export interface ProtocolSpec {
  readonly protocol: Protocol;
  readonly mode: Mode;
  readonly suite: SuiteIds;
  readonly inbound: SaKeys;
  readonly outbound: SaKeys;
}

export interface ChildSaSpec extends ProtocolSpec {
  /** Name of the protect policy it serves; also the metrics' child name. */
  readonly policy: string;
  /** The lane that owns both SAs (RFC 9611): a shared sequence number never exists. */
  readonly lane: number;
  readonly encapsulation: "udp" | "none";
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** What the SA may carry, our side and the peer's (RFC 4301 §5.2 checks them after decryption). */
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
  /** Extended sequence numbers (RFC 4303 §2.2.1). */
  readonly esn: boolean;
  /** Packets, 32–131,072 in powers of two; 0 = no anti-replay service. */
  readonly replayWindow: number;
  readonly lifetime: LifetimeLimits;
  /** Outer DSCP: copied from the inner packet, or fixed 0–63 (RFC 4301 §5.1.2). */
  readonly dscp: "copy" | number;
  /** RFC 6040 normal mode when true, else the outer ECN field is Not-ECT. */
  readonly ecn: boolean;
  readonly df: DfPolicy;
  readonly fragmentation: FragmentationPolicy;
  /** Path MTU to the peer known at installation, in octets. */
  readonly pathMtu: number;
  /** Inner packets are padded to this many octets (RFC 4303 §2.7); 0 = none. */
  readonly tfcLength: number;
  /** TCP maximum segment size to clamp SYNs to; 0 = none, -1 = from the SA's effective MTU. */
  readonly mssClamp: number;
  /** NAT keepalive interval when no traffic flows (RFC 3948 §4); 0 = none. */
  readonly keepaliveInterval: Millis;
  /** The AH that is applied over this ESP in an AH+ESP bundle. */
  readonly outerAh: ProtocolSpec | undefined;
}

/** "None of the limits": for tests and links that are rekeyed by hand. */
export const UNLIMITED: LifetimeLimits = {
  softOctets: Number.POSITIVE_INFINITY as Octets,
  hardOctets: Number.POSITIVE_INFINITY as Octets,
  softPackets: Number.POSITIVE_INFINITY,
  hardPackets: Number.POSITIVE_INFINITY,
  softTime: Number.POSITIVE_INFINITY as Millis,
  hardTime: Number.POSITIVE_INFINITY as Millis,
};
