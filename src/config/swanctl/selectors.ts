/** `local_ts` and `remote_ts`: networks, ranges or `dynamic`, each with an optional [protocol/port]. */

import { parseNumberRange } from "#config/quantities";
import { compareAddresses, type IpAddress, parseAddress, parsePrefix, prefixRange } from "#core/address";
import type { SelectorConfig } from "#core/connection";
import { nearest } from "#core/nearest";
import { ANY_PROTOCOL, IpProtocol } from "#core/selector";
import type { Findings } from "./findings.ts";
import type { ListItem, SectionReader } from "./section-reader.ts";
import type { Place } from "./source.ts";

interface Upper {
  readonly protocol: number;
  readonly firstPort: number;
  readonly lastPort: number;
}

const ANY: Upper = { protocol: ANY_PROTOCOL, firstPort: 0, lastPort: 65535 };
const EXAMPLE = "for example 10.1.0.0/24, 10.1.0.5-10.1.0.9, 2001:db8::/64[tcp/443] or dynamic";
const PORT_EXAMPLE = "for example [tcp/80], [udp/5000-5999], [icmp] or [47]";
const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ["any", ANY_PROTOCOL],
  ["%any", ANY_PROTOCOL],
  ["tcp", IpProtocol.TCP],
  ["udp", IpProtocol.UDP],
  ["icmp", IpProtocol.ICMP],
  ["icmpv6", IpProtocol.ICMPV6],
  ["ipv6-icmp", IpProtocol.ICMPV6],
  ["sctp", 132],
  ["dccp", 33],
  ["udplite", 136],
  ["gre", 47],
  ["esp", IpProtocol.ESP],
  ["ah", IpProtocol.AH],
  ["ipip", IpProtocol.IPV4],
  ["ipv6", IpProtocol.IPV6],
  ["ospf", 89],
  ["vrrp", 112],
  ["l2tp", 115],
]);
/** ICMP and mobility headers have types where others have ports (RFC 4301 §4.4.1.1). */
const WITH_PORTS: ReadonlySet<number> = new Set([
  IpProtocol.TCP,
  IpProtocol.UDP,
  IpProtocol.ICMP,
  IpProtocol.ICMPV6,
  IpProtocol.MOBILITY,
  132,
  33,
  136,
]);
/** The services that people write by name. */
const SERVICES: ReadonlyMap<string, number> = new Map([
  ["ssh", 22],
  ["domain", 53],
  ["http", 80],
  ["ntp", 123],
  ["bgp", 179],
  ["https", 443],
  ["l2tp", 1701],
]);

/** `dynamic` where the key is absent. */
export function readSelectors(reader: SectionReader, key: string): SelectorConfig[] {
  if (!reader.has(key)) return [{ kind: "dynamic", ...ANY }];
  const items = reader.list(key);
  if (items.length === 0) reader.wrong(key, `${key} names no network`, EXAMPLE);
  return items.flatMap((item) => selector(item, reader.findings) ?? []);
}

function selector(item: ListItem, findings: Findings): SelectorConfig | undefined {
  const open = item.text.indexOf("[");
  const network = (open < 0 ? item.text : item.text.slice(0, open)).trimEnd();
  const brackets = open < 0 ? undefined : item.text.slice(open + 1, -1);
  if (open >= 0 && !item.text.endsWith("]")) {
    findings.error(item.place, `'${item.text}' is no traffic selector`, EXAMPLE);
    return undefined;
  }
  const upper = brackets === undefined ? ANY : upperOf(brackets, item.placeOf(open + 1), findings);
  if (upper === undefined) return undefined;
  if (network === "dynamic" || network === "") return { kind: "dynamic", ...upper };
  const range = rangeOf(network, item, findings);
  return range && { kind: "fixed", selector: { ...range, ...upper } };
}

function rangeOf(
  text: string,
  item: ListItem,
  findings: Findings,
): { readonly first: IpAddress; readonly last: IpAddress } | undefined {
  const [from = "", to, ...rest] = text.split("-");
  if (to !== undefined && rest.length === 0) {
    const first = parseAddress(from.trim());
    const last = parseAddress(to.trim());
    if (first !== undefined && last !== undefined && first.family === last.family) {
      if (compareAddresses(first, last) <= 0) return { first, last };
      findings.error(item.place, `'${text}' ends before it begins`, "swap the two addresses");
      return undefined;
    }
  }
  if (complainOfLength(text, item.placeOf, findings)) return undefined;
  const prefix = parsePrefix(text);
  if (prefix === undefined) {
    findings.error(item.place, `'${text}' is no network`, EXAMPLE);
    return undefined;
  }
  const range = prefixRange(prefix);
  const written = parseAddress(text.split("/")[0] ?? "");
  if (written !== undefined && compareAddresses(written, range.first) !== 0)
    findings.warn(
      item.place,
      `'${text}' has bits set beyond its prefix length: the whole network is meant`,
      `write its first address, or /${8 * written.octets.length} for the one host`,
    );
  return range;
}

/** True when it has complained of a prefix that is longer than the address. */
export function complainOfLength(text: string, placeOf: (character: number) => Place, findings: Findings): boolean {
  const slash = text.indexOf("/");
  const address = parseAddress(text.slice(0, slash));
  const length = text.slice(slash + 1);
  const bits = 8 * (address?.octets.length ?? 0);
  if (slash < 0 || address === undefined || !/^\d{1,4}$/.test(length) || Number(length) <= bits) return false;
  findings.error(
    placeOf(slash + 1),
    `prefix length ${length} is beyond ${bits}`,
    `take /${bits} for one host, or less`,
  );
  return true;
}

function upperOf(text: string, place: Place, findings: Findings): Upper | undefined {
  const [protocolText = "", portText, ...rest] = text.split("/").map((part) => part.trim().toLowerCase());
  const protocol = protocolText === "" ? ANY_PROTOCOL : protocolOf(protocolText);
  if (protocol === undefined || rest.length > 0) {
    const meant = nearest(protocolText, PROTOCOLS.keys());
    findings.error(
      place,
      `'${protocolText}' is no protocol`,
      meant === undefined ? PORT_EXAMPLE : `did you mean '${meant}'?`,
    );
    return undefined;
  }
  if (portText === undefined || portText === "" || portText === "any" || portText === "%any")
    return { ...ANY, protocol };
  // RFC 7296 §3.13.1: OPAQUE begins at the end and ends at the beginning.
  if (portText === "opaque") return { protocol, firstPort: 65535, lastPort: 0 };
  const service = SERVICES.get(portText);
  const range = service === undefined ? parseNumberRange(portText, 65535) : ([service, service] as const);
  if (range === undefined) {
    findings.error(place, `'${portText}' is no port`, PORT_EXAMPLE);
    return undefined;
  }
  if (!WITH_PORTS.has(protocol)) {
    findings.error(place, `a port without a protocol that has ports`, "for example [tcp/80]");
    return undefined;
  }
  return { protocol, firstPort: range[0], lastPort: range[1] };
}

function protocolOf(text: string): number | undefined {
  return PROTOCOLS.get(text) ?? (/^\d{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : undefined);
}
