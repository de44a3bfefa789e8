/**
 * What stands behind the payload header of SK and SKF: IV, ciphertext with padding, ICV (RFC 7296 §3.14). Three kinds:
 * AEAD (RFC 5282), counter mode with an ICV (RFC 5930), CBC with an ICV.
 */
import { assert } from "#core/errors";
import type { RandomSource } from "#core/ports";
import type { BlockMode, Mac } from "#core/primitives";
import { nodePrimitives } from "#crypto/node-cipher";
import { copyOctets, equalOctets, joinOctets, wipe } from "#crypto/octets";
import {
  Encryption,
  type EncryptionTransform,
  encryptionTransform,
  type IntegrityTransform,
  integrityTransform,
} from "#crypto/transforms";

/** SK_e and SK_a of one direction; AEAD and CTR: salt or nonce at the end of the key, `integrity` 0 for an AEAD. */
export interface DirectionKeys {
  /** Transform IDs: crypto/transforms.ts; the key's length tells AES's sizes apart. */
  readonly encryption: number;
  readonly integrity: number;
  readonly encryptionKey: Uint8Array;
  readonly integrityKey: Uint8Array;
}

export interface Protection {
  /** IV, ciphertext and ICV of so many octets of plaintext, least padding. */
  sealedOctets(plainOctets: number): number;
  /** The longest plaintext that makes at most so many octets; negative = none. */
  plainLimit(sealedOctets: number): number;
  /** Fills the message from `body` to its end; everything before is final and authenticated with it. */
  seal(message: Uint8Array, body: number, plain: Uint8Array): void;
  /** The plaintext without padding. The ICV is checked before anything is decrypted. */
  open(message: Uint8Array, body: number): Uint8Array | undefined;
  /** How many IVs were counted so far; 0 where they are drawn. */
  readonly counted: number;
}

/** The Pad Length field. */
const PAD_LENGTH = 1;
const NO_NONCE = new Uint8Array(0);
/** RFC 3686 §4: the block counter starts at 1. */
const FIRST_BLOCK = Uint8Array.of(0, 0, 0, 1);

interface Layout {
  readonly ivOctets: number;
  readonly blockOctets: number;
  readonly icvOctets: number;
}

function sizes({ ivOctets, blockOctets, icvOctets }: Layout): Pick<Protection, "sealedOctets" | "plainLimit"> {
  return {
    sealedOctets: (plain) => ivOctets + Math.ceil((plain + PAD_LENGTH) / blockOctets) * blockOctets + icvOctets,
    plainLimit: (sealed) => Math.floor((sealed - ivOctets - icvOctets) / blockOctets) * blockOctets - PAD_LENGTH,
  };
}

/** Plaintext, zeros, their count. Any content of padding is allowed (RFC 7296 §3.14). */
function padded(plain: Uint8Array, blockOctets: number): Uint8Array {
  const whole = new Uint8Array(Math.ceil((plain.length + PAD_LENGTH) / blockOctets) * blockOctets);
  whole.set(plain);
  whole[whole.length - 1] = whole.length - plain.length - PAD_LENGTH;
  return whole;
}

/** Takes `whole` over: it is wiped when its padding does not fit. */
function unpadded(whole: Uint8Array): Uint8Array | undefined {
  const length = whole.length - PAD_LENGTH - (whole[whole.length - 1] ?? 0);
  if (length >= 0) return whole.subarray(0, length);
  wipe(whole);
  return undefined;
}

/** The IVs of counter modes: 0, 1, 2, … (RFC 5282 §3.1, 5930 §2.1). */
class CountingIv {
  #next: number;

  constructor(next: number) {
    this.#next = next;
  }

  get next(): number {
    return this.#next;
  }

  write(iv: Uint8Array): void {
    assert(this.#next < Number.MAX_SAFE_INTEGER, "an IKE SA has used up its IVs");
    const view = new DataView(iv.buffer, iv.byteOffset, iv.length);
    view.setUint32(0, Math.floor(this.#next / 2 ** 32));
    view.setUint32(4, this.#next >>> 0);
    this.#next++;
  }
}

/** RFC 5282 §5.1: associated data is everything from the header to the payload's fixed fields. */
function aeadProtection(encryption: EncryptionTransform, whole: Uint8Array, counted: number): Protection {
  const key = whole.subarray(0, whole.length - encryption.saltOctets);
  const salt = whole.subarray(key.length);
  const aead = nodePrimitives.aead(encryption.id, key);
  assert(aead !== undefined, `${encryption.name} protects no IKE messages`);
  const { ivOctets, icvOctets } = encryption;
  const counter = new CountingIv(counted);
  return {
    ...sizes({ ivOctets, blockOctets: 1, icvOctets }),
    get counted(): number {
      return counter.next;
    },
    seal(message, body, plain): void {
      const iv = message.subarray(body, body + ivOctets);
      counter.write(iv);
      const octets = padded(plain, 1);
      message.set(aead.seal(joinOctets([salt, iv]), message.subarray(0, body), octets), body + ivOctets);
      wipe(octets);
    },
    open(message, body): Uint8Array | undefined {
      if (message.length - body < ivOctets + PAD_LENGTH + icvOctets) return undefined;
      const iv = message.subarray(body, body + ivOctets);
      const sealed = message.subarray(body + ivOctets);
      const plain = aead.open(joinOctets([salt, iv]), message.subarray(0, body), sealed);
      return plain === undefined ? undefined : unpadded(plain);
    },
  };
}

interface MacParts {
  readonly encryption: EncryptionTransform;
  readonly integrity: IntegrityTransform;
  readonly mode: BlockMode;
  readonly mac: Mac;
  readonly salt: Uint8Array;
  /** undefined: this side only opens. */
  readonly random: RandomSource | undefined;
  readonly counted: number;
}

/** Encrypt, then an ICV over the whole message before it (RFC 7296 §3.14). */
function macProtection(parts: MacParts): Protection {
  const { encryption, integrity, mode, mac, salt, random } = parts;
  const { ivOctets } = encryption;
  const { icvOctets } = integrity;
  const isCounter = encryption.id === Encryption.AES_CTR;
  const blockOctets = isCounter ? 1 : encryption.blockOctets;
  const counter = new CountingIv(parts.counted);
  const modeIv = (iv: Uint8Array) => (isCounter ? joinOctets([salt, iv, FIRST_BLOCK]) : copyOctets(iv));
  const icvOf = (message: Uint8Array) =>
    mac.compute(NO_NONCE, [message.subarray(0, message.length - icvOctets)]).subarray(0, icvOctets);
  return {
    ...sizes({ ivOctets, blockOctets, icvOctets }),
    get counted(): number {
      return counter.next;
    },
    seal(message, body, plain): void {
      const iv = message.subarray(body, body + ivOctets);
      assert(random !== undefined, "an IKE SA seals with the peer's keys");
      // RFC 7296 §3.14: CBC's IV must not be predictable.
      if (isCounter) counter.write(iv);
      else random.fill(iv);
      const octets = padded(plain, blockOctets);
      message.set(mode.encrypt(modeIv(iv), octets), body + ivOctets);
      message.set(icvOf(message), message.length - icvOctets);
      wipe(octets);
    },
    open(message, body): Uint8Array | undefined {
      const length = message.length - body - ivOctets - icvOctets;
      if (length < blockOctets || length % blockOctets !== 0) return undefined;
      if (!equalOctets(icvOf(message), message.subarray(message.length - icvOctets))) return undefined;
      const start = body + ivOctets;
      return unpadded(mode.decrypt(modeIv(message.subarray(body, start)), message.subarray(start, start + length)));
    },
  };
}

/**
 * `random`: undefined for the side that opens. `counted`: IVs that were used already. Negotiation has made sure that the transforms
 * are known and fit. Works with these very keys: whoever has them wipes them when nothing is sealed or opened any more.
 */
export function makeProtection(keys: DirectionKeys, random: RandomSource | undefined, counted = 0): Protection {
  const encryption = encryptionTransform(keys.encryption, keys.encryptionKey.length);
  assert(encryption !== undefined, `encryption ${keys.encryption} with ${keys.encryptionKey.length} octets of key`);
  if (encryption.aead) return aeadProtection(encryption, keys.encryptionKey, counted);
  const integrity = integrityTransform(keys.integrity);
  assert(integrity !== undefined, `${encryption.name} without integrity protects no IKE messages`);
  const key = keys.encryptionKey.subarray(0, encryption.keyOctets - encryption.saltOctets);
  const salt = keys.encryptionKey.subarray(key.length);
  const macKey = keys.integrityKey;
  assert(macKey.length === integrity.keyOctets, `${integrity.name} with ${macKey.length} octets of key`);
  const mode = nodePrimitives.blockMode(encryption.id, key);
  const mac = nodePrimitives.mac(integrity.id, macKey);
  assert(mode !== undefined && mac !== undefined, `${encryption.name} with ${integrity.name} protects no IKE messages`);
  return macProtection({ encryption, integrity, mode, mac, salt, random, counted });
}
