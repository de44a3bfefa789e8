/** When each of many things wants to be looked at: a binary heap in which a newer deadline replaces the older one. */
import type { Millis } from "#core/units";

interface Entry {
  readonly at: Millis;
  readonly key: string;
}

export type DeadlinesState = readonly (readonly [key: string, at: Millis])[];

export class Deadlines {
  readonly #heap: Entry[] = [];
  /** What counts; entries of the heap that differ are stale. */
  readonly #due = new Map<string, Millis>();

  /** undefined = not any more. */
  set(key: string, at: Millis | undefined): void {
    if (at === this.#due.get(key)) return;
    if (at === undefined || !Number.isFinite(at)) {
      this.#due.delete(key);
      return;
    }
    this.#due.set(key, at);
    this.#heap.push({ at, key });
    this.#up(this.#heap.length - 1);
  }

  freeze(): DeadlinesState {
    return [...this.#due];
  }

  thaw(state: DeadlinesState): void {
    for (const [key, at] of state) this.set(key, at);
  }

  get next(): Millis | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined) return undefined;
      if (this.#due.get(first.key) === first.at) return first.at;
      this.#pop();
    }
  }

  /** Takes one that is due; undefined = none is. */
  take(now: Millis): string | undefined {
    const at = this.next;
    if (at === undefined || at > now) return undefined;
    const key = this.#heap[0]?.key;
    this.#pop();
    if (key !== undefined) this.#due.delete(key);
    return key;
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      let least = i;
      if (this.#at(left) < this.#at(least)) least = left;
      if (this.#at(left + 1) < this.#at(least)) least = left + 1;
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }

  #up(from: number): void {
    for (let i = from; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (this.#at(parent) <= this.#at(i)) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.at ?? Number.POSITIVE_INFINITY;
  }

  #swap(i: number, k: number): void {
    const [a, b] = [this.#heap[i], this.#heap[k]];
    if (a === undefined || b === undefined) return;
    this.#heap[i] = b;
    this.#heap[k] = a;
  }
}
