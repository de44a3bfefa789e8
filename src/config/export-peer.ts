/** What the other side's files have in common, whatever runs there. */
import { prefixToString, rangeToPrefixes } from "#core/address";
import { addressesOfText } from "#core/selector";
import { encryptionByName, integrityByName } from "#crypto/transforms";
import { pskText } from "./pair.ts";

export interface ExportedFile {
  /** Behind the name that the operator gives; empty for the first. */
  readonly suffix: string;
  /** Holds the secret where one was given and belongs there. */
  readonly octets: Uint8Array;
}

export interface Exported {
  readonly files: readonly ExportedFile[];
  readonly remarks: readonly string[];
}

export interface ExportWishes {
  /** Where the other side finds us, for a configuration that does not say it. */
  readonly address: string | undefined;
  /** Wiped. undefined: its place stays empty. */
  readonly secret: Uint8Array | undefined;
}

/** The one address or name there is; undefined: none, several, or anybody. */
export function onlyHost(hosts: readonly string[]): string | undefined {
  const [host] = hosts;
  return hosts.length === 1 && host !== undefined && !/^%any|^0\.0\.0\.0-|^::-/.test(host) ? host : undefined;
}

export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A proposal's words by what they are; undefined: it has additional key exchanges, which others do not have. */
export interface Words {
  readonly encryption: readonly string[];
  /** Of `encryption`, those that need no integrity. */
  readonly aead: boolean;
  readonly integrity: readonly string[];
  /** Without their "prf". */
  readonly prf: readonly string[];
  readonly groups: readonly string[];
  readonly esn: readonly string[];
}

export function wordsOf(proposal: string): Words | undefined {
  const words = proposal.split("-");
  if (words.some((word) => /^ke\d_/.test(word))) return undefined;
  const encryption = words.filter((word) => encryptionByName(word) !== undefined);
  const integrity = words.filter((word) => integrityByName(word) !== undefined);
  const prf = words.filter((word) => word.startsWith("prf"));
  const esn = words.filter((word) => word === "esn" || word === "noesn");
  const known = new Set([...encryption, ...integrity, ...prf, ...esn]);
  return {
    encryption,
    aead: encryption.some((word) => encryptionByName(word)?.aead === true),
    integrity,
    prf: prf.map((word) => word.slice(3)),
    groups: words.filter((word) => !known.has(word)),
    esn,
  };
}

/** Names there; what is not there is left out. */
export function named(words: readonly string[], names: ReadonlyMap<string, string>): string[] {
  return words.flatMap((word) => names.get(word) ?? []);
}

/** "10.1.0.1-10.1.0.2" → "10.1.0.1/32", "10.1.0.2/32"; undefined: it has protocols or ports. "dynamic" is none: the host itself. */
export function networksOf(selectors: readonly string[]): readonly string[] | undefined {
  const networks: string[] = [];
  for (const selector of selectors) {
    if (selector === "dynamic") continue;
    const range = selector.includes("[") ? undefined : addressesOfText(selector);
    if (range === undefined) return undefined;
    networks.push(...rangeToPrefixes(range.first, range.last).map(prefixToString));
  }
  return networks;
}

/** In hex, without a line end; wipes `secret`. */
export function secretText(secret: Uint8Array): Uint8Array {
  const text = pskText(secret);
  const within = text.slice(0, -1);
  text.fill(0);
  return within;
}
