/** Addresses and selectors in strongSwan's words: "10.1.0.0/16", "10.3.0.1..10.3.0.9[udp/1000-2000]", "dynamic[icmp/8]". */
import { addressToString, type IpAddress, prefixToString, rangeToPrefix } from "#core/address";
import type { HostPattern, SelectorConfig } from "#core/connection";
import { ANY_PROTOCOL, IpProtocol, type TrafficSelector } from "#core/selector";

type Ports = Pick<TrafficSelector, "protocol" | "firstPort" | "lastPort">;

const LAST_PORT = 65_535;
const NAMES: ReadonlyMap<number, string> = new Map([
  [1, "icmp"],
  [4, "ipencap"],
  [6, "tcp"],
  [17, "udp"],
  [41, "ipv6"],
  [47, "gre"],
  [50, "esp"],
  [51, "ah"],
  [58, "ipv6-icmp"],
  [89, "ospf"],
  [132, "sctp"],
]);

export function selectorText(selector: TrafficSelector): string {
  return `${rangeText(selector.first, selector.last, "..")}${portsText(selector)}`;
}

export function selectorConfigText(selector: SelectorConfig): string {
  return selector.kind === "fixed" ? selectorText(selector.selector) : `dynamic${portsText(selector)}`;
}

/** As swanctl.conf has it: "%any", "192.0.2.2", "198.51.100.0/24", "203.0.113.1-203.0.113.9", "gw.example". */
export function hostText(host: HostPattern): string {
  switch (host.kind) {
    case "any":
      return "%any";
    case "address":
      return addressToString(host.address);
    case "range":
      return rangeText(host.first, host.last, "-");
    case "name":
      return host.name;
    default:
      return host satisfies never;
  }
}

function rangeText(first: IpAddress, last: IpAddress, between: string): string {
  const prefix = rangeToPrefix(first, last);
  return prefix === undefined ? `${addressToString(first)}${between}${addressToString(last)}` : prefixToString(prefix);
}

function portsText({ protocol, firstPort, lastPort }: Ports): string {
  const all = firstPort === 0 && lastPort === LAST_PORT;
  if (protocol === ANY_PROTOCOL && all) return "";
  const name = protocol === ANY_PROTOCOL ? "0" : (NAMES.get(protocol) ?? `${protocol}`);
  return `[${name}${all ? "" : `/${portRange(protocol, firstPort, lastPort)}`}]`;
}

function portRange(protocol: number, first: number, last: number): string {
  // RFC 7296 §3.13.1: nobody may say which ports.
  if (first === LAST_PORT && last === 0) return "OPAQUE";
  const one = protocol === IpProtocol.ICMP || protocol === IpProtocol.ICMPV6 ? icmpText : String;
  return first === last ? one(first) : `${one(first)}-${one(last)}`;
}

/** RFC 7296 §3.13.1: the type above the code. */
function icmpText(port: number): string {
  const code = port & 0xff;
  return code === 0 ? `${port >>> 8}` : `${port >>> 8}(${code})`;
}
