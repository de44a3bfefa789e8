/** Runs the key exchanges of crypto/key-exchange.ts. Private keys serve one exchange and are then wiped. */
import { assert } from "#core/errors";
import type { KeyExchangeProvider } from "#core/key-exchange-provider";
import type { RandomSource } from "#core/ports";
import { curveScheme } from "./curve-exchange.ts";
import { type KeyExchange, keyExchangeById } from "./key-exchange.ts";
import type { KeyAnswer, KeyPair, KeyScheme } from "./key-scheme.ts";
import { mlKemScheme } from "./ml-kem.ts";
import { bigintPower } from "./modp.ts";
import { modpScheme } from "./modp-exchange.ts";
import { montgomeryScheme } from "./montgomery-exchange.ts";

/** For machines without the addon. */
export const portableKeyExchange: KeyExchangeProvider = { name: "node", power: bigintPower, curves: undefined };

/** The peer's public value is unusable (RFC 6989): answer INVALID_SYNTAX or drop, and never go on. */
export class KeyExchangeError extends Error {
  readonly code = "KEY_EXCHANGE";
  /** Name of the method. */
  readonly method: string;

  constructor(method: string, problem: string) {
    super(`${method}: ${problem}`);
    this.name = "KeyExchangeError";
    this.method = method;
  }
}

function known(method: number): KeyExchange {
  const row = keyExchangeById(method);
  assert(row !== undefined, `key exchange method ${method} was chosen and is not there`);
  return row;
}

function schemeOf(row: KeyExchange, { curves, power }: KeyExchangeProvider): KeyScheme {
  const scheme =
    curveScheme(row, curves) ?? montgomeryScheme(row, curves) ?? mlKemScheme(row.name) ?? modpScheme(row.id, power);
  assert(scheme !== undefined, `key exchange method ${row.id} has no implementation`);
  return scheme;
}

function checkLength(name: string, value: Uint8Array, octets: number): void {
  if (value.length !== octets)
    throw new KeyExchangeError(name, `the peer's public value has ${value.length} octets instead of ${octets}`);
}

function usable<T>(name: string, result: T | undefined): T {
  if (result === undefined) throw new KeyExchangeError(name, "the peer's public value is out of range (RFC 6989)");
  return result;
}

/** A fresh key pair; for ML-KEM the initiator's. Depends on nothing but `random`, with every provider. */
export function generateKey(
  method: number,
  random: RandomSource,
  provider: KeyExchangeProvider = portableKeyExchange,
): KeyPair {
  return schemeOf(known(method), provider).generate(random);
}

/** The initiator's shared secret with the responder's value. Throws `KeyExchangeError` for a bad one. */
export function agree(
  method: number,
  privateKey: Uint8Array,
  publicKey: Uint8Array,
  provider: KeyExchangeProvider = portableKeyExchange,
): Uint8Array {
  const row = known(method);
  checkLength(row.name, publicKey, row.responderOctets);
  return usable(row.name, schemeOf(row, provider).agree(privateKey, publicKey));
}

/** A fresh value of ours and the shared secret with the initiator's. Throws `KeyExchangeError` for a bad one. */
export function respond(
  method: number,
  publicKey: Uint8Array,
  random: RandomSource,
  provider: KeyExchangeProvider = portableKeyExchange,
): KeyAnswer {
  const row = known(method);
  checkLength(row.name, publicKey, row.initiatorOctets);
  return usable(row.name, schemeOf(row, provider).respond(publicKey, random));
}
