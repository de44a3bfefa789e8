/**
 * MODP groups 1 and 2 (RFC 2409 §6.1, §6.2): legacy, for the documents' sake, reachable only where a configuration
 * allows "modp768" or "modp1024" by name. node:crypto tests the prime anew for each key, which takes 18–32 ms; these
 * primes are constants.
 */
import type { ModularPower } from "#core/key-exchange-provider";
import { fromHex } from "./octets.ts";

export interface ModpGroup {
  /** IANA "Transform Type 4" ID. */
  readonly id: number;
  readonly prime: Uint8Array;
}

function toBigInt(octets: Uint8Array): bigint {
  let hex = "0x0";
  for (const octet of octets) hex += octet.toString(16).padStart(2, "0");
  return BigInt(hex);
}

export const MODP_768: ModpGroup = {
  id: 1,
  prime: fromHex(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd" +
      "ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a3620ffffffffffffffff",
  ),
};
export const MODP_1024: ModpGroup = {
  id: 2,
  prime: fromHex(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd" +
      "ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed" +
      "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff",
  ),
};

/** For machines without the addon: right, but its time depends on the exponent. */
export const bigintPower: ModularPower = (modulus, base, exponent) => {
  const p = toBigInt(modulus);
  let square = toBigInt(base) % p;
  let result = 1n;
  for (let i = exponent.length - 1; i >= 0; i--) {
    for (let bit = 0; bit < 8; bit++) {
      if (((exponent[i] ?? 0) >> bit) & 1) result = (result * square) % p;
      square = (square * square) % p;
    }
  }
  return fromHex(result.toString(16).padStart(modulus.length * 2, "0"));
};

/** 1 < value < p - 1 (RFC 6989 §2.1): everything else leaks or fixes the secret. */
export function isPublicValue(prime: Uint8Array, value: Uint8Array): boolean {
  if (value.length !== prime.length) return false;
  const number = toBigInt(value);
  return number > 1n && number < toBigInt(prime) - 1n;
}
