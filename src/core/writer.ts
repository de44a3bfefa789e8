/** Writes octets in network order and grows as needed; a number that does not fit its field is our bug. */
import { assert } from "./errors.ts";

const FIRST_CAPACITY = 256;

export class Writer {
  #octets: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#number(value, 1);
  }

  u16(value: number): void {
    this.#number(value, 2);
  }

  u32(value: number): void {
    this.#number(value, 4);
  }

  u64(value: bigint): void {
    assert(value >= 0n && value < 1n << 64n, "a number does not fit 8 octets");
    this.#number(Number(value >> 32n), 4);
    this.#number(Number(value & 0xffff_ffffn), 4);
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

  #number(value: number, length: number): void {
    assert(Number.isInteger(value) && value >= 0 && value < 256 ** length, `a number does not fit ${length} octets`);
    this.#room(length);
    for (let i = length - 1, left = value; i >= 0; i--, left = Math.floor(left / 256)) {
      this.#octets[this.#length + i] = left & 0xff;
    }
    this.#length += length;
  }

  #room(count: number): void {
    if (this.#length + count <= this.#octets.length) return;
    const grown = new Uint8Array(Math.max(this.#octets.length * 2, this.#length + count));
    grown.set(this.#octets.subarray(0, this.#length));
    this.#octets = grown;
  }
}
