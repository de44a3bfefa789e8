/** Which prefixes policies protect: what routes and rules are made of. Policies are many, and mostly the same as before. */
import {
  compareAddresses,
  type Family,
  type IpAddress,
  type Prefix,
  prefixToString,
  rangeToPrefixes,
} from "#core/address";
import type { Policy } from "#core/policy";
import type { TrafficSelector } from "#core/selector";

/** A prefix with its text, which stands for it in tables. */
export interface NamedPrefix {
  readonly text: string;
  readonly prefix: Prefix;
}

/** A prefix whose packets go into the TUN, and the address that this host's own leave from; undefined: the kernel chooses. */
export interface Way {
  readonly destination: Prefix;
  readonly source: IpAddress | undefined;
}

/** Selectors stay the same objects through reloads of something else. */
const PREFIXES = new WeakMap<TrafficSelector, readonly NamedPrefix[]>();

export function prefixesOf(selector: TrafficSelector): readonly NamedPrefix[] {
  const known = PREFIXES.get(selector);
  if (known !== undefined) return known;
  const prefixes = rangeToPrefixes(selector.first, selector.last).map((prefix) => ({
    text: prefixToString(prefix),
    prefix,
  }));
  PREFIXES.set(selector, prefixes);
  return prefixes;
}

/** The peers' sides, each once. */
export function remotePrefixes(policies: readonly Policy[], family: Family): ReadonlyMap<string, Prefix> {
  const unique = new Map<string, Prefix>();
  for (const { remote } of policies)
    for (const selector of remote)
      if (selector.first.family === family)
        for (const { text, prefix } of prefixesOf(selector)) unique.set(text, prefix);
  return unique;
}

/** By destination. */
export function waysOf(policies: readonly Policy[]): ReadonlyMap<string, Way> {
  const ways = new Map<string, Way>();
  for (const { remote, source } of policies)
    for (const selector of remote)
      for (const { text, prefix } of prefixesOf(selector))
        ways.set(text, {
          destination: prefix,
          source: source?.family === prefix.address.family ? source : undefined,
        });
  return ways;
}

/** Our own prefixes inside protected ones ("protect everything else"): packets to them are looked up as ever. */
export function ownPrefixesInside(policies: readonly Policy[], family: Family): ReadonlyMap<string, Prefix> {
  const ofFamily = ({ first }: TrafficSelector) => first.family === family;
  const covers = new Covers(policies.flatMap(({ remote }) => remote.filter(ofFamily)));
  const unique = new Map<string, Prefix>();
  for (const { local } of policies)
    for (const selector of local)
      if (ofFamily(selector) && covers.hasLargerThan(selector))
        for (const { text, prefix } of prefixesOf(selector)) unique.set(text, prefix);
  return unique;
}

/** Ranges by their first addresses, each with the furthest last address of all that do not begin later. */
class Covers {
  readonly #starts: readonly IpAddress[];
  readonly #ends: readonly IpAddress[];

  constructor(ranges: readonly TrafficSelector[]) {
    const starts: IpAddress[] = [];
    const ends: IpAddress[] = [];
    let furthest: IpAddress | undefined;
    for (const { first, last } of ranges.toSorted((a, b) => compareAddresses(a.first, b.first))) {
      if (furthest === undefined || compareAddresses(last, furthest) > 0) furthest = last;
      const isNew = starts.length === 0 || compareAddresses(first, starts[starts.length - 1] ?? first) !== 0;
      if (isNew) starts.push(first);
      ends[starts.length - 1] = furthest;
    }
    this.#starts = starts;
    this.#ends = ends;
  }

  /** One of the ranges holds this one, and more. */
  hasLargerThan({ first, last }: TrafficSelector): boolean {
    const at = this.#lastNotAfter(first);
    const start = this.#starts[at];
    const end = this.#ends[at];
    if (start === undefined || end === undefined) return false;
    if (compareAddresses(end, last) > 0) return true;
    // What begins here ends here at most: only one that begins earlier can be larger.
    const before = compareAddresses(start, first) < 0 ? end : this.#ends[at - 1];
    return before !== undefined && compareAddresses(before, last) >= 0;
  }

  #lastNotAfter(address: IpAddress): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const start = this.#starts[middle];
      if (start !== undefined && compareAddresses(start, address) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
