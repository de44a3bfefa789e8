/**
 * Single calls of the algorithms behind a cipher, without packets: vectors run on them, and IKE protects its own
 * messages with them. IDs: crypto/transforms.ts. Keys come without salt; `undefined` from a maker = not offered.
 */
export interface Aead {
  /** Ciphertext, then the tag. */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext, or undefined when the tag does not verify. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

export interface Mac {
  /** The whole tag over the parts in a row. `nonce` is 12 octets for GMAC and empty for all others. */
  compute(nonce: Uint8Array, parts: readonly Uint8Array[]): Uint8Array;
}

/** CBC (whole blocks, no padding) or CTR, whose IV is the whole first counter block. */
export interface BlockMode {
  encrypt(iv: Uint8Array, data: Uint8Array): Uint8Array;
  decrypt(iv: Uint8Array, data: Uint8Array): Uint8Array;
}

export interface Primitives {
  /** As shown to people: "node:crypto (OpenSSL 3.0.19)". */
  readonly name: string;
  aead(encryption: number, key: Uint8Array): Aead | undefined;
  mac(integrity: number, key: Uint8Array): Mac | undefined;
  blockMode(encryption: number, key: Uint8Array): BlockMode | undefined;
}
