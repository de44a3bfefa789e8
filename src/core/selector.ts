/** Selectors in the form of RFC 7296 §3.13 / RFC 4301 §4.4.1.1: an address range, a protocol, a port range. */
import {
  addressToString,
  compareAddresses,
  type IpAddress,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixRange,
  prefixToString,
  rangeToPrefix,
} from "./address.ts";

export const ANY_PROTOCOL = 0;

/** IP protocol numbers the data plane knows by name (IANA). */
export const IpProtocol = {
  HOPOPT: 0,
  ICMP: 1,
  IPV4: 4,
  TCP: 6,
  UDP: 17,
  IPV6: 41,
  ROUTING: 43,
  FRAGMENT: 44,
  ESP: 50,
  AH: 51,
  ICMPV6: 58,
  NO_NEXT: 59,
  DESTINATION: 60,
  MOBILITY: 135,
} as const;

/** One side of a selector. For ICMP the port is type × 256 + code (RFC 7296 §3.13.1). */
export interface TrafficSelector {
  readonly first: IpAddress;
  readonly last: IpAddress;
  /** 0 = any. */
  readonly protocol: number;
  /** Inclusive. 0–65535 = any; firstPort 65535 with lastPort 0 = OPAQUE (RFC 7296 §3.13.1). */
  readonly firstPort: number;
  readonly lastPort: number;
}

export function prefixSelector(
  prefix: Prefix,
  protocol: number = ANY_PROTOCOL,
  firstPort = 0,
  lastPort = 65535,
): TrafficSelector {
  const { first, last } = prefixRange(prefix);
  return { first, last, protocol, firstPort, lastPort };
}

/** As it is written: "10.1.0.0/16", "10.1.0.5", "10.1.0.5-10.1.0.9", with protocol and ports "10.1.0.0/16[6/80-443]". */
export function selectorToString(s: TrafficSelector): string {
  const range = rangeText(s.first, s.last);
  const ports = s.firstPort === 0 && s.lastPort === 65535 ? "" : `/${s.firstPort}-${s.lastPort}`;
  return s.protocol === ANY_PROTOCOL && ports === "" ? range : `${range}[${s.protocol}${ports}]`;
}

function rangeText(first: IpAddress, last: IpAddress): string {
  if (compareAddresses(first, last) === 0) return addressToString(first);
  const prefix = rangeToPrefix(first, last);
  return prefix === undefined ? `${addressToString(first)}-${addressToString(last)}` : prefixToString(prefix);
}

/** The addresses of what `selectorToString` wrote; undefined: it is no such text. */
export function addressesOfText(text: string): Pick<TrafficSelector, "first" | "last"> | undefined {
  const [firstText = "", lastText] = text.replace(/\[.*$/, "").split("-");
  if (lastText === undefined) {
    const prefix = parsePrefix(firstText);
    return prefix && prefixRange(prefix);
  }
  const [first, last] = [parseAddress(firstText), parseAddress(lastText)];
  return first === undefined || last === undefined ? undefined : { first, last };
}

/** True when some packet fits both. */
export function selectorsOverlap(a: TrafficSelector, b: TrafficSelector): boolean {
  return (
    a.first.family === b.first.family &&
    compareAddresses(a.first, b.last) <= 0 &&
    compareAddresses(b.first, a.last) <= 0 &&
    (a.protocol === ANY_PROTOCOL || b.protocol === ANY_PROTOCOL || a.protocol === b.protocol) &&
    a.firstPort <= b.lastPort &&
    b.firstPort <= a.lastPort
  );
}

/** True when every packet that fits `inner` fits `outer`. */
export function selectorContains(outer: TrafficSelector, inner: TrafficSelector): boolean {
  return (
    outer.first.family === inner.first.family &&
    compareAddresses(outer.first, inner.first) <= 0 &&
    compareAddresses(inner.last, outer.last) <= 0 &&
    (outer.protocol === ANY_PROTOCOL || outer.protocol === inner.protocol) &&
    outer.firstPort <= inner.firstPort &&
    inner.lastPort <= outer.lastPort
  );
}
