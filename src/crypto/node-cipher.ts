/** Provider "node": node:crypto, an object a packet. Has every algorithm; DES is our own. */
import { createCipheriv, createDecipheriv, createHmac, getCipherInfo, randomFillSync } from "node:crypto";
import type { InspectableCipher, RandomSource } from "#core/ports";
import type { Aead, BlockMode, Mac, Primitives } from "#core/primitives";
import { desCbc } from "./des.ts";
import { cmacMac, xcbcMac } from "./masked-cbc-mac.ts";
import { joinOctets } from "./octets.ts";
import { RowCipher } from "./row-cipher.ts";
import { AEAD_TAG_OCTETS, Encryption, Integrity } from "./transforms.ts";

const NOTHING = new Uint8Array(0);
const TAG = 16;

type AesBits = 128 | 192 | 256;

function aesBits(key: Uint8Array): AesBits | undefined {
  switch (key.length) {
    case 16:
      return 128;
    case 24:
      return 192;
    case 32:
      return 256;
    default:
      return undefined;
  }
}

function split(sealed: Uint8Array, tagOctets: number): readonly [ciphertext: Uint8Array, tag: Uint8Array] {
  const length = Math.max(0, sealed.length - tagOctets);
  return [sealed.subarray(0, length), sealed.subarray(length)];
}

/** Node reports a tag that does not verify by throwing from final(). */
function finalOrUndefined(plaintext: Uint8Array, final: () => Uint8Array): Uint8Array | undefined {
  try {
    return joinOctets([plaintext, final()]);
  } catch {
    return undefined;
  }
}

function gcm(bits: AesBits, key: Uint8Array, tagOctets: number): Aead {
  const name = `aes-${bits}-gcm` as const;
  const options = { authTagLength: tagOctets };
  return {
    seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
      const cipher = createCipheriv(name, key, nonce, options).setAAD(aad);
      return joinOctets([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
      const [ciphertext, tag] = split(sealed, tagOctets);
      if (tag.length !== tagOctets) return undefined;
      const decipher = createDecipheriv(name, key, nonce, options).setAAD(aad).setAuthTag(tag);
      return finalOrUndefined(decipher.update(ciphertext), () => decipher.final());
    },
  };
}

function ccm(bits: AesBits, key: Uint8Array, tagOctets: number): Aead {
  const name = `aes-${bits}-ccm` as const;
  const options = { authTagLength: tagOctets };
  return {
    seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
      const cipher = createCipheriv(name, key, nonce, options).setAAD(aad, { plaintextLength: plaintext.length });
      return joinOctets([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
      const [ciphertext, tag] = split(sealed, tagOctets);
      if (tag.length !== tagOctets) return undefined;
      const decipher = createDecipheriv(name, key, nonce, options)
        .setAuthTag(tag)
        .setAAD(aad, { plaintextLength: ciphertext.length });
      const plaintext = decipher.update(ciphertext);
      return finalOrUndefined(plaintext, () => decipher.final());
    },
  };
}

function chacha(key: Uint8Array): Aead {
  const name = "chacha20-poly1305";
  const options = { authTagLength: TAG };
  return {
    seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
      const cipher = createCipheriv(name, key, nonce, options).setAAD(aad, { plaintextLength: plaintext.length });
      return joinOctets([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
      const [ciphertext, tag] = split(sealed, TAG);
      if (tag.length !== TAG) return undefined;
      const decipher = createDecipheriv(name, key, nonce, options)
        .setAAD(aad, { plaintextLength: ciphertext.length })
        .setAuthTag(tag);
      return finalOrUndefined(decipher.update(ciphertext), () => decipher.final());
    },
  };
}

/** GCM that has associated data only (RFC 4543 §2). */
function gmac(key: Uint8Array): Mac | undefined {
  const bits = aesBits(key);
  if (bits === undefined) return undefined;
  const aead = gcm(bits, key, TAG);
  return { compute: (nonce, parts) => aead.seal(nonce, joinOctets(parts), NOTHING) };
}

function hmac(hash: string, key: Uint8Array): Mac {
  return {
    compute(_nonce: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
      const running = createHmac(hash, key);
      for (const part of parts) running.update(part);
      const { buffer, byteOffset, length } = running.digest();
      // No Buffer, whose `slice` would share its octets: keys are wiped one by one.
      return new Uint8Array(buffer, byteOffset, length);
    },
  };
}

function evpMode(name: string, key: Uint8Array): BlockMode {
  return {
    encrypt(iv: Uint8Array, data: Uint8Array): Uint8Array {
      const cipher = createCipheriv(name, key, iv).setAutoPadding(false);
      return joinOctets([cipher.update(data), cipher.final()]);
    },
    decrypt(iv: Uint8Array, data: Uint8Array): Uint8Array {
      const decipher = createDecipheriv(name, key, iv).setAutoPadding(false);
      return joinOctets([decipher.update(data), decipher.final()]);
    },
  };
}

const ZERO_IV = new Uint8Array(16);

function zeroIvCbc(key: Uint8Array, blocks: Uint8Array): Uint8Array {
  return evpMode(`aes-${key.length * 8}-cbc`, key).encrypt(ZERO_IV, blocks);
}

export const nodePrimitives: Primitives = {
  name: "node:crypto",
  aead(encryption: number, key: Uint8Array): Aead | undefined {
    const tagOctets = AEAD_TAG_OCTETS.get(encryption);
    if (tagOctets === undefined) return undefined;
    if (encryption === Encryption.CHACHA20_POLY1305) return key.length === 32 ? chacha(key) : undefined;
    const bits = aesBits(key);
    if (bits === undefined) return undefined;
    const isCcm = encryption >= Encryption.AES_CCM_8 && encryption <= Encryption.AES_CCM_16;
    return isCcm ? ccm(bits, key, tagOctets) : gcm(bits, key, tagOctets);
  },
  mac(integrity: number, key: Uint8Array): Mac | undefined {
    switch (integrity) {
      case Integrity.HMAC_MD5_96:
        return hmac("md5", key);
      case Integrity.HMAC_SHA1_96:
        return hmac("sha1", key);
      case Integrity.HMAC_SHA2_256_128:
        return hmac("sha256", key);
      case Integrity.HMAC_SHA2_384_192:
        return hmac("sha384", key);
      case Integrity.HMAC_SHA2_512_256:
        return hmac("sha512", key);
      case Integrity.AES_XCBC_96:
        return key.length === 16 ? xcbcMac(zeroIvCbc, key) : undefined;
      case Integrity.AES_CMAC_96:
        return aesBits(key) === undefined ? undefined : cmacMac(zeroIvCbc, key);
      case Integrity.AES_128_GMAC:
      case Integrity.AES_192_GMAC:
      case Integrity.AES_256_GMAC:
        return gmac(key);
      default:
        return undefined;
    }
  },
  blockMode(encryption: number, key: Uint8Array): BlockMode | undefined {
    const bits = aesBits(key);
    switch (encryption) {
      case Encryption.AES_CBC:
        return bits === undefined ? undefined : evpMode(`aes-${bits}-cbc`, key);
      case Encryption.AES_CTR:
        return bits === undefined ? undefined : evpMode(`aes-${bits}-ctr`, key);
      case Encryption.TRIPLE_DES:
        return key.length === 24 && getCipherInfo("des-ede3-cbc") !== undefined
          ? evpMode("des-ede3-cbc", key)
          : undefined;
      case Encryption.DES:
        return key.length === 8 ? desCbc(key) : undefined;
      default:
        return undefined;
    }
  },
};

/** The operating system's random octets. */
export const systemRandom: RandomSource = {
  fill(target: Uint8Array): void {
    randomFillSync(target);
  },
};

export function createNodeCipher(slab: Uint8Array, capacity: number, random: RandomSource): InspectableCipher {
  return new RowCipher("node", nodePrimitives, slab, capacity, random);
}
