/**
 * Outbound sequence numbers (RFC 4303 §2.2, §3.3.3): start at 1, never repeat, end before they would wrap.
 * A 64-bit number is a safe integer; with ESN an SA ends at 2^53, which no counter mode comes near.
 */
import * as drops from "#core/drop";
import type { SaTable } from "./sa.ts";
import * as sas from "./sa.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { SA_COLUMNS, SA_NUMBERS, Sa, SaFlag, SaNumber } = sas;

const LAST = 2 ** 32 - 1;
const LAST_EXTENDED = Number.MAX_SAFE_INTEGER;

export class Sequence {
  readonly #columns: Int32Array;
  readonly #numbers: Float64Array;

  constructor(table: SaTable) {
    this.#columns = table.columns;
    this.#numbers = table.numbers;
  }

  /** The next number, which is then used; SEQUENCE_EXHAUSTED when there is none. */
  next(slot: number): number {
    const at = slot * SA_NUMBERS + SaNumber.SEQUENCE;
    const last = this.#numbers[at] ?? 0;
    const esn = ((this.#columns[slot * SA_COLUMNS + Sa.FLAGS] ?? 0) & SaFlag.ESN) !== 0;
    if (last >= (esn ? LAST_EXTENDED : LAST)) return Drop.SEQUENCE_EXHAUSTED;
    this.#numbers[at] = last + 1;
    return last + 1;
  }
}
