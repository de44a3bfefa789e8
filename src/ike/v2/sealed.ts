/**
 * The Encrypted payload (RFC 7296 §3.14; AEAD RFC 5282, AES-CTR RFC 5930, ChaCha20 RFC 7634 §4) and the Encrypted
 * Fragment payload (RFC 7383 §2.5). Works on whole messages without non-ESP marker. One object an IKE SA and direction.
 */
import { assert } from "#core/errors";
import type { RandomSource } from "#core/ports";
import { copyOctets, wipe } from "#crypto/octets";
import { IKE_HEADER_LENGTH, LENGTH, NEXT_PAYLOAD } from "#wire/ike/header";
import { PAYLOAD_HEADER_LENGTH } from "#wire/ike/message";
import { PayloadType } from "#wire/ike/numbers";
import { type DirectionKeys, makeProtection, type Protection } from "./protection.ts";

export type { DirectionKeys } from "./protection.ts";

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

// RFC 7296 §3.2. Offset from the start of a payload.
const PAYLOAD_LENGTH = 2;
// RFC 7383 §2.5. Offsets from the start of the SKF payload.
const FRAGMENT_NUMBER = 4;
const TOTAL_FRAGMENTS = 6;
const SKF_FIXED_LENGTH = 8;

const { SK, SKF } = PayloadType;
/** Payloads in clear before SK or SKF: none is defined; a message with more is dropped. */
const MAX_OUTER_PAYLOADS = 16;
const MAX_PAYLOAD_OCTETS = 0xffff;

interface Envelope {
  readonly type: typeof SK | typeof SKF;
  /** Next payload of the SK or SKF payload: what stands first inside. */
  readonly firstType: number;
  /** Where its IV begins. */
  readonly body: number;
  /** 0 for SK. */
  readonly number: number;
  readonly total: number;
}

/** Walks to the SK or SKF payload, which must be the last one and end where the message does (RFC 7296 §3.14). */
function envelopeOf(message: Uint8Array): Envelope | undefined {
  if (message.length < IKE_HEADER_LENGTH + PAYLOAD_HEADER_LENGTH) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  if (view.getUint32(LENGTH) !== message.length) return undefined;
  let type = view.getUint8(NEXT_PAYLOAD);
  let at = IKE_HEADER_LENGTH;
  for (let count = 0; count <= MAX_OUTER_PAYLOADS && at + PAYLOAD_HEADER_LENGTH <= message.length; count++) {
    const length = view.getUint16(at + PAYLOAD_LENGTH);
    const next = view.getUint8(at);
    if (type === SK || type === SKF) {
      const fixed = type === SK ? PAYLOAD_HEADER_LENGTH : SKF_FIXED_LENGTH;
      if (length < fixed || at + length !== message.length) return undefined;
      const number = type === SK ? 0 : view.getUint16(at + FRAGMENT_NUMBER);
      const total = type === SK ? 0 : view.getUint16(at + TOTAL_FRAGMENTS);
      // RFC 7383 §2.5: both from 1 on.
      if (type === SKF && (number === 0 || number > total)) return undefined;
      return { type, firstType: next, body: at + fixed, number, total };
    }
    if (length < PAYLOAD_HEADER_LENGTH) return undefined;
    type = next;
    at += length;
  }
  return undefined;
}

/** Number and total of a message's SKF payload before anything is decrypted; undefined where there is none. */
export function peekFragment(message: Uint8Array): { readonly number: number; readonly total: number } | undefined {
  const envelope = envelopeOf(message);
  return envelope?.type === SKF ? { number: envelope.number, total: envelope.total } : undefined;
}

/** Keys of one direction and how many IVs they have counted: secret, the receiver's to wipe. */
export interface FrozenSeal {
  readonly keys: DirectionKeys;
  readonly counted: number;
}

function copyOf({ encryption, integrity, encryptionKey, integrityKey }: DirectionKeys): DirectionKeys {
  return { encryption, integrity, encryptionKey: copyOctets(encryptionKey), integrityKey: copyOctets(integrityKey) };
}

export function wipeSeal({ keys }: FrozenSeal): void {
  wipe(keys.encryptionKey, keys.integrityKey);
}

/** Seals what we send; never uses an IV twice. Copies the keys: the caller wipes its own. */
export class MessageSealer {
  readonly #keys: DirectionKeys;
  #protection: Protection | undefined;

  /** `counted`: IVs that these keys were used with already. */
  constructor(keys: DirectionKeys, random: RandomSource, counted = 0) {
    this.#keys = copyOf(keys);
    this.#protection = makeProtection(this.#keys, random, counted);
  }

  freeze(): FrozenSeal {
    return { keys: copyOf(this.#keys), counted: this.#live().counted };
  }

  /** Header (28 octets; next payload and length are filled in), then SK. `firstType` and `inner`: the encoded chain. */
  seal(header: Uint8Array, firstType: number, inner: Uint8Array): Uint8Array {
    return this.#seal(header, SK, firstType, new Uint8Array(0), inner);
  }

  /** Header, then SKF number 1 … total with this piece of the inner chain; `firstType` is written in number 1 only. */
  sealFragment(
    header: Uint8Array,
    firstType: number,
    fragment: { readonly number: number; readonly total: number; readonly piece: Uint8Array },
  ): Uint8Array {
    const { number, total, piece } = fragment;
    const numbers = new Uint8Array(SKF_FIXED_LENGTH - PAYLOAD_HEADER_LENGTH);
    const view = new DataView(numbers.buffer);
    view.setUint16(FRAGMENT_NUMBER - PAYLOAD_HEADER_LENGTH, number);
    view.setUint16(TOTAL_FRAGMENTS - PAYLOAD_HEADER_LENGTH, total);
    return this.#seal(header, SKF, number === 1 ? firstType : 0, numbers, piece);
  }

  /** Octets of the message that `seal` makes of an inner chain of this length. */
  sealedLength(innerOctets: number): number {
    return IKE_HEADER_LENGTH + PAYLOAD_HEADER_LENGTH + this.#live().sealedOctets(innerOctets);
  }

  /** The longest piece whose SKF message has at most so many octets; 0 = none. */
  pieceLimit(messageOctets: number): number {
    return Math.max(0, this.#live().plainLimit(messageOctets - IKE_HEADER_LENGTH - SKF_FIXED_LENGTH));
  }

  /** The keys are gone; sealing afterwards is a bug. */
  wipe(): void {
    wipeSeal({ keys: this.#keys, counted: 0 });
    this.#protection = undefined;
  }

  #live(): Protection {
    assert(this.#protection !== undefined, "an IKE message is sealed after its keys were wiped");
    return this.#protection;
  }

  #seal(header: Uint8Array, type: number, firstType: number, fixed: Uint8Array, plain: Uint8Array): Uint8Array {
    const protection = this.#live();
    assert(header.length === IKE_HEADER_LENGTH, `an IKE header has ${header.length} octets`);
    const body = IKE_HEADER_LENGTH + PAYLOAD_HEADER_LENGTH + fixed.length;
    const message = new Uint8Array(body + protection.sealedOctets(plain.length));
    assert(message.length - IKE_HEADER_LENGTH <= MAX_PAYLOAD_OCTETS, `an inner chain has ${plain.length} octets`);
    const view = new DataView(message.buffer);
    message.set(header);
    view.setUint8(NEXT_PAYLOAD, type);
    view.setUint32(LENGTH, message.length);
    view.setUint8(IKE_HEADER_LENGTH, firstType);
    view.setUint16(IKE_HEADER_LENGTH + PAYLOAD_LENGTH, message.length - IKE_HEADER_LENGTH);
    message.set(fixed, IKE_HEADER_LENGTH + PAYLOAD_HEADER_LENGTH);
    protection.seal(message, body, plain);
    return message;
  }
}

/** Opens what the peer sends. Copies the keys: the caller wipes its own. */
export class MessageOpener {
  readonly #keys: DirectionKeys;
  #protection: Protection | undefined;

  constructor(keys: DirectionKeys) {
    this.#keys = copyOf(keys);
    this.#protection = makeProtection(this.#keys, undefined);
  }

  freeze(): FrozenSeal {
    return { keys: copyOf(this.#keys), counted: 0 };
  }

  /** undefined: no SK or SKF at the end of the chain, lengths that do not fit, wrong ICV or padding, or keys wiped. */
  open(message: Uint8Array): Opened | undefined {
    const envelope = envelopeOf(message);
    if (envelope === undefined) return undefined;
    const inner = this.#protection?.open(message, envelope.body);
    if (inner === undefined) return undefined;
    const { type, firstType, number, total } = envelope;
    if (type === SK) return { kind: "whole", firstType, inner };
    // RFC 7383 §2.5: zero in all but the first.
    if (number !== 1 && firstType !== 0) {
      wipe(inner);
      return undefined;
    }
    return { kind: "fragment", firstType, number, total, inner };
  }

  wipe(): void {
    wipeSeal({ keys: this.#keys, counted: 0 });
    this.#protection = undefined;
  }
}
