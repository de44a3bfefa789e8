export interface FreeRange {
  readonly offset: number;
  readonly length: number;
}

/** First-fit allocation of words in a typed array that several SAs share: window bitmaps, compiled selectors. */
export class WordArena {
  readonly #size: number;
  /** Free ranges as [offset, length], sorted by offset, never adjacent. */
  readonly #free: { offset: number; length: number }[];

  /** `free`: what `freeze` gave; without it nothing is taken. */
  constructor(size: number, free: readonly FreeRange[] = [{ offset: 0, length: size }]) {
    this.#size = size;
    this.#free = free.map((range) => ({ ...range }));
  }

  /** What is free, as plain data. */
  freeze(): readonly FreeRange[] {
    return this.#free.map((range) => ({ ...range }));
  }

  /** Offset of `length` words, or -1 when no range is that long. */
  take(length: number): number {
    if (length === 0) return 0;
    const index = this.#free.findIndex((range) => range.length >= length);
    const range = this.#free[index];
    if (range === undefined) return -1;
    const offset = range.offset;
    range.offset += length;
    range.length -= length;
    if (range.length === 0) this.#free.splice(index, 1);
    return offset;
  }

  give(offset: number, length: number): void {
    if (length === 0) return;
    let index = this.#free.findIndex((range) => range.offset > offset);
    if (index < 0) index = this.#free.length;
    this.#free.splice(index, 0, { offset, length });
    this.#joinWithNext(index);
    if (index > 0) this.#joinWithNext(index - 1);
  }

  /** Words that are free, for tests of leaks. */
  get freeWords(): number {
    return this.#free.reduce((sum, range) => sum + range.length, 0);
  }

  get size(): number {
    return this.#size;
  }

  #joinWithNext(index: number): void {
    const range = this.#free[index];
    const next = this.#free[index + 1];
    if (range === undefined || next === undefined || range.offset + range.length !== next.offset) return;
    range.length += next.length;
    this.#free.splice(index + 1, 1);
  }
}
