/** Reads octets in network order; each read is checked once and a failed one names its field. */
import { WireError } from "./errors.ts";

export class Reader {
  readonly #octets: Uint8Array;
  readonly #end: number;
  #offset: number;

  /** Reads `octets` from `start` up to but not with `end`; offsets in complaints count from `octets[0]`. */
  constructor(octets: Uint8Array, start = 0, end: number = octets.length) {
    if (start < 0 || end > octets.length || start > end) throw new WireError("bounds", start);
    this.#octets = octets;
    this.#offset = start;
    this.#end = end;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#end - this.#offset;
  }

  u8(field: string): number {
    return this.#number(1, field);
  }

  u16(field: string): number {
    return this.#number(2, field);
  }

  u32(field: string): number {
    return this.#number(4, field);
  }

  u64(field: string): bigint {
    const high = BigInt(this.#number(4, field));
    return (high << 32n) | BigInt(this.#number(4, field));
  }

  /** A copy. */
  take(length: number, field: string): Uint8Array {
    return this.view(length, field).slice();
  }

  /** No copy: changes when the octets change. */
  view(length: number, field: string): Uint8Array {
    const start = this.#advance(length, field);
    return this.#octets.subarray(start, start + length);
  }

  /** A copy of what is left. */
  rest(): Uint8Array {
    return this.take(this.remaining, "rest");
  }

  skip(length: number, field: string): void {
    this.#advance(length, field);
  }

  /** A reader of the next `length` octets alone; this one goes on behind them. */
  within(length: number, field: string): Reader {
    const start = this.#advance(length, field);
    return new Reader(this.#octets, start, start + length);
  }

  /** Nothing may be left. */
  finish(field: string): void {
    if (this.remaining !== 0) this.fail(field);
  }

  /** Complains about what stands here, or `back` octets before. */
  fail(field: string, back = 0): never {
    throw new WireError(field, this.#offset - back);
  }

  #number(length: number, field: string): number {
    const start = this.#advance(length, field);
    let value = 0;
    for (let i = 0; i < length; i++) value = value * 256 + (this.#octets[start + i] ?? 0);
    return value;
  }

  #advance(length: number, field: string): number {
    if (length < 0 || length > this.remaining) this.fail(field);
    const start = this.#offset;
    this.#offset += length;
    return start;
  }
}
