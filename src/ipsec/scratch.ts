/** Hands out the slab's scratch area from front to back; emptied after each batch. */
export class Scratch {
  readonly #first: number;
  readonly #end: number;
  #next: number;

  constructor(offset: number, length: number) {
    this.#first = offset;
    this.#end = offset + length;
    this.#next = offset;
  }

  /** First octet of `length` octets, on an 8-octet boundary, or -1 when there is no room. */
  take(length: number): number {
    const at = this.#next;
    const next = at + ((length + 7) & ~7);
    if (length < 0 || next > this.#end) return -1;
    this.#next = next;
    return at;
  }

  /** For `release`: gives back all that was taken since. */
  get mark(): number {
    return this.#next;
  }

  release(mark: number): void {
    this.#next = mark;
  }

  reset(): void {
    this.#next = this.#first;
  }
}
