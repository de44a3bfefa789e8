/**
 * Provider "noble": @noble/ciphers and @noble/hashes, pure JavaScript that can be read and audited: the oracle.
 * 3DES is not offered; CCM and XCBC are built from its AES, DES is our own.
 */
import { cbc, cmac, ctr, gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hmac } from "@noble/hashes/hmac.js";
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js";
import type { InspectableCipher, RandomSource } from "#core/ports";
import type { Aead, BlockMode, Mac, Primitives } from "#core/primitives";
import { ccm } from "./ccm.ts";
import { desCbc } from "./des.ts";
import { xcbcMac } from "./masked-cbc-mac.ts";
import { equalOctets, joinOctets } from "./octets.ts";
import { RowCipher } from "./row-cipher.ts";
import { AEAD_TAG_OCTETS, Encryption, Integrity } from "./transforms.ts";

const TAG = 16;
const NOTHING = new Uint8Array(0);
const ZERO_IV = new Uint8Array(16);

function isAesKey(key: Uint8Array): boolean {
  return key.length === 16 || key.length === 24 || key.length === 32;
}

function zeroIvCbc(key: Uint8Array, blocks: Uint8Array): Uint8Array {
  return cbc(key, ZERO_IV, { disablePadding: true }).encrypt(blocks);
}

function runCtr(key: Uint8Array, counter: Uint8Array, data: Uint8Array): Uint8Array {
  return ctr(key, counter).encrypt(data);
}

/** noble knows whole tags only: a shortened one is compared with what sealing the plaintext again gives. */
function gcmAead(key: Uint8Array, tagOctets: number): Aead {
  const seal = (nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array =>
    gcm(key, nonce, aad)
      .encrypt(plaintext)
      .subarray(0, plaintext.length + tagOctets);
  return {
    seal,
    open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
      const length = sealed.length - tagOctets;
      if (length < 0) return undefined;
      // NIST SP 800-38D §7.1: the data's first counter block is nonce || 2 for nonces of 12 octets.
      const counter = joinOctets([nonce, Uint8Array.of(0, 0, 0, 2)]);
      const plaintext = runCtr(key, counter, sealed.subarray(0, length));
      const expected = seal(nonce, aad, plaintext).subarray(length);
      return equalOctets(expected, sealed.subarray(length)) ? plaintext : undefined;
    },
  };
}

function chachaAead(key: Uint8Array): Aead {
  return {
    seal: (nonce, aad, plaintext) => chacha20poly1305(key, nonce, aad).encrypt(plaintext),
    open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
      if (sealed.length < TAG) return undefined;
      try {
        return chacha20poly1305(key, nonce, aad).decrypt(sealed);
      } catch {
        // noble reports a tag that does not verify by throwing.
        return undefined;
      }
    },
  };
}

const HASHES: ReadonlyMap<number, typeof md5 | typeof sha1 | typeof sha256 | typeof sha384 | typeof sha512> = new Map<
  number,
  typeof md5 | typeof sha1 | typeof sha256 | typeof sha384 | typeof sha512
>([
  [Integrity.HMAC_MD5_96, md5],
  [Integrity.HMAC_SHA1_96, sha1],
  [Integrity.HMAC_SHA2_256_128, sha256],
  [Integrity.HMAC_SHA2_384_192, sha384],
  [Integrity.HMAC_SHA2_512_256, sha512],
]);

function nobleMac(integrity: number, key: Uint8Array): Mac | undefined {
  const hash = HASHES.get(integrity);
  if (hash !== undefined) return { compute: (_nonce, parts) => hmac(hash, key, joinOctets(parts)) };
  if (!isAesKey(key)) return undefined;
  switch (integrity) {
    case Integrity.AES_XCBC_96:
      return key.length === 16 ? xcbcMac(zeroIvCbc, key) : undefined;
    case Integrity.AES_CMAC_96:
      return { compute: (_nonce, parts) => cmac(joinOctets(parts), key) };
    case Integrity.AES_128_GMAC:
    case Integrity.AES_192_GMAC:
    case Integrity.AES_256_GMAC:
      return { compute: (nonce, parts) => gcm(key, nonce, joinOctets(parts)).encrypt(NOTHING) };
    default:
      return undefined;
  }
}

export const noblePrimitives: Primitives = {
  name: "@noble/ciphers",
  aead(encryption: number, key: Uint8Array): Aead | undefined {
    const tagOctets = AEAD_TAG_OCTETS.get(encryption);
    if (tagOctets === undefined) return undefined;
    if (encryption === Encryption.CHACHA20_POLY1305) return key.length === 32 ? chachaAead(key) : undefined;
    if (!isAesKey(key)) return undefined;
    const isCcm = encryption >= Encryption.AES_CCM_8 && encryption <= Encryption.AES_CCM_16;
    return isCcm ? ccm(runCtr, zeroIvCbc, key, tagOctets) : gcmAead(key, tagOctets);
  },
  mac: nobleMac,
  blockMode(encryption: number, key: Uint8Array): BlockMode | undefined {
    switch (encryption) {
      case Encryption.AES_CBC:
        return isAesKey(key)
          ? {
              encrypt: (iv, data) => cbc(key, iv, { disablePadding: true }).encrypt(data),
              decrypt: (iv, data) => cbc(key, iv, { disablePadding: true }).decrypt(data),
            }
          : undefined;
      case Encryption.AES_CTR:
        return isAesKey(key)
          ? { encrypt: (iv, data) => runCtr(key, iv, data), decrypt: (iv, data) => runCtr(key, iv, data) }
          : undefined;
      case Encryption.DES:
        return key.length === 8 ? desCbc(key) : undefined;
      default:
        return undefined;
    }
  },
};

export function createNobleCipher(slab: Uint8Array, capacity: number, random: RandomSource): InspectableCipher {
  return new RowCipher("noble", noblePrimitives, slab, capacity, random);
}
