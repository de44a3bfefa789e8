/** IDci and IDcr of quick mode: what RFC 2407 §4.6.2 can say of a selector, and the way back. */
import { addressOf, compareAddresses, type IpAddress } from "#core/address";
import { IdType } from "#core/identity";
import { ANY_PROTOCOL, type TrafficSelector } from "#core/selector";
import { copyOctets, joinOctets } from "#crypto/octets";
import { type IdPayload, idPayload } from "#wire/ike/v1/id";

const ANY_PORT = 0;
const LAST_PORT = 65535;

/** undefined: IKEv1 has no words for it (a range of ports, OPAQUE, port 0 alone). */
export function selectorToId(selector: TrafficSelector): IdPayload | undefined {
  const port = portOf(selector);
  if (port === undefined) return undefined;
  return idPayload(identityOf(selector.first, selector.last), selector.protocol, port);
}

/** undefined = any ports but one, which RFC 2407 §4.6.2 cannot say. */
function portOf({ firstPort, lastPort, protocol }: TrafficSelector): number | undefined {
  if (firstPort === 0 && lastPort === LAST_PORT) return ANY_PORT;
  return firstPort === lastPort && firstPort !== ANY_PORT && protocol !== ANY_PROTOCOL ? firstPort : undefined;
}

function identityOf(first: IpAddress, last: IpAddress): { readonly type: number; readonly data: Uint8Array } {
  const v4 = first.family === 4;
  if (compareAddresses(first, last) === 0)
    return { type: v4 ? IdType.ID_IPV4_ADDR : IdType.ID_IPV6_ADDR, data: first.octets };
  const mask = first.octets.map((octet, i) => ~(octet ^ (last.octets[i] ?? 0)));
  const aligned = first.octets.every((octet, i) => (octet & ~(mask[i] ?? 0) & 0xff) === 0);
  if (aligned && prefixLength(mask) !== undefined)
    return {
      type: v4 ? IdType.ID_IPV4_ADDR_SUBNET : IdType.ID_IPV6_ADDR_SUBNET,
      data: joinOctets([first.octets, mask]),
    };
  return {
    type: v4 ? IdType.ID_IPV4_ADDR_RANGE : IdType.ID_IPV6_ADDR_RANGE,
    data: joinOctets([first.octets, last.octets]),
  };
}

/** undefined: ones do not stand before zeros. */
function prefixLength(mask: Uint8Array): number | undefined {
  const bits = Array.from(mask, (octet) => octet.toString(2).padStart(8, "0")).join("");
  const length = bits.indexOf("0");
  if (length < 0) return bits.length;
  return bits.includes("1", length) ? undefined : length;
}

/** undefined: another type, a length that is not the type's, a mask with holes, a range that runs backwards. */
export function idToSelector({ identity, protocol, port }: IdPayload): TrafficSelector | undefined {
  const range = rangeOf(identity.type, identity.data);
  if (range === undefined || compareAddresses(range.first, range.last) > 0) return undefined;
  const ports = port === ANY_PORT ? { firstPort: 0, lastPort: LAST_PORT } : { firstPort: port, lastPort: port };
  return { ...range, protocol, ...ports };
}

interface Range {
  readonly first: IpAddress;
  readonly last: IpAddress;
}

function rangeOf(type: number, data: Uint8Array): Range | undefined {
  switch (type) {
    case IdType.ID_IPV4_ADDR:
      return data.length === 4 ? single(data) : undefined;
    case IdType.ID_IPV6_ADDR:
      return data.length === 16 ? single(data) : undefined;
    case IdType.ID_IPV4_ADDR_SUBNET:
      return data.length === 8 ? subnet(data.subarray(0, 4), data.subarray(4)) : undefined;
    case IdType.ID_IPV6_ADDR_SUBNET:
      return data.length === 32 ? subnet(data.subarray(0, 16), data.subarray(16)) : undefined;
    case IdType.ID_IPV4_ADDR_RANGE:
      return data.length === 8 ? { first: copy(data.subarray(0, 4)), last: copy(data.subarray(4)) } : undefined;
    case IdType.ID_IPV6_ADDR_RANGE:
      return data.length === 32 ? { first: copy(data.subarray(0, 16)), last: copy(data.subarray(16)) } : undefined;
    default:
      return undefined;
  }
}

function single(octets: Uint8Array): Range {
  const address = copy(octets);
  return { first: address, last: address };
}

/** Host bits that are set are ignored, as everybody does. */
function subnet(octets: Uint8Array, mask: Uint8Array): Range | undefined {
  if (prefixLength(mask) === undefined) return undefined;
  const first = octets.map((octet, i) => octet & (mask[i] ?? 0));
  return { first: addressOf(first), last: addressOf(first.map((octet, i) => octet | (~(mask[i] ?? 0) & 0xff))) };
}

function copy(octets: Uint8Array): IpAddress {
  return addressOf(copyOctets(octets));
}

/** Absent IDci and IDcr are the hosts themselves (RFC 2409 §5.5). */
export function hostSelector(address: IpAddress): TrafficSelector {
  return { first: address, last: address, protocol: ANY_PROTOCOL, firstPort: 0, lastPort: LAST_PORT };
}
