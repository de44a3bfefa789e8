/** `local_addrs` and `remote_addrs`: where a peer may be. */
import { compareAddresses, type IpAddress, parseAddress, parsePrefix, prefixRange } from "#core/address";
import type { HostPattern } from "#core/connection";
import type { Findings } from "./findings.ts";
import type { ListItem, SectionReader } from "./section-reader.ts";
import { complainOfLength } from "./selectors.ts";

const EXAMPLE = "give an address, a prefix 192.0.2.0/24, a range 192.0.2.1-192.0.2.9, a name or %any";
/** RFC 1123 §2.1; a name of digits and dots would be a mistyped address. */
const HOST_NAME = /^(?=.{1,253}$)(?!.*\.\d+$)[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*\.?$/i;

/** %any where the key is absent. */
export function readHosts(reader: SectionReader, key: string): HostPattern[] {
  const patterns = reader.list(key).flatMap((item) => hostPattern(item, reader.findings) ?? []);
  return reader.has(key) ? patterns : [{ kind: "any" }];
}

function hostPattern({ text, place, placeOf }: ListItem, findings: Findings): HostPattern | undefined {
  if (text === "%any") return { kind: "any" };
  if (text === "%any4" || text === "0.0.0.0") return range(parseAddress("0.0.0.0"), parseAddress("255.255.255.255"));
  if (text === "%any6" || text === "::") return prefixPattern("::/0");
  const address = parseAddress(text);
  if (address !== undefined) return { kind: "address", address };
  if (text.includes("/") && complainOfLength(text, placeOf, findings)) return undefined;
  const [first = "", last, ...rest] = text.split("-");
  const pattern =
    prefixPattern(text) ??
    (rest.length === 0 ? range(parseAddress(first.trim()), parseAddress((last ?? "").trim())) : undefined);
  if (pattern !== undefined) return pattern;
  if (HOST_NAME.test(text) && !/^\d+$/.test(text)) return { kind: "name", name: text.toLowerCase() };
  findings.error(place, `'${text}' is no address and no name of a host`, EXAMPLE);
  return undefined;
}

function prefixPattern(text: string): HostPattern | undefined {
  const prefix = text.includes("/") ? parsePrefix(text) : undefined;
  return prefix && { kind: "range", ...prefixRange(prefix) };
}

function range(first: IpAddress | undefined, last: IpAddress | undefined): HostPattern | undefined {
  if (first === undefined || last === undefined || first.family !== last.family) return undefined;
  return compareAddresses(first, last) > 0 ? undefined : { kind: "range", first, last };
}

/** The only address that is meant, if there is one. */
export function fixedAddress(patterns: readonly HostPattern[]): IpAddress | undefined {
  const [only] = patterns;
  return patterns.length === 1 && only?.kind === "address" ? only.address : undefined;
}
