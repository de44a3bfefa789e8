/** Outer addresses: where the gateway listens and where its peers are. */
import { addressToString, compareAddresses, type Endpoint, type IpAddress, parseAddress } from "#core/address";
import { Fields } from "./fields.ts";

/** RFC 3948 §2: ESP in UDP shares IKE's port. */
export const NAT_T_PORT = 4500;
const PORTS = { minimum: 1, maximum: 65535 };

export function isUnspecified(address: IpAddress): boolean {
  return address.octets.every((octet) => octet === 0);
}

function isMulticast(address: IpAddress): boolean {
  const first = address.octets[0] ?? 0;
  return address.family === 4 ? first >= 224 : first === 0xff;
}

export function endpointToString({ address, port }: Endpoint): string {
  const text = addressToString(address);
  if (port === 0) return text;
  return address.family === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}

/** `listen`: one object or a list of them. Undefined when the key is absent. */
export function readListen(gateway: Fields): Endpoint[] | undefined {
  const value = gateway.value("listen");
  if (value === undefined) return undefined;
  const items = value.kind === "array" ? value.items : [value];
  const endpoints: Endpoint[] = [];
  for (const [i, item] of items.entries()) {
    const path = value.kind === "array" ? `listen[${i}]` : "listen";
    const fields = Fields.of(item, "listen", path, gateway.complaints);
    const text = fields?.requiredText("address", '"192.0.2.1"');
    const port = fields?.integer("port", PORTS, NAT_T_PORT) ?? NAT_T_PORT;
    if (fields === undefined || text === undefined) continue;
    const address = parseAddress(text);
    if (address === undefined) fields.error("address", `"${text}" is no address`, 'for example "192.0.2.1" or "::"');
    else if (endpoints.some((other) => other.port === port && compareAddresses(other.address, address) === 0))
      fields.error("", `${endpointToString({ address, port })} is listed twice`, "remove one");
    else endpoints.push({ address, port });
  }
  return endpoints;
}

/** "192.0.2.1", "192.0.2.1:4500", "2001:db8::1" or "[2001:db8::1]:4500"; port 0 where none is written. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]+)(?::(\d{1,5}))?$/.exec(text);
  const address = parseAddress(match?.[1] ?? text);
  const port = match?.[2] === undefined ? 0 : Number(match[2]);
  if (address === undefined || port > 65535 || (match?.[2] !== undefined && port === 0)) return undefined;
  return { address, port };
}

/** An SA's end. Ports exist in UDP only; `defaultPort` is taken where none is written. */
export function readEndpoint(
  sa: Fields,
  key: "local" | "remote",
  encapsulation: "udp" | "none",
  defaultPort: (address: IpAddress) => number,
): Endpoint | undefined {
  const example = encapsulation === "udp" ? '"192.0.2.1:4500"' : '"192.0.2.1"';
  const text = sa.requiredText(key, example);
  if (text === undefined) return undefined;
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) {
    sa.error(key, `"${text}" is no address with or without a port`, `for example ${example} or "[2001:db8::1]:4500"`);
    return undefined;
  }
  const { address, port } = endpoint;
  if (isMulticast(address))
    sa.error(key, "a multicast or reserved address", "SAs here join two hosts: take a unicast address");
  if (key === "remote" && isUnspecified(address)) sa.error(key, "the peer has no address", "name the peer's address");
  if (encapsulation === "none") {
    if (port !== 0)
      sa.error(key, "ESP and AH without UDP have no ports", `remove :${port}, or set "encapsulation": "udp"`);
    return { address, port: 0 };
  }
  return { address, port: port === 0 ? defaultPort(address) : port };
}
