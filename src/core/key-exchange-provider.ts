/** What key exchanges are computed with: node:crypto and bigint, or the addon. */

/** base ^ exponent mod modulus, as long as the modulus; big-endian. undefined: the modulus is refused. */
export type ModularPower = (modulus: Uint8Array, base: Uint8Array, exponent: Uint8Array) => Uint8Array | undefined;

/** Elliptic curves with keys as they are; `method`: KeMethod of crypto/key-exchange.ts. Lengths are already checked. */
export interface CurveOperations {
  publicOf(method: number, privateKey: Uint8Array): Uint8Array;
  /** undefined: the public value is bad (RFC 6989 §2.3), or gives zeros to everybody (RFC 8031 §3.2). */
  secretOf(method: number, privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
}

export interface KeyExchangeProvider {
  readonly name: string;
  /** For modp768 and modp1024 (crypto/modp.ts). */
  readonly power: ModularPower;
  /** undefined: node:crypto's, which takes private keys only wrapped and checks them anew with each use. */
  readonly curves: CurveOperations | undefined;
}
