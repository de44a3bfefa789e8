/** GeneralNames (RFC 5280 §4.2.1.6): who a certificate speaks for, and what name constraints speak of. */
import { constructed, type DerReader, type DerValue, primitive, within } from "./der.ts";
import { type DistinguishedName, readName } from "./distinguished-name.ts";

export type GeneralName =
  | { readonly kind: "rfc822" | "dns" | "uri" | "ip"; readonly octets: Uint8Array }
  | { readonly kind: "directory"; readonly name: DistinguishedName }
  | { readonly kind: "other"; readonly tag: number };

const TEXT_KINDS: ReadonlyMap<number, "rfc822" | "dns" | "uri" | "ip"> = new Map([
  [primitive(1), "rfc822"],
  [primitive(2), "dns"],
  [primitive(6), "uri"],
  [primitive(7), "ip"],
]);

export function readGeneralName(value: DerValue, field: string): GeneralName {
  const kind = TEXT_KINDS.get(value.tag);
  if (kind !== undefined) return { kind, octets: value.content };
  if (value.tag !== constructed(4)) return { kind: "other", tag: value.tag };
  const reader = within(value);
  const name = readName(reader, field);
  reader.end(field);
  return { kind: "directory", name };
}

/** The names up to the reader's end. */
export function readGeneralNames(reader: DerReader, field: string, limit: number): GeneralName[] {
  return reader.all(field, limit).map((value) => readGeneralName(value, field));
}
