/** Addresses, ranges, protocols and ports as text → traffic selectors. */
import { compareAddresses, type IpAddress, parseAddress, parsePrefix, prefixRange } from "#core/address";
import { ANY_PROTOCOL, IpProtocol, type TrafficSelector } from "#core/selector";
import { describe, Fields } from "./fields.ts";
import { type JsonValue, stringText } from "./json.ts";
import { parseNumberRange } from "./quantities.ts";

export interface AddressRange {
  readonly first: IpAddress;
  readonly last: IpAddress;
}

/** Protocol and port range of one side. */
export interface Upper {
  readonly protocol: number;
  readonly firstPort: number;
  readonly lastPort: number;
}

const SCTP = 132;
const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ["any", ANY_PROTOCOL],
  ["tcp", IpProtocol.TCP],
  ["udp", IpProtocol.UDP],
  ["sctp", SCTP],
  ["icmp", IpProtocol.ICMP],
  ["icmpv6", IpProtocol.ICMPV6],
]);
const DCCP = 33;
const UDP_LITE = 136;
const WITH_PORTS: ReadonlySet<number> = new Set([IpProtocol.TCP, IpProtocol.UDP, SCTP, DCCP, UDP_LITE]);
export const ANY_PORT: Omit<Upper, "protocol"> = { firstPort: 0, lastPort: 65535 };

const EXAMPLE = 'for example "10.1.0.0/24", "10.1.0.5-10.1.0.9" or "2001:db8::/64"';

/** One address, prefix or range, or a list of them. */
export function readRanges(fields: Fields, key: string): AddressRange[] {
  const value = fields.value(key);
  if (value === undefined) return [];
  if (value.kind !== "array") return rangeOf(fields, value, fields.pathOf(key));
  if (value.items.length === 0) fields.error(key, "the list is empty", `name at least one network, ${EXAMPLE}`);
  return value.items.flatMap((item, i) => rangeOf(fields, item, `${fields.pathOf(key)}[${i}]`));
}

function rangeOf(fields: Fields, value: JsonValue, path: string): AddressRange[] {
  const { complaints } = fields;
  if (value.kind === "object") {
    const range = Fields.of(value, "range", path, complaints);
    const first = range?.requiredText("from", '"10.1.0.5"');
    const last = range?.requiredText("to", '"10.1.0.9"');
    if (first === undefined || last === undefined) return [];
    return checked(fields, value.at, path, parseAddress(first), parseAddress(last));
  }
  if (value.kind !== "string") {
    complaints.error(value.at, path, `${describe(value)} where a network belongs`, EXAMPLE);
    return [];
  }
  const text = stringText(value);
  const [first = "", last, ...rest] = text.split("-");
  if (last !== undefined && rest.length === 0)
    return checked(fields, value.at, path, parseAddress(first.trim()), parseAddress(last.trim()));
  const prefix = parsePrefix(text);
  if (prefix === undefined) {
    complaints.error(value.at, path, `${describe(value)} is no address, prefix or range`, EXAMPLE);
    return [];
  }
  const range = prefixRange(prefix);
  const written = parseAddress(text.split("/")[0] ?? "");
  if (written !== undefined && compareAddresses(written, range.first) !== 0)
    complaints.error(
      value.at,
      path,
      `"${text}" has bits set beyond its prefix length`,
      `write the network's first address, or /${8 * written.octets.length} for this one host`,
    );
  return [range];
}

function checked(
  fields: Fields,
  at: number,
  path: string,
  first: IpAddress | undefined,
  last: IpAddress | undefined,
): AddressRange[] {
  if (first === undefined || last === undefined || first.family !== last.family) {
    fields.complaints.error(at, path, "a range needs two addresses of one family", EXAMPLE);
    return [];
  }
  if (compareAddresses(first, last) > 0) {
    fields.complaints.error(at, path, "the range ends before it begins", "swap the two addresses");
    return [];
  }
  return [{ first, last }];
}

function readProtocol(fields: Fields): number {
  const value = fields.value("protocol");
  if (value?.kind === "string") {
    const text = stringText(value);
    const known = PROTOCOLS.get(text);
    if (known !== undefined) return known;
    if (/^\d{1,3}$/.test(text) && Number(text) <= 255) return Number(text);
    fields.error(
      "protocol",
      `"${text}" is no protocol`,
      `choose ${[...PROTOCOLS.keys()].join(", ")} or a number 0–255`,
    );
    return ANY_PROTOCOL;
  }
  return fields.integer("protocol", { minimum: 0, maximum: 255 }, ANY_PROTOCOL);
}

/** Protocol and ports of both sides. ICMP's type and code stand where ports would, on both sides (RFC 7296 §3.13.1). */
export function readUpper(fields: Fields): { readonly local: Upper; readonly remote: Upper } {
  const protocol = readProtocol(fields);
  if (fields.has("icmp")) {
    const upper = { protocol, ...readIcmp(fields, protocol) };
    return { local: upper, remote: upper };
  }
  return {
    local: { protocol, ...readPorts(fields, "localPorts", protocol) },
    remote: { protocol, ...readPorts(fields, "remotePorts", protocol) },
  };
}

function readPorts(fields: Fields, key: string, protocol: number): Omit<Upper, "protocol"> {
  const value = fields.value(key);
  if (value === undefined) return ANY_PORT;
  if (!WITH_PORTS.has(protocol)) {
    fields.error(key, "ports without a protocol that has them", 'add "protocol": "tcp", "udp" or "sctp"');
    return ANY_PORT;
  }
  const text = value.kind === "string" ? stringText(value) : value.kind === "number" ? String(value.value) : "";
  const range = parseNumberRange(text, 65535);
  if (range !== undefined) return { firstPort: range[0], lastPort: range[1] };
  fields.error(key, `${describe(value)} is no port or range of ports`, 'for example "80" or "8000-8999"');
  return ANY_PORT;
}

function readIcmp(fields: Fields, protocol: number): Omit<Upper, "protocol"> {
  if (protocol !== IpProtocol.ICMP && protocol !== IpProtocol.ICMPV6)
    fields.error("icmp", "type and code without ICMP", 'add "protocol": "icmp" or "icmpv6"');
  for (const key of ["localPorts", "remotePorts"])
    if (fields.has(key)) fields.error(key, "ICMP has no ports", "remove it");
  const text = fields.text("icmp");
  if (text === undefined) return ANY_PORT;
  const [typeText = "", codeText, ...rest] = text.split("/");
  const type = parseNumberRange(typeText, 255);
  const code = codeText === undefined ? ([0, 255] as const) : parseNumberRange(codeText, 255);
  if (type === undefined || code === undefined || rest.length > 0 || (type[0] !== type[1] && codeText !== undefined)) {
    fields.error("icmp", `"${text}" is no type and code`, 'for example "8/0", "3/0-15", "8" or "0-18"');
    return ANY_PORT;
  }
  return { firstPort: type[0] * 256 + code[0], lastPort: type[1] * 256 + code[1] };
}

export function selectorsOf(ranges: readonly AddressRange[], upper: Upper): TrafficSelector[] {
  const { protocol, firstPort, lastPort } = upper;
  return ranges.map(({ first, last }) => ({ first, last, protocol, firstPort, lastPort }));
}
