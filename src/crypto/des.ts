/**
 * DES (FIPS 46-3) in CBC (RFC 2405) for the providers in JavaScript: OpenSSL 3 and @noble have it no more.
 * Legacy: reachable only where a configuration allows the weak algorithm "des" by name.
 */
import type { BlockMode } from "#core/primitives";

// FIPS 46-3, appendix 1. Entries count bits from 1 at the left.
const PERMUTED_CHOICE_1: readonly number[] = [
  57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36, 63, 55,
  47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
];
const PERMUTED_CHOICE_2: readonly number[] = [
  14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37, 47, 55, 30,
  40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];
const PERMUTATION: readonly number[] = [
  16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
];
const SHIFTS: readonly number[] = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];
/** The S-boxes, row by row, a hex digit an entry. */
const SUBSTITUTION: readonly string[] = [
  "e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d",
  "f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9",
  "a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c",
  "7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e",
  "2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453",
  "c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d",
  "4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c",
  "d2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b",
];

/** Each S-box's 64 outputs, already sent through the permutation P. */
const BOXES: Int32Array = makeBoxes();

function makeBoxes(): Int32Array {
  const boxes = new Int32Array(8 * 64);
  SUBSTITUTION.forEach((digits, box) => {
    for (let input = 0; input < 64; input++) {
      // The outer two bits choose the row, the inner four the column.
      const row = ((input >> 4) & 2) | (input & 1);
      const before = Number.parseInt(digits.charAt(row * 16 + ((input >> 1) & 15)), 16) << (28 - 4 * box);
      let after = 0;
      PERMUTATION.forEach((from, bit) => {
        after |= ((before >>> (32 - from)) & 1) << (31 - bit);
      });
      boxes[box * 64 + input] = after;
    }
  });
  return boxes;
}

/** Eight 6-bit values a round, one for each S-box. */
function expand(key: Uint8Array): Uint8Array {
  const bits = PERMUTED_CHOICE_1.map((from) => ((key[(from - 1) >> 3] ?? 0) >> (7 - ((from - 1) & 7))) & 1);
  const schedule = new Uint8Array(16 * 8);
  let shift = 0;
  SHIFTS.forEach((step, round) => {
    shift += step;
    PERMUTED_CHOICE_2.forEach((from, i) => {
      // C and D, 28 bits each, are rotated on their own.
      const half = from <= 28 ? 0 : 28;
      const bit = bits[half + ((from - 1 - half + shift) % 28)] ?? 0;
      const at = round * 8 + Math.floor(i / 6);
      schedule[at] = ((schedule[at] ?? 0) << 1) | bit;
    });
  });
  return schedule;
}

/** The expansion E, S-boxes and P: box i sees bits 4i … 4i + 5, counted from the last bit round to the first. */
function mix(half: number, schedule: Uint8Array, at: number): number {
  let sum = 0;
  for (let box = 0; box < 8; box++) {
    const shift = (4 * box + 5) & 31;
    const window = ((half << shift) | (half >>> (32 - shift))) & 63;
    sum ^= BOXES[box * 64 + (window ^ (schedule[at + box] ?? 0))] ?? 0;
  }
  return sum;
}

/** Swaps the bits of pair[b] under `mask` with those of pair[a] that lie `shift` higher. */
function swapBits(pair: Int32Array, a: 0 | 1, b: 0 | 1, shift: number, mask: number): void {
  const difference = (((pair[a] ?? 0) >>> shift) ^ (pair[b] ?? 0)) & mask;
  pair[b] = (pair[b] ?? 0) ^ difference;
  pair[a] = (pair[a] ?? 0) ^ (difference << shift);
}

function runBlock(schedule: Uint8Array, pair: Int32Array, encrypt: boolean): void {
  // IP as five swaps of bit groups, at the end backwards.
  swapBits(pair, 0, 1, 4, 0x0f0f0f0f);
  swapBits(pair, 0, 1, 16, 0x0000ffff);
  swapBits(pair, 1, 0, 2, 0x33333333);
  swapBits(pair, 1, 0, 8, 0x00ff00ff);
  swapBits(pair, 0, 1, 1, 0x55555555);
  let left = pair[0] ?? 0;
  let right = pair[1] ?? 0;
  for (let round = 0; round < 16; round++) {
    const next = left ^ mix(right, schedule, (encrypt ? round : 15 - round) * 8);
    left = right;
    right = next;
  }
  pair[0] = right;
  pair[1] = left;
  swapBits(pair, 0, 1, 1, 0x55555555);
  swapBits(pair, 1, 0, 8, 0x00ff00ff);
  swapBits(pair, 1, 0, 2, 0x33333333);
  swapBits(pair, 0, 1, 16, 0x0000ffff);
  swapBits(pair, 0, 1, 4, 0x0f0f0f0f);
}

/** `key` has 8 octets; data and IV are whole blocks. */
export function desCbc(key: Uint8Array): BlockMode {
  const schedule = expand(key);
  function run(iv: Uint8Array, data: Uint8Array, encrypt: boolean): Uint8Array {
    const output = new Uint8Array(data.length);
    const from = new DataView(data.buffer, data.byteOffset, data.length);
    const to = new DataView(output.buffer);
    const start = new DataView(iv.buffer, iv.byteOffset, iv.length);
    const pair = new Int32Array(2);
    let chainLeft = start.getInt32(0);
    let chainRight = start.getInt32(4);
    for (let at = 0; at < data.length; at += 8) {
      const left = from.getInt32(at);
      const right = from.getInt32(at + 4);
      pair[0] = encrypt ? left ^ chainLeft : left;
      pair[1] = encrypt ? right ^ chainRight : right;
      runBlock(schedule, pair, encrypt);
      to.setInt32(at, encrypt ? (pair[0] ?? 0) : (pair[0] ?? 0) ^ chainLeft);
      to.setInt32(at + 4, encrypt ? (pair[1] ?? 0) : (pair[1] ?? 0) ^ chainRight);
      chainLeft = encrypt ? (pair[0] ?? 0) : left;
      chainRight = encrypt ? (pair[1] ?? 0) : right;
    }
    return output;
  }
  return {
    encrypt: (iv, data) => run(iv, data, true),
    decrypt: (iv, data) => run(iv, data, false),
  };
}
