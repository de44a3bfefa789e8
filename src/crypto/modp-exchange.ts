/**
 * Diffie–Hellman over MODP groups: 5 and 14–18 (RFC 3526) by OpenSSL, which knows these primes and tests none of them
 * anew (creation takes 4 µs); 1 and 2 by crypto/modp.ts.
 */
import { createDiffieHellman, createDiffieHellmanGroup } from "node:crypto";
import { assert } from "#core/errors";
import type { RandomSource } from "#core/ports";
import type { KeyPair, KeyScheme } from "./key-scheme.ts";
import { isPublicValue, MODP_768, MODP_1024, type ModularPower } from "./modp.ts";
import { wipe } from "./octets.ts";
import { pairScheme } from "./pair-scheme.ts";

const GENERATOR = Uint8Array.of(2);

interface Group {
  readonly prime: Uint8Array;
  /** Of a private exponent: twice the group's strength at least (RFC 3526 §8, NIST SP 800-56A §5.6.1.1). */
  readonly exponentOctets: number;
  publicOf(exponent: Uint8Array): Uint8Array;
  /** As long as the prime. */
  secretOf(exponent: Uint8Array, publicValue: Uint8Array): Uint8Array;
}

/** IANA's ID → the octets of a private exponent. */
const OPENSSL_GROUPS: ReadonlyMap<number, number> = new Map([
  [5, 32],
  [14, 32],
  [15, 40],
  [16, 48],
  [17, 48],
  [18, 56],
]);

function opensslGroup(prime: Uint8Array, exponentOctets: number): Group {
  const withKey = (exponent: Uint8Array) => {
    const dh = createDiffieHellman(prime, GENERATOR);
    dh.setPrivateKey(exponent);
    return dh;
  };
  return {
    prime,
    exponentOctets,
    publicOf: (exponent) => padded(withKey(exponent).generateKeys(), prime.length),
    secretOf: (exponent, publicValue) => padded(withKey(exponent).computeSecret(publicValue), prime.length),
  };
}

function padded(number: Uint8Array, octets: number): Uint8Array {
  const whole = new Uint8Array(octets);
  whole.set(number, octets - number.length);
  wipe(number);
  return whole;
}

function ownGroup(prime: Uint8Array, power: ModularPower): Group {
  const raise = (exponent: Uint8Array, base: Uint8Array) => {
    const result = power(prime, base, exponent);
    assert(result !== undefined, "the modulus of a MODP group is refused");
    return result;
  };
  return { prime, exponentOctets: 32, publicOf: (exponent) => raise(exponent, GENERATOR), secretOf: raise };
}

const primes = new Map<number, Uint8Array>();

/** OpenSSL's own octets: what it compares with when it looks whether it knows a prime. */
function primeOf(id: number): Uint8Array {
  const prime = primes.get(id) ?? Uint8Array.from(createDiffieHellmanGroup(`modp${id}`).getPrime());
  primes.set(id, prime);
  return prime;
}

function groupOf(id: number, power: ModularPower): Group | undefined {
  for (const own of [MODP_768, MODP_1024]) if (id === own.id) return ownGroup(own.prime, power);
  const exponentOctets = OPENSSL_GROUPS.get(id);
  return exponentOctets === undefined ? undefined : opensslGroup(primeOf(id), exponentOctets);
}

function generate(group: Group, random: RandomSource): KeyPair {
  const privateKey = new Uint8Array(group.exponentOctets);
  random.fill(privateKey);
  // Small enough for a value that is not reduced: a source without randomness.
  if (privateKey.subarray(0, privateKey.length / 2).every((octet) => octet === 0))
    throw new RangeError("the random source gives no usable private key");
  return { publicKey: group.publicOf(privateKey), privateKey };
}

/** By the ID of crypto/key-exchange.ts; undefined for methods that are none of these. */
export function modpScheme(id: number, power: ModularPower): KeyScheme | undefined {
  const group = groupOf(id, power);
  if (group === undefined) return undefined;
  return pairScheme(
    (random) => generate(group, random),
    // The secret keeps its leading zeros (RFC 7296 §2.14).
    (privateKey, publicKey) =>
      isPublicValue(group.prime, publicKey) ? group.secretOf(privateKey, publicKey) : undefined,
  );
}
