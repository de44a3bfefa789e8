/** ML-KEM (FIPS 203) as an additional key exchange (RFC 9370): the responder encapsulates to the initiator's key. */
import { ml_kem512, ml_kem768, ml_kem1024 } from "@noble/post-quantum/ml-kem.js";
import type { RandomSource } from "#core/ports";
import type { KeyAnswer, KeyScheme } from "./key-scheme.ts";
import { wipe } from "./octets.ts";

const PARAMETERS: Readonly<Record<string, typeof ml_kem768>> = {
  mlkem512: ml_kem512,
  mlkem768: ml_kem768,
  mlkem1024: ml_kem1024,
};

/** FIPS 203 §7.1: d and z. §7.2: m. */
const KEY_SEED_OCTETS = 64;
const MESSAGE_OCTETS = 32;

/** FIPS 203 §7.2: each of the key's 12-bit coefficients is below this. */
const MODULUS = 3329;
/** Of ρ, at the key's end. */
const SEED_OCTETS = 32;

/** The modulus check of FIPS 203 §7.2: three octets hold two coefficients, the lower first. */
function isEncapsulationKey(key: Uint8Array): boolean {
  for (let at = 0; at < key.length - SEED_OCTETS; at += 3) {
    const [a = 0, b = 0, c = 0] = key.subarray(at, at + 3);
    if ((a | ((b & 15) << 8)) >= MODULUS || ((b >> 4) | (c << 4)) >= MODULUS) return false;
  }
  return true;
}

/** By the name of crypto/key-exchange.ts; undefined for methods that are none of these. */
export function mlKemScheme(name: string): KeyScheme | undefined {
  const kem = PARAMETERS[name];
  if (kem === undefined) return undefined;
  return {
    generate(random: RandomSource) {
      const seed = new Uint8Array(KEY_SEED_OCTETS);
      random.fill(seed);
      const { publicKey, secretKey } = kem.keygen(seed);
      wipe(seed);
      return { publicKey, privateKey: secretKey };
    },
    // A changed ciphertext gives another secret and no error (implicit rejection): IKE's AUTH or integrity fails then.
    agree: (privateKey, ciphertext) => kem.decapsulate(ciphertext, privateKey),
    respond(publicKey, random): KeyAnswer | undefined {
      if (!isEncapsulationKey(publicKey)) return undefined;
      const message = new Uint8Array(MESSAGE_OCTETS);
      random.fill(message);
      const { cipherText, sharedSecret } = kem.encapsulate(publicKey, message);
      wipe(message);
      return { publicKey: cipherText, shared: sharedSecret };
    },
  };
}
