/** Writes octets in network order and grows as needed; a number that does not fit its field is our bug. */
import { assert } from "./errors.ts";

const FIRST_CAPACITY = 256;
const END_OF_U32 = 2 ** 32;
const END_OF_U64 = 1n << 64n;

export class Writer {
  #octets: Uint8Array;
  #length = 0;

  /** `capacity`: octets that are expected. */
  constructor(capacity: number = FIRST_CAPACITY) {
    this.#octets = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    fits(value, 0x100);
    this.#room(1);
    this.#octets[this.#length++] = value;
  }

  u16(value: number): void {
    fits(value, 0x10000);
    this.#room(2);
    this.#octets[this.#length++] = value >>> 8;
    this.#octets[this.#length++] = value;
  }

  u32(value: number): void {
    fits(value, END_OF_U32);
    this.#room(4);
    this.#octets[this.#length++] = value >>> 24;
    this.#octets[this.#length++] = value >>> 16;
    this.#octets[this.#length++] = value >>> 8;
    this.#octets[this.#length++] = value;
  }

  u64(value: bigint): void {
    assert(value >= 0n && value < END_OF_U64, "a number does not fit 8 octets");
    this.u32(Number(value >> 32n));
    this.u32(Number(value & 0xffff_ffffn));
  }

  octets(octets: Uint8Array): void {
    this.#room(octets.length);
    this.#octets.set(octets, this.#length);
    this.#length += octets.length;
  }

  zeros(count: number): void {
    this.#room(count);
    this.#octets.fill(0, this.#length, this.#length + count);
    this.#length += count;
  }

  /** Writes a 16-bit number over what stands at `offset`: a length that is known only afterwards. */
  patch16(offset: number, value: number): void {
    assert(value >= 0 && value <= 0xffff && offset + 2 <= this.#length, "a length does not fit 2 octets");
    this.#octets[offset] = value >>> 8;
    this.#octets[offset + 1] = value & 0xff;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#octets.slice(0, this.#length);
  }

  #room(count: number): void {
    if (this.#length + count <= this.#octets.length) return;
    const grown = new Uint8Array(Math.max(this.#octets.length * 2, this.#length + count));
    grown.set(this.#octets.subarray(0, this.#length));
    this.#octets = grown;
  }
}

function fits(value: number, end: number): void {
  assert(Number.isInteger(value) && value >= 0 && value < end, "a number does not fit its field");
}
