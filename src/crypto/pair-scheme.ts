/** A key exchange whose two sides do the same: the answer is a pair of one's own, and agreement with it. */
import type { RandomSource } from "#core/ports";
import type { KeyPair, KeyScheme } from "./key-scheme.ts";
import { wipe } from "./octets.ts";

export function pairScheme(
  generate: (random: RandomSource) => KeyPair,
  agree: (privateKey: Uint8Array, publicKey: Uint8Array) => Uint8Array | undefined,
): KeyScheme {
  return {
    generate,
    agree,
    respond(publicKey, random) {
      const own = generate(random);
      const shared = agree(own.privateKey, publicKey);
      wipe(own.privateKey);
      return shared === undefined ? undefined : { publicKey: own.publicKey, shared };
    },
  };
}
