/**
 * Diffie–Hellman over MODP groups: 5 and 14–18 (RFC 3526) by OpenSSL, which knows these primes and tests none of them
 * anew (creation takes 4 µs); 1 and 2 by crypto/modp.ts.
 */
import { createDiffieHellman, createDiffieHellmanGroup, type DiffieHellman } from "node:crypto";
import { assert } from "#core/errors";
import type { ModularPower } from "#core/key-exchange-provider";
import type { RandomSource } from "#core/ports";
import type { KeyScheme } from "./key-scheme.ts";
import { isPublicValue, MODP_768, MODP_1024, type ModpGroup } from "./modp.ts";
import { wipe } from "./octets.ts";
import { pairScheme } from "./pair-scheme.ts";

const GENERATOR = Uint8Array.of(2);

/** IANA's ID → octets of a private exponent: twice the strength at least (RFC 3526 §8, NIST SP 800-56A §5.6.1.1). */
const OPENSSL_GROUPS: ReadonlyMap<number, number> = new Map([
  [5, 32],
  [14, 32],
  [15, 40],
  [16, 48],
  [17, 48],
  [18, 56],
]);
const OWN_EXPONENT_OCTETS = 32;

function opensslScheme(prime: Uint8Array, exponentOctets: number): KeyScheme {
  return pairScheme<DiffieHellman>({
    draw: (random) => drawExponent(exponentOctets, random),
    load(exponent) {
      const dh = createDiffieHellman(prime, GENERATOR);
      dh.setPrivateKey(exponent);
      return dh;
    },
    publicOf: (dh) => padded(dh.generateKeys(), prime.length),
    secretOf: (dh, value) => (isPublicValue(prime, value) ? padded(dh.computeSecret(value), prime.length) : undefined),
  });
}

/** As long as the prime: the secret keeps its leading zeros (RFC 7296 §2.14). */
function padded(number: Uint8Array, octets: number): Uint8Array {
  const whole = new Uint8Array(octets);
  whole.set(number, octets - number.length);
  wipe(number);
  return whole;
}

function ownScheme({ prime }: ModpGroup, power: ModularPower): KeyScheme {
  const raise = (base: Uint8Array, exponent: Uint8Array) => {
    const result = power(prime, base, exponent);
    assert(result !== undefined, "the modulus of a MODP group is refused");
    return result;
  };
  return pairScheme<Uint8Array>({
    draw: (random) => drawExponent(OWN_EXPONENT_OCTETS, random),
    load: (exponent) => exponent,
    publicOf: (exponent) => raise(GENERATOR, exponent),
    secretOf: (exponent, value) => (isPublicValue(prime, value) ? raise(value, exponent) : undefined),
  });
}

function drawExponent(octets: number, random: RandomSource): Uint8Array {
  const exponent = new Uint8Array(octets);
  random.fill(exponent);
  // Half of it zero: a source without randomness, and a power of 2 that may not even be reduced.
  if (exponent.subarray(0, octets / 2).every((octet) => octet === 0))
    throw new RangeError("the random source gives no usable private key");
  return exponent;
}

const primes = new Map<number, Uint8Array>();

/** OpenSSL's own octets: what it compares with when it looks whether it knows a prime. */
function primeOf(id: number): Uint8Array {
  const prime = primes.get(id) ?? Uint8Array.from(createDiffieHellmanGroup(`modp${id}`).getPrime());
  primes.set(id, prime);
  return prime;
}

/** By the ID of crypto/key-exchange.ts; undefined for methods that are none of these. */
export function modpScheme(id: number, power: ModularPower): KeyScheme | undefined {
  for (const own of [MODP_768, MODP_1024]) if (id === own.id) return ownScheme(own, power);
  const exponentOctets = OPENSSL_GROUPS.get(id);
  return exponentOctets === undefined ? undefined : opensslScheme(primeOf(id), exponentOctets);
}
