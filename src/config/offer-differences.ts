/** Two lists of proposals as swanctl.conf writes them, compared kind by kind. */
import { keyExchangeByName } from "#crypto/key-exchange";
import { ENCRYPTION_TRANSFORMS, INTEGRITY_TRANSFORMS } from "#crypto/transforms";

export interface OfferDifference {
  readonly type: "encryption" | "integrity" | "PRF" | "key exchange" | "authentication" | "other";
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
  readonly common: readonly string[];
}

const TYPES: readonly OfferDifference["type"][] = [
  "encryption",
  "integrity",
  "PRF",
  "key exchange",
  "authentication",
  "other",
];

/** Kinds that one of the two names, in the order they are negotiated in. "aes128-sha256-modp2048 with pre-shared key" too. */
export function offerDifferences(ours: readonly string[], theirs: readonly string[]): readonly OfferDifference[] {
  const [left, right] = [wordsOf(ours), wordsOf(theirs)];
  return TYPES.flatMap((type): OfferDifference[] => {
    const [a, b] = [left.get(type) ?? [], right.get(type) ?? []];
    if (a.length === 0 && b.length === 0) return [];
    return [{ type, ours: a, theirs: b, common: a.filter((word) => b.includes(word)) }];
  });
}

function wordsOf(offers: readonly string[]): Map<OfferDifference["type"], string[]> {
  const words = new Map<OfferDifference["type"], string[]>();
  const add = (type: OfferDifference["type"], word: string) => {
    const known = words.get(type) ?? [];
    if (!known.includes(word)) words.set(type, [...known, word]);
  };
  for (const offer of offers) {
    const [suite = "", method] = offer.split(" with ");
    for (const word of suite.split("-")) add(typeOf(word), word);
    if (method !== undefined) add("authentication", method);
  }
  return words;
}

function typeOf(word: string): OfferDifference["type"] {
  if (word.startsWith("prf")) return "PRF";
  if (ENCRYPTION_TRANSFORMS.some(({ name }) => name === word)) return "encryption";
  if (INTEGRITY_TRANSFORMS.some(({ name }) => name === word)) return "integrity";
  return keyExchangeByName(word.replace(/^ke\d_/, "")) === undefined ? "other" : "key exchange";
}
