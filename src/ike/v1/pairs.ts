/** Pairs of IPsec SAs that quick mode made: inbound and outbound, of one protocol or an AH+ESP bundle. */

import { compareAddresses } from "#core/address";
import type { Mode, Protocol } from "#core/child-sa-spec";
import type { ChildConfig } from "#core/connection";
import type { TrafficSelector } from "#core/selector";
import type { Millis, Spi } from "#core/units";
import { copyOctets } from "#crypto/octets";

export type PairState =
  /**
   * `outbound` "later": the peer began, and has not proven yet that it has the pair. "redundant": the peer's half of a
   * collision that ours survived; the peer deletes it.
   */
  | { readonly kind: "Installed"; readonly outbound: "used" | "later" | "redundant" }
  /** Nothing is sent on it any more; the peer has not been told yet, or does not answer. */
  | { readonly kind: "Deleting" }
  | { readonly kind: "Gone" };

/** What took over from a pair, and who began that. */
export interface Successor {
  readonly to: Pair;
  readonly by: "us" | "peer";
}

/** One protocol of a pair. */
export interface PairPart {
  readonly protocol: Protocol;
  readonly inboundSpi: Spi;
  readonly outboundSpi: Spi;
}

export interface Pair {
  readonly id: number;
  /** The ISAKMP SA whose quick mode made it; it may be gone. */
  readonly ike: number;
  /** As configured now: what its successor is negotiated by. */
  config: ChildConfig;
  readonly mode: Mode;
  readonly encapsulation: "udp" | "none";
  /** "aes256-sha256-modp2048", of a bundle "ah:sha1+esp:3des-sha1". */
  readonly suite: string;
  /** What is protected first: ESP, then the AH over it; or one of them alone. */
  readonly parts: readonly [PairPart] | readonly [PairPart, PairPart];
  /** One each: IKEv1 names no more. */
  readonly localSelector: TrafficSelector;
  readonly remoteSelector: TrafficSelector;
  /** Whose quick mode made it, when, and the lower of its nonces. */
  readonly by: "us" | "peer";
  readonly madeAt: Millis;
  readonly lowestNonce: Uint8Array;
  state: PairState;
  /** The peer is known to have it: message 3 came, CONNECTED, or a packet. */
  proven: boolean;
  /** At most two, ours and the peer's of one collision. */
  readonly successors: Successor[];
}

/** It stays: neither deleted nor about to be. */
export function isKept({ state }: Pair): boolean {
  return state.kind === "Installed" && state.outbound !== "redundant";
}

/** What it was replaced by, or what that was replaced by, stays. */
export function hasHeir({ successors }: Pair): boolean {
  return successors.some(({ to }) => isKept(to) || hasHeir(to));
}

export function pairByOutbound(pairs: Iterable<Pair>, spi: Spi, protocol: Protocol): Pair | undefined {
  return find(pairs, (part) => part.outboundSpi === spi && part.protocol === protocol);
}

export function pairByInbound(pairs: Iterable<Pair>, spi: Spi, protocol: Protocol): Pair | undefined {
  return find(pairs, (part) => part.inboundSpi === spi && part.protocol === protocol);
}

function find(pairs: Iterable<Pair>, fits: (part: PairPart) => boolean): Pair | undefined {
  for (const pair of pairs) if (pair.parts.some(fits)) return pair;
  return undefined;
}

export type PairTerms = Pick<Pair, "config" | "mode" | "localSelector" | "remoteSelector">;

/** The same child for the same packets: quick mode does not say what it replaces, this does. */
export function sameTerms(a: PairTerms, b: PairTerms): boolean {
  return (
    a.config.name === b.config.name &&
    a.mode === b.mode &&
    sameSelector(a.localSelector, b.localSelector) &&
    sameSelector(a.remoteSelector, b.remoteSelector)
  );
}

export function sameSelector(a: TrafficSelector, b: TrafficSelector): boolean {
  return (
    a.first.family === b.first.family &&
    compareAddresses(a.first, b.first) === 0 &&
    compareAddresses(a.last, b.last) === 0 &&
    a.protocol === b.protocol &&
    a.firstPort === b.firstPort &&
    a.lastPort === b.lastPort
  );
}

/** The newest that stays and is for the same packets. */
export function currentPair(pairs: Iterable<Pair>, terms: PairTerms): Pair | undefined {
  let newest: Pair | undefined;
  for (const pair of pairs) if (isKept(pair) && sameTerms(pair, terms) && !hasHeir(pair)) newest = pair;
  return newest;
}

/** Octet by octet; the shorter of two that agree so far is lower: of two pairs made at once the one with the lowest nonce goes. */
export function compareNonces(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** A copy: those of the exchange are wiped with it. */
export function lowestOf(a: Uint8Array, b: Uint8Array): Uint8Array {
  return copyOctets(compareNonces(a, b) < 0 ? a : b);
}
