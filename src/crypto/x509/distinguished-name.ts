/** Distinguished names: DER, text as strongSwan writes it, comparison of RFC 5280 §7.1, and patterns with `*`. */
import { equalOctets } from "#crypto/octets";
import { DerError, DerReader, type DerValue, der, derOid, derSequence, derSet, readOid, Tag, within } from "./der.ts";

export interface NameAttribute {
  readonly oid: string;
  readonly tag: number;
  readonly octets: Uint8Array;
  /** Equal for values that RFC 5280 §7.1 calls equal. */
  readonly key: string;
}

export interface DistinguishedName {
  readonly der: Uint8Array;
  readonly rdns: readonly (readonly NameAttribute[])[];
}

const RDN_LIMIT = 64;
const ATTRIBUTE_LIMIT = 16;
export const EMAIL_ADDRESS = "1.2.840.113549.1.9.1";
const DOMAIN_COMPONENT = "0.9.2342.19200300.100.1.25";

// The first name of an OID is the one that is printed.
const ATTRIBUTE_NAMES: readonly (readonly [string, string])[] = [
  ["CN", "2.5.4.3"],
  ["S", "2.5.4.4"],
  ["SN", "2.5.4.5"],
  ["serialNumber", "2.5.4.5"],
  ["C", "2.5.4.6"],
  ["L", "2.5.4.7"],
  ["ST", "2.5.4.8"],
  ["street", "2.5.4.9"],
  ["O", "2.5.4.10"],
  ["OU", "2.5.4.11"],
  ["T", "2.5.4.12"],
  ["D", "2.5.4.13"],
  ["postalAddress", "2.5.4.16"],
  ["postalCode", "2.5.4.17"],
  ["N", "2.5.4.41"],
  ["G", "2.5.4.42"],
  ["I", "2.5.4.43"],
  ["ID", "2.5.4.45"],
  ["dnQualifier", "2.5.4.46"],
  ["pseudonym", "2.5.4.65"],
  ["E", EMAIL_ADDRESS],
  ["email", EMAIL_ADDRESS],
  ["emailAddress", EMAIL_ADDRESS],
  ["UN", "1.2.840.113549.1.9.2"],
  ["UID", "0.9.2342.19200300.100.1.1"],
  ["DC", DOMAIN_COMPONENT],
];

/** Throws DerError. */
export function readName(reader: DerReader, field: string): DistinguishedName {
  const whole = reader.read(Tag.SEQUENCE, field);
  const rdns = within(whole)
    .all(field, RDN_LIMIT)
    .map((rdn) => {
      if (rdn.tag !== Tag.SET) throw new DerError(`${field} has an RDN that is no SET`, rdn.offset);
      const attributes = within(rdn)
        .all(field, ATTRIBUTE_LIMIT)
        .map((pair) => readAttribute(pair, field));
      if (attributes.length === 0) throw new DerError(`${field} has an empty RDN`, rdn.offset);
      return attributes;
    });
  return { der: whole.whole, rdns };
}

function readAttribute(pair: DerValue, field: string): NameAttribute {
  if (pair.tag !== Tag.SEQUENCE) throw new DerError(`${field} has an attribute that is no SEQUENCE`, pair.offset);
  const reader = within(pair);
  const oid = readOid(reader.read(Tag.OID, `${field}'s attribute type`), `${field}'s attribute type`);
  const { tag, content } = reader.any(`${field}'s attribute value`);
  reader.end(`${field}'s attribute`);
  return { oid, tag, octets: content, key: `${oid}=${normalised(tag, content)}` };
}

/** undefined when the octets are no name. */
export function nameFromDer(octets: Uint8Array): DistinguishedName | undefined {
  try {
    const reader = new DerReader(octets);
    const name = readName(reader, "name");
    reader.end("name");
    return name;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

// RFC 5280 §7.1: without regard to string type, case, and how much white space.
function normalised(tag: number, octets: Uint8Array): string {
  const text = stringOf(tag, octets);
  if (text === undefined) return `#${tag.toString(16)}:${hexOf(octets)}`;
  return `"${text.normalize("NFKC").toLowerCase().trim().replace(/ +/g, " ")}`;
}

/** undefined when the type is no string, or the octets are none of that type. */
function stringOf(tag: number, octets: Uint8Array): string | undefined {
  switch (tag) {
    case Tag.UTF8_STRING:
      try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
      } catch {
        return undefined;
      }
    case Tag.PRINTABLE_STRING:
    case Tag.IA5_STRING:
    case Tag.NUMERIC_STRING:
    case Tag.VISIBLE_STRING:
      return octets.every((octet) => octet < 0x80) ? latin1(octets) : undefined;
    case Tag.TELETEX_STRING:
      return latin1(octets);
    case Tag.BMP_STRING:
      return octets.length % 2 === 0 ? fromUnits(octets, 2) : undefined;
    case Tag.UNIVERSAL_STRING:
      return octets.length % 4 === 0 ? fromUnits(octets, 4) : undefined;
    default:
      return undefined;
  }
}

function latin1(octets: Uint8Array): string {
  let text = "";
  for (const octet of octets) text += String.fromCharCode(octet);
  return text;
}

function fromUnits(octets: Uint8Array, width: number): string | undefined {
  let text = "";
  for (let i = 0; i < octets.length; i += width) {
    let unit = 0;
    for (let j = 0; j < width; j++) unit = unit * 256 + (octets[i + j] ?? 0);
    if (unit > 0x10ffff) return undefined;
    text += String.fromCodePoint(unit);
  }
  return text;
}

function hexOf(octets: Uint8Array): string {
  let text = "";
  for (const octet of octets) text += octet.toString(16).padStart(2, "0");
  return text;
}

function rdnKey(rdn: readonly NameAttribute[]): string {
  return JSON.stringify(rdn.map((attribute) => attribute.key).sort());
}

export function namesEqual(a: DistinguishedName, b: DistinguishedName): boolean {
  return equalOctets(a.der, b.der) || (a.rdns.length === b.rdns.length && nameWithin(a, b));
}

/** The same for equal names, and for no others. */
export function nameKey({ rdns }: DistinguishedName): string {
  return JSON.stringify(rdns.map(rdnKey));
}

/** Does `name` lie below `base` (RFC 5280 §4.2.1.10)? Equal names do. */
export function nameWithin(base: DistinguishedName, name: DistinguishedName): boolean {
  return (
    base.rdns.length <= name.rdns.length && base.rdns.every((rdn, i) => rdnKey(rdn) === rdnKey(name.rdns[i] ?? []))
  );
}

function isWild({ octets }: NameAttribute): boolean {
  return octets.length === 1 && octets[0] === 0x2a;
}

/** Whether some value is `*`. */
export function hasWildcard({ rdns }: DistinguishedName): boolean {
  return rdns.some((rdn) => rdn.some(isWild));
}

/** How many values of the pattern are `*`; undefined when it does not match. Types and their order are to be the same. */
export function nameWildcards(pattern: DistinguishedName, name: DistinguishedName): number | undefined {
  if (pattern.rdns.length !== name.rdns.length) return undefined;
  let wildcards = 0;
  for (const [i, rdn] of pattern.rdns.entries()) {
    const other = name.rdns[i] ?? [];
    if (rdn.length !== other.length) return undefined;
    for (const [j, attribute] of rdn.entries()) {
      if (isWild(attribute) && attribute.oid === other[j]?.oid) wildcards++;
      else if (attribute.key !== other[j]?.key) return undefined;
    }
  }
  return wildcards;
}

// A name of a peer may be as long as a certificate; a line for people is not.
const SHOWN_LIMIT = 512;

/** "C=CH, O=Example, CN=gw-b"; never throws, shows no control characters, and ends in … where it is very long. */
export function nameToString(name: DistinguishedName): string {
  const text = name.rdns.map((rdn) => rdn.map(attributeToString).join("+")).join(", ");
  return text.length > SHOWN_LIMIT ? `${text.slice(0, SHOWN_LIMIT)}…` : text;
}

function attributeToString(attribute: NameAttribute): string {
  const label = ATTRIBUTE_NAMES.find(([, oid]) => oid === attribute.oid)?.[0] ?? attribute.oid;
  const text = stringOf(attribute.tag, attribute.octets);
  if (text === undefined || /\p{C}/u.test(text)) return `${label}=#${hexOf(attribute.octets)}`;
  return `${label}=${text.replace(/[\\,+"]|^#/g, "\\$&")}`;
}

/** DER of "C=CH, O=Example, CN=gw-b" or "/C=CH/O=Example/CN=gw-b"; `\` escapes, quotes enclose; undefined when it is none. */
export function nameFromText(text: string): Uint8Array | undefined {
  const slashed = text.startsWith("/");
  const parts = splitUnescaped(slashed ? text.slice(1) : text, slashed ? "/" : ",");
  if (parts.length > RDN_LIMIT) return undefined;
  const rdns: Uint8Array[] = [];
  for (const part of parts) {
    const attributes = splitUnescaped(part, "+").map(attributeFromText);
    const known = attributes.filter((attribute) => attribute !== undefined);
    if (known.length < attributes.length || known.length > ATTRIBUTE_LIMIT) return undefined;
    rdns.push(derSet(...known));
  }
  return derSequence(...rdns);
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = [];
  let part = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === "\\") part += char + text.charAt(++i);
    else if (char === separator && !quoted) {
      parts.push(part);
      part = "";
    } else {
      if (char === '"') quoted = !quoted;
      part += char;
    }
  }
  parts.push(part);
  return parts;
}

function attributeFromText(text: string): Uint8Array | undefined {
  const equals = text.indexOf("=");
  const label = text.slice(0, Math.max(0, equals)).trim();
  const dotted = /^[0-2](\.(0|[1-9]\d{0,14})){1,30}$/.test(label) ? label : undefined;
  const oid = dotted ?? ATTRIBUTE_NAMES.find(([name]) => name.toLowerCase() === label.toLowerCase())?.[1];
  const raw = text.slice(equals + 1).trim();
  const value = (/^"(.*)"$/s.exec(raw)?.[1] ?? raw).replace(/\\(.)/gs, "$1");
  if (equals < 0 || oid === undefined || value === "") return undefined;
  const ascii = [...value].every((char) => char < "\u0080");
  const tag =
    ascii && (oid === EMAIL_ADDRESS || oid === DOMAIN_COMPONENT)
      ? Tag.IA5_STRING
      : /^[A-Za-z0-9 '()+,\-./:=?]+$/.test(value)
        ? Tag.PRINTABLE_STRING
        : Tag.UTF8_STRING;
  return derSequence(derOid(oid), der(tag, new TextEncoder().encode(value)));
}
