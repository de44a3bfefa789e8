/**
 * A lane's SAD, inbound: SPI → slot (RFC 4301 §4.1: by SPI alone, which we chose). SPIs that we draw carry their slot in
 * the low bits, so the lookup is one index and one compare; SPIs that people chose (manual keys) may need the map.
 */

import type { SaTable } from "#ipsec/sa";
import * as sas from "#ipsec/sa";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { SA_COLUMNS, Sa, SaFlag, SaState } = sas;

export class LaneSad {
  readonly #columns: Int32Array;
  readonly #mask: number;
  /** Only SPIs whose low bits are not their slot. */
  readonly #odd = new Map<number, number>();

  constructor(table: SaTable) {
    this.#columns = table.columns;
    this.#mask = table.capacity - 1;
  }

  /** -1 when no inbound SA has this SPI. */
  inboundSlot(spi: number): number {
    const slot = spi & this.#mask;
    const row = slot * SA_COLUMNS;
    if (
      this.#columns[row + Sa.SPI] === spi &&
      this.#columns[row + Sa.STATE] !== SaState.FREE &&
      ((this.#columns[row + Sa.FLAGS] ?? 0) & SaFlag.INBOUND) !== 0
    )
      return slot;
    return this.#odd.size === 0 ? -1 : (this.#odd.get(spi) ?? -1);
  }

  add(spi: number, slot: number): void {
    if ((spi & this.#mask) !== slot) this.#odd.set(spi, slot);
  }

  remove(spi: number, slot: number): void {
    if (this.#odd.get(spi) === slot) this.#odd.delete(spi);
  }
}
