/** Bump allocation in the slab's scratch area; everything taken in a batch is given back at once. */
import { SCRATCH_LENGTH, SCRATCH_OFFSET } from "#core/slab";

export class Scratch {
  #next = SCRATCH_OFFSET;

  reset(): void {
    this.#next = SCRATCH_OFFSET;
  }

  /** Offset of `length` octets, 64-aligned, or -1 when the batch has used all. */
  take(length: number): number {
    const at = this.#next;
    const end = (at + length + 63) & -64;
    if (end > SCRATCH_OFFSET + SCRATCH_LENGTH) return -1;
    this.#next = end;
    return at;
  }
}
