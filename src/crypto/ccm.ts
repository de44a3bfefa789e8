/** AES-CCM (RFC 3610) out of CTR and CBC-MAC, for libraries that have no CCM of their own. */
import type { Aead } from "#core/primitives";
import type { ZeroIvCbc } from "./masked-cbc-mac.ts";
import { equalOctets, joinOctets } from "./octets.ts";

/** AES-CTR from a whole first counter block. */
export type Ctr = (key: Uint8Array, counter: Uint8Array, data: Uint8Array) => Uint8Array;

const BLOCK = 16;

function zeroPad(octets: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil(octets.length / BLOCK) * BLOCK);
  padded.set(octets);
  return padded;
}

/** RFC 3610 §2.2: B_0, the associated data behind its 2-octet length, the message. */
function authenticatedBlocks(nonce: Uint8Array, aad: Uint8Array, message: Uint8Array, tagOctets: number): Uint8Array {
  const lengthOctets = BLOCK - 1 - nonce.length;
  const first = new Uint8Array(BLOCK);
  first[0] = (aad.length === 0 ? 0 : 0x40) | (((tagOctets - 2) / 2) << 3) | (lengthOctets - 1);
  first.set(nonce, 1);
  let rest = message.length;
  for (let i = BLOCK - 1; i >= BLOCK - lengthOctets; i--) {
    first[i] = rest & 0xff;
    rest = Math.floor(rest / 256);
  }
  const associated =
    aad.length === 0 ? aad : zeroPad(joinOctets([Uint8Array.of(aad.length >> 8, aad.length & 0xff), aad]));
  return joinOctets([first, associated, zeroPad(message)]);
}

/** RFC 3610 §2.3: A_i. */
function counterBlock(nonce: Uint8Array, count: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  block[0] = BLOCK - 2 - nonce.length;
  block.set(nonce, 1);
  block[BLOCK - 1] = count;
  return block;
}

export function ccm(ctr: Ctr, cbc: ZeroIvCbc, key: Uint8Array, tagOctets: number): Aead {
  function tagOf(nonce: Uint8Array, aad: Uint8Array, message: Uint8Array): Uint8Array {
    const chain = cbc(key, authenticatedBlocks(nonce, aad, message, tagOctets));
    return ctr(key, counterBlock(nonce, 0), chain.subarray(chain.length - BLOCK)).subarray(0, tagOctets);
  }
  return {
    seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
      const ciphertext = ctr(key, counterBlock(nonce, 1), plaintext);
      return joinOctets([ciphertext, tagOf(nonce, aad, plaintext)]);
    },
    open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
      const length = sealed.length - tagOctets;
      if (length < 0) return undefined;
      const plaintext = ctr(key, counterBlock(nonce, 1), sealed.subarray(0, length));
      return equalOctets(tagOf(nonce, aad, plaintext), sealed.subarray(length)) ? plaintext : undefined;
    },
  };
}
