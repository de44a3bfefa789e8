/**
 * The anti-replay window of RFC 4303 §3.4.3 and Appendix A: one bitmap an SA, moved by clearing words instead of
 * shifting bits (the idea of RFC 6479). Bits are indexed by sequence number modulo the bitmap's size.
 *
 * Order of use: `check` before the ICV, `accept` after it held. `check` changes nothing.
 */
import * as drops from "#core/drop";
import type { SaTable } from "./sa.ts";
import * as sas from "./sa.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { SA_COLUMNS, SA_NUMBERS, Sa, SaFlag, SaNumber } = sas;

const TWO_32 = 2 ** 32;
/** How far back a number may lie whose high half is guessed, where nothing else bounds it. */
const HALF_CYCLE = 2 ** 31;

/** Words for a window of `packets`: one more than the window fills, so that a partly cleared word is never read. */
export function windowWords(packets: number): number {
  if (packets === 0) return 0;
  let words = 2;
  while ((words - 1) * 32 < packets) words *= 2;
  return words;
}

export class ReplayWindow {
  readonly #columns: Int32Array;
  readonly #numbers: Float64Array;
  readonly #bits: Int32Array;

  constructor(table: SaTable) {
    this.#columns = table.columns;
    this.#numbers = table.numbers;
    this.#bits = table.windows;
  }

  /**
   * RFC 4303 Appendix A2.2: the high half that a low half must have had, or a drop code. Without ESN the high half is 0.
   * @param low the packet's 32 bits, unsigned
   */
  check(slot: number, low: number): number {
    const columns = this.#columns;
    const row = slot * SA_COLUMNS;
    const window = columns[row + Sa.WINDOW] ?? 0;
    const top = this.#numbers[slot * SA_NUMBERS + SaNumber.SEQUENCE] ?? 0;
    let high = 0;
    if (((columns[row + Sa.FLAGS] ?? 0) & SaFlag.ESN) !== 0) {
      high = Math.floor(top / TWO_32);
      const topLow = top - high * TWO_32;
      // RFC 4303 §3.3.3: without anti-replay service the receiver still has to know the high half.
      const reach = window === 0 ? HALF_CYCLE : window;
      if (topLow >= reach - 1) {
        if (low < topLow - reach + 1) high++;
      } else if (low >= topLow - reach + 1 + TWO_32) {
        high--;
        if (high < 0) {
          // The first packet heard of an SA without a window may be any of its first cycle.
          if (window !== 0) return Drop.OUTSIDE_WINDOW;
          high = 0;
        }
      }
    }
    const sequence = high * TWO_32 + low;
    if (sequence === 0) return Drop.SEQUENCE_ZERO;
    if (window === 0 || sequence > top) return high;
    if (top - sequence >= window) return Drop.OUTSIDE_WINDOW;
    const word = this.#bits[this.#word(row, low)] ?? 0;
    return ((word >>> (low & 31)) & 1) === 1 ? Drop.REPLAYED : high;
  }

  /** Marks a sequence number whose packet verified. Returns 0, or REPLAYED when another packet of the batch was first. */
  accept(slot: number, high: number, low: number): number {
    const columns = this.#columns;
    const row = slot * SA_COLUMNS;
    const number = slot * SA_NUMBERS + SaNumber.SEQUENCE;
    const top = this.#numbers[number] ?? 0;
    const sequence = high * TWO_32 + low;
    const window = columns[row + Sa.WINDOW] ?? 0;
    if (window === 0) {
      if (sequence > top) this.#numbers[number] = sequence;
      return 0;
    }
    const bits = this.#bits;
    if (sequence > top) {
      this.#clearBetween(row, top, sequence);
      this.#numbers[number] = sequence;
    } else if (top - sequence >= window) return Drop.OUTSIDE_WINDOW;
    const index = this.#word(row, low);
    const bit = 1 << (low & 31);
    const word = bits[index] ?? 0;
    if ((word & bit) !== 0) return Drop.REPLAYED;
    bits[index] = word | bit;
    return 0;
  }

  #word(row: number, low: number): number {
    const mask = (this.#columns[row + Sa.WINDOW_WORDS] ?? 0) - 1;
    return (this.#columns[row + Sa.WINDOW_OFFSET] ?? 0) + ((low >>> 5) & mask);
  }

  /** Clears the words that the window's right edge moves into. */
  #clearBetween(row: number, from: number, to: number): void {
    const offset = this.#columns[row + Sa.WINDOW_OFFSET] ?? 0;
    const words = this.#columns[row + Sa.WINDOW_WORDS] ?? 0;
    const first = Math.floor(from / 32);
    const count = Math.min(words, Math.floor(to / 32) - first);
    // `words` is a power of two, and the low 32 bits of the quotient are all it takes.
    for (let i = 1; i <= count; i++) this.#bits[offset + ((first + i) & (words - 1))] = 0;
  }
}
