/** Narrowing of traffic selectors (RFC 7296 §2.9), and transport mode behind a NAT (§2.23.1). */
import { compareAddresses, type IpAddress } from "#core/address";
import type { SelectorConfig } from "#core/connection";
import { ANY_PROTOCOL, selectorContains, selectorsOverlap, type TrafficSelector } from "#core/selector";

/** Selectors of one side of a Child SA; what a peer offers beyond is not looked at. */
export const MAX_SELECTORS = 64;

/** RFC 7296 §3.13.1: the packet's ports cannot be known. */
function isOpaque({ firstPort, lastPort }: TrafficSelector): boolean {
  return firstPort === 65535 && lastPort === 0;
}

/** What decodes may still make no sense: a range that runs backwards, or from one family to the other. */
function isSound(selector: TrafficSelector): boolean {
  const { first, last, firstPort, lastPort } = selector;
  const addressesFit = first.family === last.family && compareAddresses(first, last) <= 0;
  return addressesFit && (firstPort <= lastPort || isOpaque(selector));
}

/** `dynamic` becomes the outer address of that side. */
export function resolveSelectors(configured: readonly SelectorConfig[], outer: IpAddress): TrafficSelector[] {
  return configured.slice(0, MAX_SELECTORS).map((one) => {
    if (one.kind === "fixed") return one.selector;
    const { protocol, firstPort, lastPort } = one;
    return { first: outer, last: outer, protocol, firstPort, lastPort };
  });
}

/** What we offer: the packet's own in front, where the configured ones contain it (RFC 7296 §2.9). */
export function offerSelectors(
  configured: readonly TrafficSelector[],
  packet: TrafficSelector | undefined,
): TrafficSelector[] {
  if (packet === undefined || !configured.some((one) => selectorContains(one, packet))) return [...configured];
  return [packet, ...configured.slice(0, MAX_SELECTORS - 1)];
}

/** The packets that fit both; undefined = none. */
function intersection(a: TrafficSelector, b: TrafficSelector): TrafficSelector | undefined {
  const bothOpaque = isOpaque(a) && isOpaque(b);
  const ports = bothOpaque ? { firstPort: 0, lastPort: 65535 } : {};
  // Two OPAQUEs overlap where they would with any ports.
  if (!selectorsOverlap({ ...a, ...ports }, b)) return undefined;
  return {
    first: compareAddresses(a.first, b.first) >= 0 ? a.first : b.first,
    last: compareAddresses(a.last, b.last) <= 0 ? a.last : b.last,
    protocol: a.protocol === ANY_PROTOCOL ? b.protocol : a.protocol,
    firstPort: Math.max(a.firstPort, b.firstPort),
    lastPort: Math.min(a.lastPort, b.lastPort),
  };
}

/** The packets of both, in the order of `offered`, none contained in another; empty = TS_UNACCEPTABLE. */
export function narrow(offered: readonly TrafficSelector[], allowed: readonly TrafficSelector[]): TrafficSelector[] {
  const common: TrafficSelector[] = [];
  for (const theirs of offered.slice(0, MAX_SELECTORS).filter(isSound)) {
    for (const ours of allowed) {
      const part = intersection(theirs, ours);
      if (part === undefined || common.some((one) => selectorContains(one, part))) continue;
      const kept = common.filter((one) => !selectorContains(part, one));
      if (kept.length === MAX_SELECTORS) continue;
      common.splice(0, common.length, ...kept, part);
    }
  }
  return common;
}

/** The initiator's check: at least one, and each within one that was offered. */
export function isNarrowed(answer: readonly TrafficSelector[], offered: readonly TrafficSelector[]): boolean {
  const fits = (one: TrafficSelector) => isSound(one) && offered.some((whole) => selectorContains(whole, one));
  return answer.length > 0 && answer.length <= MAX_SELECTORS && answer.every(fits);
}

export interface SelectorPair {
  readonly local: readonly TrafficSelector[];
  readonly remote: readonly TrafficSelector[];
}

export interface SelectorConfigs {
  readonly local: readonly SelectorConfig[];
  readonly remote: readonly SelectorConfig[];
}

export interface OuterAddresses {
  readonly local: IpAddress;
  readonly remote: IpAddress;
}

export interface ChildChoice<T> {
  readonly child: T;
  readonly selectors: SelectorPair;
}

function narrowedFor<T extends SelectorConfigs>(child: T, offered: SelectorPair, outer: OuterAddresses): SelectorPair {
  return {
    local: narrow(offered.local, resolveSelectors(child.local, outer.local)),
    remote: narrow(offered.remote, resolveSelectors(child.remote, outer.remote)),
  };
}

function takesFirst({ local, remote }: SelectorPair, offered: SelectorPair): boolean {
  const holds = (whole: readonly TrafficSelector[], part: TrafficSelector | undefined) =>
    part !== undefined && whole.some((one) => selectorContains(one, part));
  return holds(local, offered.local[0]) && holds(remote, offered.remote[0]);
}

function takesAll({ local, remote }: SelectorPair, offered: SelectorPair): boolean {
  return isNarrowed(offered.local, local) && isNarrowed(offered.remote, remote);
}

/**
 * The responder's choice of child: the first that takes the whole offer, else the first that takes the first selector
 * of both sides (the packet that asked, RFC 7296 §2.9), else the first that takes a part. undefined = TS_UNACCEPTABLE.
 */
export function chooseChild<T extends SelectorConfigs>(
  children: readonly T[],
  offered: SelectorPair,
  outer: OuterAddresses,
): ChildChoice<T> | undefined {
  const possible = children
    .map((child) => ({ child, selectors: narrowedFor(child, offered, outer) }))
    .filter(({ selectors }) => selectors.local.length > 0 && selectors.remote.length > 0);
  return (
    possible.find(({ selectors }) => takesAll(selectors, offered)) ??
    possible.find(({ selectors }) => takesFirst(selectors, offered)) ??
    possible[0]
  );
}

/** The one address all selectors have; undefined = ranges or several, which transport mode behind a NAT refuses. */
export function singleAddress(selectors: readonly TrafficSelector[]): IpAddress | undefined {
  const address = selectors[0]?.first;
  if (address === undefined) return undefined;
  const isIt = (one: IpAddress) => compareAddresses(one, address) === 0;
  return selectors.every(({ first, last }) => isIt(first) && isIt(last)) ? address : undefined;
}

/** RFC 7296 §2.23.1: the same protocols and ports at another address. The caller asked `singleAddress` first. */
export function substituteAddress(selectors: readonly TrafficSelector[], address: IpAddress): TrafficSelector[] {
  return selectors.map((one) => ({ ...one, first: address, last: address }));
}
