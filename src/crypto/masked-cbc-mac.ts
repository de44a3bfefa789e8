/** AES-XCBC (RFC 3566) and AES-CMAC (RFC 4493): one CBC-MAC with a masked last block, two ways to make its keys. */
import type { Mac } from "#core/primitives";
import { joinOctets } from "./octets.ts";

/** CBC encryption of whole blocks from a zero IV; the last block is the CBC-MAC. */
export type ZeroIvCbc = (key: Uint8Array, blocks: Uint8Array) => Uint8Array;

const BLOCK = 16;

function lastBlock(octets: Uint8Array): Uint8Array {
  return octets.subarray(octets.length - BLOCK);
}

function maskedMac(cbc: ZeroIvCbc, key: Uint8Array, full: Uint8Array, padded: Uint8Array): Mac {
  return {
    compute(_nonce: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
      const message = joinOctets(parts);
      const whole = message.length !== 0 && message.length % BLOCK === 0;
      const blocks = new Uint8Array(whole ? message.length : (Math.floor(message.length / BLOCK) + 1) * BLOCK);
      blocks.set(message);
      if (!whole) blocks[message.length] = 0x80;
      const mask = whole ? full : padded;
      const last = lastBlock(blocks);
      for (let i = 0; i < BLOCK; i++) last[i] = (last[i] ?? 0) ^ (mask[i] ?? 0);
      return lastBlock(cbc(key, blocks)).slice();
    },
  };
}

/** RFC 3566 §4: K1, K2 and K3 are the encryptions of 01…, 02…, 03…. */
export function xcbcMac(cbc: ZeroIvCbc, key: Uint8Array): Mac {
  const subkey = (octet: number) => cbc(key, new Uint8Array(BLOCK).fill(octet));
  return maskedMac(cbc, subkey(1), subkey(2), subkey(3));
}

/** RFC 4493 §2.3: multiplication by x in GF(2^128), without a branch on the key. */
function double(block: Uint8Array): Uint8Array {
  const doubled = new Uint8Array(BLOCK);
  for (let i = 0; i < BLOCK; i++) doubled[i] = ((block[i] ?? 0) << 1) | ((block[i + 1] ?? 0) >> 7);
  doubled[BLOCK - 1] = (doubled[BLOCK - 1] ?? 0) ^ (-((block[0] ?? 0) >> 7) & 0x87);
  return doubled;
}

export function cmacMac(cbc: ZeroIvCbc, key: Uint8Array): Mac {
  const full = double(cbc(key, new Uint8Array(BLOCK)));
  return maskedMac(cbc, key, full, double(full));
}
