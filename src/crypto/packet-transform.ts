/**
 * Where ESP (RFC 4303) and AH (RFC 4302) put nonce, associated data, IV and ICV, over any provider's primitives.
 * One object an SA and direction. Offsets and row columns: core/slab.ts. Returns 0 or a drop code.
 */
import { Drop } from "#core/drop";
import type { CipherKey, RandomSource } from "#core/ports";
import type { Aead, BlockMode, Mac, Primitives } from "#core/primitives";
import { Row } from "#core/slab";
import { equalOctets, joinOctets } from "./octets.ts";
import {
  Encryption,
  type EncryptionTransform,
  encryptionTransform,
  Integrity,
  type IntegrityTransform,
  integrityTransform,
} from "./transforms.ts";

export interface PacketTransform {
  readonly direction: "seal" | "open";
  readonly protocol: "esp" | "ah";
  readonly ivOctets: number;
  readonly icvOctets: number;
  /** 1 where any number of octets may be encrypted. */
  readonly blockOctets: number;
  /** Called only for rows that lie in the slab. `at` is the row's first column. */
  seal(slab: Uint8Array, rows: Int32Array, at: number): number;
  open(slab: Uint8Array, rows: Int32Array, at: number): number;
}

// RFC 4303 §2, from the packet's first octet.
const SEQUENCE = 4;
const IV = 8;
const COUNTER_IV = 8;
/** RFC 4302 §2: the sequence number stands right before the ICV. */
const SEQUENCE_BEFORE_ICV = 4;

const NO_NONCE = new Uint8Array(0);

function column(rows: Int32Array, at: number, index: number): number {
  return rows[at + index] ?? 0;
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** The IVs of counter modes: the 64-bit sequence number, each but once (RFC 4106 §3.1, 3686 §4, 7634 §2). */
class SequenceIv {
  #last = 0;

  /** False = this number, or a later one, was already used. */
  write(high: number, sequence: Uint8Array, iv: Uint8Array): boolean {
    const low = new DataView(sequence.buffer, sequence.byteOffset, 4).getUint32(0);
    const whole = (high >>> 0) * 2 ** 32 + low;
    if (whole <= this.#last) return false;
    this.#last = whole;
    iv.set(word(high));
    iv.set(sequence, 4);
    return true;
  }
}

interface EspView {
  readonly header: Uint8Array;
  readonly sequence: Uint8Array;
  readonly iv: Uint8Array;
  readonly data: Uint8Array;
  readonly icv: Uint8Array;
  /** Everything before the ICV. */
  readonly covered: Uint8Array;
  readonly high: number;
}

function espView(shape: PacketTransform, slab: Uint8Array, rows: Int32Array, at: number): EspView {
  const start = column(rows, at, Row.CRYPT_OFFSET);
  const data = start + IV + shape.ivOctets;
  const icv = data + column(rows, at, Row.CRYPT_LENGTH);
  return {
    header: slab.subarray(start, start + IV),
    sequence: slab.subarray(start + SEQUENCE, start + IV),
    iv: slab.subarray(start + IV, data),
    data: slab.subarray(data, icv),
    icv: slab.subarray(icv, icv + shape.icvOctets),
    covered: slab.subarray(start, icv),
    high: column(rows, at, Row.SEQ_HIGH),
  };
}

/** RFC 4106 §5, 4543 §3.3: SPI and sequence number; with ESN all 64 bits of it, high half first. */
function associated(view: EspView, esn: boolean): Uint8Array {
  return esn ? joinOctets([view.header.subarray(0, SEQUENCE), word(view.high), view.sequence]) : view.header;
}

function espAead(key: CipherKey, encryption: EncryptionTransform, aead: Aead, salt: Uint8Array): PacketTransform {
  const sequence = new SequenceIv();
  const transform: PacketTransform = {
    direction: key.direction,
    protocol: "esp",
    ivOctets: COUNTER_IV,
    icvOctets: encryption.icvOctets,
    blockOctets: 1,
    seal(slab: Uint8Array, rows: Int32Array, at: number): number {
      const view = espView(transform, slab, rows, at);
      if (!sequence.write(view.high, view.sequence, view.iv)) return Drop.NONCE_REUSE;
      const sealed = aead.seal(joinOctets([salt, view.iv]), associated(view, key.esn), view.data);
      view.data.set(sealed.subarray(0, view.data.length));
      view.icv.set(sealed.subarray(view.data.length));
      return 0;
    },
    open(slab: Uint8Array, rows: Int32Array, at: number): number {
      const view = espView(transform, slab, rows, at);
      const sealed = joinOctets([view.data, view.icv]);
      const plaintext = aead.open(joinOctets([salt, view.iv]), associated(view, key.esn), sealed);
      if (plaintext === undefined) return Drop.ICV_MISMATCH;
      view.data.set(plaintext);
      return 0;
    },
  };
  return transform;
}

/** ENCR_NULL_AUTH_AES_GMAC (RFC 4543 §3): the ICV covers the IV too. */
function espGmac(key: CipherKey, encryption: EncryptionTransform, mac: Mac, salt: Uint8Array): PacketTransform {
  const sequence = new SequenceIv();
  function tagOf(view: EspView): Uint8Array {
    return mac.compute(joinOctets([salt, view.iv]), [associated(view, key.esn), view.iv, view.data]);
  }
  const transform: PacketTransform = {
    direction: key.direction,
    protocol: "esp",
    ivOctets: COUNTER_IV,
    icvOctets: encryption.icvOctets,
    blockOctets: 1,
    seal(slab: Uint8Array, rows: Int32Array, at: number): number {
      const view = espView(transform, slab, rows, at);
      if (!sequence.write(view.high, view.sequence, view.iv)) return Drop.NONCE_REUSE;
      view.icv.set(tagOf(view));
      return 0;
    },
    open(slab: Uint8Array, rows: Int32Array, at: number): number {
      const view = espView(transform, slab, rows, at);
      return equalOctets(tagOf(view), view.icv) ? 0 : Drop.ICV_MISMATCH;
    },
  };
  return transform;
}

/** Encryption (or NULL) first, then an ICV over all of it (RFC 4303 §3.3.2.1). */
function espEncryptThenMac(
  key: CipherKey,
  encryption: EncryptionTransform,
  integrity: IntegrityTransform,
  mode: BlockMode | undefined,
  mac: Mac,
  nonce: Uint8Array,
  random: RandomSource,
): PacketTransform {
  const counter = encryption.id === Encryption.AES_CTR;
  const sequence = new SequenceIv();
  /** RFC 4303 §2.2.1: with ESN the high half is hashed behind the packet and not sent. */
  function tagOf(view: EspView): Uint8Array {
    const parts = key.esn ? [view.covered, word(view.high)] : [view.covered];
    return mac.compute(NO_NONCE, parts).subarray(0, integrity.icvOctets);
  }
  /** RFC 3686 §4: nonce, IV, and a block counter that starts at 1. */
  function ivOf(view: EspView): Uint8Array {
    return counter ? joinOctets([nonce, view.iv, word(1)]) : view.iv.slice();
  }
  const transform: PacketTransform = {
    direction: key.direction,
    protocol: "esp",
    ivOctets: encryption.ivOctets,
    icvOctets: integrity.icvOctets,
    blockOctets: encryption.id === Encryption.NULL || counter ? 1 : encryption.blockOctets,
    seal(slab: Uint8Array, rows: Int32Array, at: number): number {
      const view = espView(transform, slab, rows, at);
      if (counter) {
        if (!sequence.write(view.high, view.sequence, view.iv)) return Drop.NONCE_REUSE;
      } else if (view.iv.length !== 0) {
        // RFC 3602 §3, 2451 §3: CBC's IV must not be predictable.
        random.fill(view.iv);
      }
      if (mode !== undefined) view.data.set(mode.encrypt(ivOf(view), view.data));
      view.icv.set(tagOf(view));
      return 0;
    },
    // The ICV comes first: nothing is decrypted that was not authenticated (RFC 4303 §3.4.4.1).
    open(slab: Uint8Array, rows: Int32Array, at: number): number {
      const view = espView(transform, slab, rows, at);
      if (!equalOctets(tagOf(view), view.icv)) return Drop.ICV_MISMATCH;
      if (mode !== undefined) view.data.set(mode.decrypt(ivOf(view), view.data));
      return 0;
    },
  };
  return transform;
}

/** AH (RFC 4302 §3.3.3): the muted copy of the headers, the payload, with ESN the high half. */
function ah(key: CipherKey, integrity: IntegrityTransform, mac: Mac, salt: Uint8Array): PacketTransform {
  const sequence = new SequenceIv();
  const { ivOctets, icvOctets } = integrity;
  function fieldOf(slab: Uint8Array, rows: Int32Array, at: number): Uint8Array {
    const start = column(rows, at, Row.ICV_OFFSET);
    return slab.subarray(start, start + ivOctets + icvOctets);
  }
  function tagOf(slab: Uint8Array, rows: Int32Array, at: number, field: Uint8Array): Uint8Array {
    const prefix = column(rows, at, Row.PREFIX_OFFSET);
    const payload = column(rows, at, Row.CRYPT_OFFSET);
    const parts = [
      slab.subarray(prefix, prefix + column(rows, at, Row.PREFIX_LENGTH)),
      slab.subarray(payload, payload + column(rows, at, Row.CRYPT_LENGTH)),
    ];
    if (key.esn) parts.push(word(column(rows, at, Row.SEQ_HIGH)));
    const nonce = ivOctets === 0 ? NO_NONCE : joinOctets([salt, field.subarray(0, ivOctets)]);
    return mac.compute(nonce, parts).subarray(0, icvOctets);
  }
  return {
    direction: key.direction,
    protocol: "ah",
    ivOctets,
    icvOctets,
    blockOctets: 1,
    seal(slab: Uint8Array, rows: Int32Array, at: number): number {
      const field = fieldOf(slab, rows, at);
      const start = column(rows, at, Row.ICV_OFFSET);
      const number = slab.subarray(start - SEQUENCE_BEFORE_ICV, start);
      if (ivOctets !== 0 && !sequence.write(column(rows, at, Row.SEQ_HIGH), number, field)) return Drop.NONCE_REUSE;
      field.set(tagOf(slab, rows, at, field), ivOctets);
      return 0;
    },
    open(slab: Uint8Array, rows: Int32Array, at: number): number {
      const field = fieldOf(slab, rows, at);
      return equalOctets(tagOf(slab, rows, at, field), field.subarray(ivOctets)) ? 0 : Drop.ICV_MISMATCH;
    },
  };
}

/** undefined = the provider does not offer the suite. The key has passed `checkCipherKey`, and is copied. */
export function makePacketTransform(
  primitives: Primitives,
  key: CipherKey,
  random: RandomSource,
): PacketTransform | undefined {
  const integrity = integrityTransform(key.integrity);
  if (key.encryption === Encryption.NONE) {
    if (integrity === undefined) return undefined;
    const [macKey, salt] = splitSalt(key.integrityKey, integrity.saltOctets);
    const mac = primitives.mac(integrity.id, macKey);
    return mac === undefined ? undefined : ah(key, integrity, mac, salt);
  }
  const encryption = encryptionTransform(key.encryption, key.encryptionKey.length);
  if (encryption === undefined) return undefined;
  const [cipherKey, salt] = splitSalt(key.encryptionKey, encryption.saltOctets);
  if (encryption.id === Encryption.NULL_AUTH_AES_GMAC) {
    const mac = primitives.mac(Integrity.AES_128_GMAC + (cipherKey.length - 16) / 8, cipherKey);
    return mac === undefined ? undefined : espGmac(key, encryption, mac, salt);
  }
  if (encryption.aead) {
    const aead = primitives.aead(encryption.id, cipherKey);
    return aead === undefined ? undefined : espAead(key, encryption, aead, salt);
  }
  if (integrity === undefined) return undefined;
  const mac = primitives.mac(integrity.id, key.integrityKey.slice());
  const mode = primitives.blockMode(encryption.id, cipherKey);
  if (mac === undefined || (mode === undefined && encryption.id !== Encryption.NULL)) return undefined;
  return espEncryptThenMac(key, encryption, integrity, mode, mac, salt, random);
}

/** Copies. */
function splitSalt(whole: Uint8Array, saltOctets: number): readonly [key: Uint8Array, salt: Uint8Array] {
  const octets = whole.length - saltOctets;
  return [whole.slice(0, octets), whole.slice(octets)];
}
