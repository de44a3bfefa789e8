/** What a family of key exchanges does, below the registry: lengths of public values are already checked. */
import type { RandomSource } from "#core/ports";

export interface KeyPair {
  /** As it goes into the KE payload. */
  readonly publicKey: Uint8Array;
  /** Secret; its form is the family's own. */
  readonly privateKey: Uint8Array;
}

export interface KeyAnswer {
  readonly publicKey: Uint8Array;
  /** Secret. */
  readonly shared: Uint8Array;
}

export interface KeyScheme {
  generate(random: RandomSource): KeyPair;
  /** undefined: the peer's public value is bad (RFC 6989), or gives a secret that everybody knows. */
  agree(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  respond(publicKey: Uint8Array, random: RandomSource): KeyAnswer | undefined;
}
