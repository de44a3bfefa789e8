/** Identities as text, compared and matched: strongSwan's rules for `id`, RFC 4945 §3 for what an identity may be. */
import { addressToString, parseAddress, parsePrefix, prefixRange } from "#core/address";
import { type Identity, IdType } from "#core/identity";
import {
  type DistinguishedName,
  hasWildcard,
  nameFromDer,
  nameFromText,
  nameKey,
  namesEqual,
  nameToString,
  nameWildcards,
} from "#crypto/x509/distinguished-name";
import { equalOctets, joinOctets } from "./octets.ts";

/** What an `id = …` says: somebody, anybody (`%any`), or nothing that makes sense. */
export type IdentityText =
  | { readonly kind: "identity"; readonly identity: Identity }
  | { readonly kind: "any" }
  | { readonly kind: "wrong"; readonly problem: string; readonly remedy: string };

const PREFIXES: ReadonlyMap<string, number> = new Map([
  ["ipv4", IdType.ID_IPV4_ADDR],
  ["ipv6", IdType.ID_IPV6_ADDR],
  ["ipv4net", IdType.ID_IPV4_ADDR_SUBNET],
  ["ipv6net", IdType.ID_IPV6_ADDR_SUBNET],
  ["ipv4range", IdType.ID_IPV4_ADDR_RANGE],
  ["ipv6range", IdType.ID_IPV6_ADDR_RANGE],
  ["fqdn", IdType.ID_FQDN],
  ["dns", IdType.ID_FQDN],
  ["email", IdType.ID_RFC822_ADDR],
  ["rfc822", IdType.ID_RFC822_ADDR],
  ["userfqdn", IdType.ID_RFC822_ADDR],
  ["keyid", IdType.ID_KEY_ID],
  ["asn1dn", IdType.ID_DER_ASN1_DN],
  ["dn", IdType.ID_DER_ASN1_DN],
]);
const ANYBODY: ReadonlySet<string> = new Set(["", "%any", "%any4", "%any6", "*", "0.0.0.0", "::", "0::0"]);
/** Longer ones do not fit where they are shown and compared. */
const DATA_LIMIT = 4096;

function somebody(type: number, data: Uint8Array): IdentityText {
  if (data.length === 0 || data.length > DATA_LIMIT) {
    return wrong(`the identity has ${data.length} octets`, `give 1 to ${DATA_LIMIT}`);
  }
  return { kind: "identity", identity: { type, data } };
}

function wrong(problem: string, remedy: string): IdentityText {
  return { kind: "wrong", problem, remedy };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Reads text as strongSwan's identification_create_from_string does; `*` stays in the data of patterns. */
export function readIdentity(text: string): IdentityText {
  if (ANYBODY.has(text)) return { kind: "any" };
  const prefixed = /^([a-z0-9]+):(.*)$/is.exec(text);
  const type = PREFIXES.get(prefixed?.[1]?.toLowerCase() ?? "");
  if (type !== undefined) return readPrefixed(type, prefixed?.[2] ?? "");
  if (text.includes("=")) return readDn(text);
  if (text.startsWith("@#")) return readHex(IdType.ID_KEY_ID, text.slice(2));
  if (text.startsWith("@@")) return somebody(IdType.ID_RFC822_ADDR, encode(text.slice(2)));
  if (text.startsWith("@")) return somebody(IdType.ID_FQDN, encode(text.slice(1)));
  if (text.includes("@")) return somebody(IdType.ID_RFC822_ADDR, encode(text));
  return readAddresses(text) ?? somebody(text.includes(":") ? IdType.ID_KEY_ID : IdType.ID_FQDN, encode(text));
}

/** Like `readIdentity`; undefined for `%any` and for what makes no sense. */
export function parseIdentity(text: string): Identity | undefined {
  const read = readIdentity(text);
  return read.kind === "identity" ? read.identity : undefined;
}

// strongSwan takes "ipv4:10.0.0.1" for the seven octets of text, which no peer can mean: here it is the address.
function readPrefixed(type: number, text: string): IdentityText {
  if (text.startsWith("#")) return readHex(type, text.slice(1));
  switch (type) {
    case IdType.ID_FQDN:
    case IdType.ID_RFC822_ADDR:
    case IdType.ID_KEY_ID:
      return somebody(type, encode(text));
    case IdType.ID_DER_ASN1_DN:
      return readDn(text);
    default: {
      const addresses = readAddresses(text);
      if (addresses?.kind === "identity" && addresses.identity.type === type) return addresses;
      return wrong(`"${text}" is not what its prefix says`, "leave the prefix away, or give the octets as #hex");
    }
  }
}

function readHex(type: number, digits: string): IdentityText {
  const clean = digits.replace(/:/g, "");
  if (!/^([0-9a-f]{2})+$/i.test(clean)) {
    return wrong(`"#${digits}" is no hexadecimal number of whole octets`, "give two digits an octet, such as @#0a1b2c");
  }
  const data = Uint8Array.from(clean.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  if (type === IdType.ID_DER_ASN1_DN && nameFromDer(data) === undefined) {
    return wrong("the octets are no DER of a distinguished name", `write it as text: "C=CH, O=Example, CN=gw"`);
  }
  return somebody(type, data);
}

function readDn(text: string): IdentityText {
  const name = nameFromText(text);
  if (name !== undefined) return somebody(IdType.ID_DER_ASN1_DN, name);
  return wrong(
    `"${text}" is no distinguished name`,
    `write it as "C=CH, O=Example, CN=gw" with known attributes or OIDs, or put keyid: in front if it is meant as it stands`,
  );
}

function readAddresses(text: string): IdentityText | undefined {
  const address = parseAddress(text);
  if (address !== undefined) {
    return somebody(address.family === 4 ? IdType.ID_IPV4_ADDR : IdType.ID_IPV6_ADDR, address.octets);
  }
  const prefix = text.includes("/") ? parsePrefix(text) : undefined;
  if (prefix !== undefined) {
    const { first, last } = prefixRange(prefix);
    const mask = first.octets.map((octet, i) => ~(octet ^ (last.octets[i] ?? 0)));
    const type = first.family === 4 ? IdType.ID_IPV4_ADDR_SUBNET : IdType.ID_IPV6_ADDR_SUBNET;
    return somebody(type, joinOctets([first.octets, mask]));
  }
  const [from, to] = text.split("-").map(parseAddress);
  if (from === undefined || to === undefined || from.family !== to.family) return undefined;
  const type = from.family === 4 ? IdType.ID_IPV4_ADDR_RANGE : IdType.ID_IPV6_ADDR_RANGE;
  return somebody(type, joinOctets([from.octets, to.octets]));
}

/** As it could stand in a configuration; never throws, whatever a peer sent. */
export function identityToString(identity: Identity): string {
  const { type, data } = identity;
  switch (type) {
    case IdType.ID_IPV4_ADDR:
      return data.length === 4 ? addressToString({ family: 4, octets: data }) : `ipv4:#${hexOf(data)}`;
    case IdType.ID_IPV6_ADDR:
      return data.length === 16 ? addressToString({ family: 6, octets: data }) : `ipv6:#${hexOf(data)}`;
    case IdType.ID_IPV4_ADDR_SUBNET:
    case IdType.ID_IPV6_ADDR_SUBNET:
      return subnetToString(identity);
    case IdType.ID_IPV4_ADDR_RANGE:
    case IdType.ID_IPV6_ADDR_RANGE:
      return rangeToString(identity);
    case IdType.ID_FQDN:
      return textIdentity(identity, "fqdn");
    case IdType.ID_RFC822_ADDR:
      return textIdentity(identity, "email");
    case IdType.ID_KEY_ID:
      return `@#${hexOf(data)}`;
    case IdType.ID_DER_ASN1_DN: {
      const name = nameFromDer(data);
      return name === undefined || name.rdns.length === 0 ? `asn1dn:#${hexOf(data)}` : nameToString(name);
    }
    case IdType.ID_NULL:
      return "nobody (ID_NULL)";
    default:
      return `identity of type ${type} #${hexOf(data)}`;
  }
}

/** One flat string: V8 would keep a sum of strings as a tree of them, and these are kept as long as their IKE SA. */
function wholeHex(octets: Uint8Array): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** For people: a peer's may be very long. */
function hexOf(octets: Uint8Array): string {
  return octets.length > 64 ? `${wholeHex(octets.subarray(0, 64))}…` : wholeHex(octets);
}

function textIdentity({ type, data }: Identity, prefix: string): string {
  if (data.length === 0 || data.length > 255 || !data.every((octet) => octet > 0x20 && octet < 0x7f)) {
    return `${prefix}:#${hexOf(data)}`;
  }
  const text = String.fromCharCode(...data);
  const again = readIdentity(text);
  const same = again.kind === "identity" && again.identity.type === type && equalOctets(again.identity.data, data);
  return same ? text : `${prefix}:${text}`;
}

function halves({ type, data }: Identity): { first: Uint8Array; second: Uint8Array; family: 4 | 6 } | undefined {
  const four = type === IdType.ID_IPV4_ADDR_SUBNET || type === IdType.ID_IPV4_ADDR_RANGE;
  const length = four ? 4 : 16;
  if (data.length !== 2 * length) return undefined;
  return { first: data.subarray(0, length), second: data.subarray(length), family: four ? 4 : 6 };
}

function subnetToString(identity: Identity): string {
  const parts = halves(identity);
  if (parts === undefined) return `identity of type ${identity.type} #${hexOf(identity.data)}`;
  const ones = parts.second.reduce((count, octet) => count + octet.toString(2).replaceAll("0", "").length, 0);
  return `${addressToString({ family: parts.family, octets: parts.first })}/${ones}`;
}

function rangeToString(identity: Identity): string {
  const parts = halves(identity);
  if (parts === undefined) return `identity of type ${identity.type} #${hexOf(identity.data)}`;
  const text = (octets: Uint8Array) => addressToString({ family: parts.family, octets });
  return `${text(parts.first)}-${text(parts.second)}`;
}

function isText(type: number): boolean {
  return type === IdType.ID_FQDN || type === IdType.ID_RFC822_ADDR;
}

function lower(octets: Uint8Array): Uint8Array {
  return octets.map((octet) => (octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet));
}

/** The same somebody: names without regard to ASCII case, DNs by RFC 5280 §7.1, all else by octets. ID_NULL is nobody. */
export function identitiesEqual(a: Identity, b: Identity): boolean {
  if (a.type !== b.type || a.type === IdType.ID_NULL) return false;
  if (isText(a.type)) return equalOctets(lower(a.data), lower(b.data));
  if (a.type === IdType.ID_DER_ASN1_DN) {
    const names = bothNames(a, b);
    return names !== undefined && namesEqual(...names);
  }
  return equalOctets(a.data, b.data);
}

/** Equal where `identitiesEqual` holds, and nowhere else; undefined = equal to nobody. */
export function identityKey({ type, data }: Identity): string | undefined {
  if (type === IdType.ID_NULL) return undefined;
  if (type === IdType.ID_DER_ASN1_DN) {
    const name = nameFromDer(data);
    return name && `${type} ${nameKey(name)}`;
  }
  return [type, wholeHex(isText(type) ? lower(data) : data)].join(" ");
}

function bothNames(a: Identity, b: Identity): [DistinguishedName, DistinguishedName] | undefined {
  const [first, second] = [nameFromDer(a.data), nameFromDer(b.data)];
  return first === undefined || second === undefined ? undefined : [first, second];
}

const EXACT = 20;
const ANY = 1;
const STAR = 0x2a;

/** Whether it is a pattern of `identityMatch`, which nobody can be. */
export function isPattern({ type, data }: Identity): boolean {
  switch (type) {
    case IdType.ID_FQDN:
    case IdType.ID_RFC822_ADDR:
      return data[0] === STAR;
    case IdType.ID_DER_ASN1_DN: {
      const name = nameFromDer(data);
      return name !== undefined && hasWildcard(name);
    }
    case IdType.ID_IPV4_ADDR_SUBNET:
    case IdType.ID_IPV6_ADDR_SUBNET:
    case IdType.ID_IPV4_ADDR_RANGE:
    case IdType.ID_IPV6_ADDR_RANGE:
      return true;
    default:
      return false;
  }
}

/**
 * 0 = no match; larger = closer: 20 exact, 1 for undefined (anybody), between them `*.example.org`, `*@example.org`,
 * DNs with `*` for values (one less each), subnets and ranges.
 */
export function identityMatch(pattern: Identity | undefined, identity: Identity): number {
  if (pattern === undefined) return ANY;
  if (identitiesEqual(pattern, identity)) return EXACT;
  if (isText(pattern.type) && pattern.type === identity.type && pattern.data[0] === STAR) {
    const tail = lower(pattern.data.subarray(1));
    const start = identity.data.length - tail.length;
    return start > 0 && equalOctets(tail, lower(identity.data.subarray(start))) ? EXACT - 1 : 0;
  }
  if (pattern.type === IdType.ID_DER_ASN1_DN && identity.type === IdType.ID_DER_ASN1_DN) {
    const names = bothNames(pattern, identity);
    const wildcards = names === undefined ? undefined : nameWildcards(...names);
    return wildcards === undefined ? 0 : Math.max(ANY + 1, EXACT - wildcards);
  }
  return addressMatch(pattern, identity) ? EXACT - 1 : 0;
}

function addressMatch(pattern: Identity, identity: Identity): boolean {
  const four = identity.type === IdType.ID_IPV4_ADDR && identity.data.length === 4;
  const six = identity.type === IdType.ID_IPV6_ADDR && identity.data.length === 16;
  if (!four && !six) return false;
  const parts = halves(pattern);
  if (parts === undefined || parts.first.length !== identity.data.length) return false;
  const { first, second } = parts;
  switch (pattern.type) {
    case IdType.ID_IPV4_ADDR_SUBNET:
    case IdType.ID_IPV6_ADDR_SUBNET:
      return identity.data.every((octet, i) => ((octet ^ (first[i] ?? 0)) & (second[i] ?? 0)) === 0);
    case IdType.ID_IPV4_ADDR_RANGE:
    case IdType.ID_IPV6_ADDR_RANGE:
      return compare(first, identity.data) <= 0 && compare(identity.data, second) <= 0;
    default:
      return false;
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (const [i, octet] of a.entries()) {
    const difference = octet - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
