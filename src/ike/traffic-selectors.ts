/** Narrowing of traffic selectors (RFC 7296 §2.9), and transport mode behind a NAT (§2.23.1). */
import type { IpAddress } from "#core/address";
import type { SelectorConfig } from "#core/connection";
import type { TrafficSelector } from "#core/selector";

/** Selectors we send, and take from a peer, in one payload. */
export const MAX_SELECTORS = 64;

/** `dynamic` becomes the outer address of that side. */
export declare function resolveSelectors(configured: readonly SelectorConfig[], outer: IpAddress): TrafficSelector[];

/** What we offer: the packet's own in front where the configured ones contain it (RFC 7296 §2.9). */
export declare function offerSelectors(
  configured: readonly TrafficSelector[],
  packet: TrafficSelector | undefined,
): TrafficSelector[];

/** Common packets of the two, in the order of `offered`, none contained in another; empty = TS_UNACCEPTABLE. */
export declare function narrow(
  offered: readonly TrafficSelector[],
  allowed: readonly TrafficSelector[],
): TrafficSelector[];

/** The initiator's check: at least one, and each within one that was offered. */
export declare function isNarrowed(answer: readonly TrafficSelector[], offered: readonly TrafficSelector[]): boolean;

export interface SelectorPair {
  readonly local: readonly TrafficSelector[];
  readonly remote: readonly TrafficSelector[];
}

export interface SelectorConfigs {
  readonly local: readonly SelectorConfig[];
  readonly remote: readonly SelectorConfig[];
}

/** The responder's choice of child: the first that takes the whole offer, else the first that takes a part of it. */
export declare function chooseChild<T extends SelectorConfigs>(
  children: readonly T[],
  offered: SelectorPair,
  outer: { readonly local: IpAddress; readonly remote: IpAddress },
): { readonly child: T; readonly selectors: SelectorPair } | undefined;

/** The one address all selectors have; undefined = they are ranges or differ, which transport mode behind a NAT refuses. */
export declare function singleAddress(selectors: readonly TrafficSelector[]): IpAddress | undefined;

/** RFC 7296 §2.23.1: the same protocols and ports at another address. */
export declare function substituteAddress(selectors: readonly TrafficSelector[], address: IpAddress): TrafficSelector[];
