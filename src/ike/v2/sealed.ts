/**
 * The Encrypted payload (RFC 7296 §3.14; AEAD RFC 5282, AES-CTR RFC 5930, ChaCha20 RFC 7634 §4) and the Encrypted
 * Fragment payload (RFC 7383 §2.5). Works on whole messages without non-ESP marker. One object an IKE SA and direction.
 */
import type { RandomSource } from "#core/ports";

/** SK_e and SK_a of one direction; AEAD and CTR: salt or nonce at the end of `encryptionKey`, `integrity` 0 for an AEAD. */
export interface DirectionKeys {
  /** Transform IDs: crypto/transforms.ts; the key's length tells AES's sizes apart. */
  readonly encryption: number;
  readonly integrity: number;
  readonly encryptionKey: Uint8Array;
  readonly integrityKey: Uint8Array;
}

/** The inner chain of a message: what SK or SKF carries. */
export type Opened =
  | { readonly kind: "whole"; readonly firstType: number; readonly inner: Uint8Array }
  | {
      readonly kind: "fragment";
      /** Of the whole inner chain in fragment 1, else 0. */
      readonly firstType: number;
      /** 1 … total. */
      readonly number: number;
      readonly total: number;
      readonly inner: Uint8Array;
    };

/** Number and total of a message's SKF payload before anything is decrypted; undefined where there is none or it is malformed. */
export declare function peekFragment(
  message: Uint8Array,
): { readonly number: number; readonly total: number } | undefined;

/** Seals what we send; never uses an IV twice. Copies the keys: the caller wipes its own. */
export declare class MessageSealer {
  constructor(keys: DirectionKeys, random: RandomSource);
  /**
   * Header (28 octets; next payload and length are filled in), SK payload. `firstType` and `inner`: the encoded chain.
   */
  seal(header: Uint8Array, firstType: number, inner: Uint8Array): Uint8Array;
  /** Header, SKF payload number 1 … total with this piece of the inner chain; `firstType` is written in number 1 only. */
  sealFragment(
    header: Uint8Array,
    firstType: number,
    fragment: { readonly number: number; readonly total: number; readonly piece: Uint8Array },
  ): Uint8Array;
  /** Octets of the message that `seal` makes of an inner chain of this length. */
  sealedLength(innerOctets: number): number;
  /** The longest piece whose SKF message has at most so many octets; 0 = none. */
  pieceLimit(messageOctets: number): number;
  /** The keys are gone; sealing afterwards is a bug. */
  wipe(): void;
}

/** Opens what the peer sends. Copies the keys: the caller wipes its own. */
export declare class MessageOpener {
  constructor(keys: DirectionKeys);
  /** undefined: no SK or SKF at the end of the chain, lengths that do not fit, wrong ICV, wrong padding, or keys wiped. */
  open(message: Uint8Array): Opened | undefined;
  wipe(): void;
}
