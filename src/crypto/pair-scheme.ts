/** A key exchange whose two sides do the same: the answer is a pair of one's own, and agreement with it. */
import type { CurveOperations } from "#core/key-exchange-provider";
import type { RandomSource } from "#core/ports";
import type { KeyScheme } from "./key-scheme.ts";
import { wipe } from "./octets.ts";

/** `Key` is a private key as its library holds it: loading it is half of the work. */
export interface PairMethod<Key> {
  /** Throws RangeError for a source without randomness. */
  draw(random: RandomSource): Uint8Array;
  load(privateKey: Uint8Array): Key;
  publicOf(key: Key): Uint8Array;
  /** undefined: the peer's public value is bad. */
  secretOf(key: Key, publicKey: Uint8Array): Uint8Array | undefined;
}

export function pairScheme<Key>({ draw, load, publicOf, secretOf }: PairMethod<Key>): KeyScheme {
  return {
    generate(random) {
      const privateKey = draw(random);
      return { publicKey: publicOf(load(privateKey)), privateKey };
    },
    agree: (privateKey, publicKey) => secretOf(load(privateKey), publicKey),
    respond(publicKey, random) {
      const privateKey = draw(random);
      const key = load(privateKey);
      const shared = secretOf(key, publicKey);
      const answer = shared === undefined ? undefined : { publicKey: publicOf(key), shared };
      wipe(privateKey);
      return answer;
    },
  };
}

/** On a curve of a provider, which takes private keys as they are. */
export function providedScheme(
  method: number,
  draw: PairMethod<Uint8Array>["draw"],
  { publicOf, secretOf }: CurveOperations,
): KeyScheme {
  return pairScheme<Uint8Array>({
    draw,
    load: (privateKey) => privateKey,
    publicOf: (privateKey) => publicOf(method, privateKey),
    secretOf: (privateKey, publicKey) => secretOf(method, privateKey, publicKey),
  });
}
