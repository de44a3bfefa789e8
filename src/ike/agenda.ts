/** Who has something to do when: the earliest deadline of many, kept in a heap. Deadlines may change at any time. */
import type { Millis } from "#core/units";

interface Entry<T> {
  readonly at: Millis;
  readonly who: T;
}

export class Agenda<T> {
  /** A binary heap; entries that are no longer their owner's deadline are passed over. */
  #heap: Entry<T>[] = [];
  readonly #deadlines = new Map<T, Millis>();

  /** undefined = nothing to do. */
  set(who: T, at: Millis | undefined): void {
    if (this.#deadlines.get(who) === at) return;
    if (at === undefined) {
      this.#deadlines.delete(who);
      return;
    }
    this.#deadlines.set(who, at);
    this.#push({ at, who });
    // Old entries never outnumber the living ones by much.
    if (this.#heap.length > 2 * this.#deadlines.size + 64) this.#rebuild();
  }

  get next(): Millis | undefined {
    this.#skip();
    return this.#heap[0]?.at;
  }

  /** Takes the first whose time has come off the agenda. */
  take(now: Millis): T | undefined {
    this.#skip();
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    this.#pop();
    this.#deadlines.delete(first.who);
    return first.who;
  }

  get size(): number {
    return this.#deadlines.size;
  }

  #skip(): void {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#deadlines.get(first.who) === first.at) return;
      this.#pop();
    }
  }

  #rebuild(): void {
    const living = [...this.#deadlines].map(([who, at]) => ({ at, who }));
    this.#heap = living.sort((a, b) => a.at - b.at);
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.at <= entry.at) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const l = heap[left];
      const r = heap[right];
      const child = r !== undefined && l !== undefined && r.at < l.at ? right : left;
      const below = heap[child];
      if (below === undefined || below.at >= last.at) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

/** The earliest of what is due at all. */
export function earliest(deadlines: Iterable<Millis | undefined>): Millis | undefined {
  let first: Millis | undefined;
  for (const deadline of deadlines)
    if (deadline !== undefined && (first === undefined || deadline < first)) first = deadline;
  return first;
}
