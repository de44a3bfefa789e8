/** Families of pairs by their names and by their pairs, and when each is to be looked at. */
import type { Millis } from "#core/units";
import { Deadlines, type DeadlinesState } from "./deadlines.ts";
import { type FamilyState, PairFamily } from "./pair-family.ts";

export interface FamiliesState {
  readonly families: readonly FamilyState[];
  readonly due: DeadlinesState;
}

export class PairFamilies {
  readonly #byName = new Map<string, PairFamily>();
  readonly #byPair = new Map<number, PairFamily>();
  readonly #due = new Deadlines();

  freeze(): FamiliesState {
    return { families: [...this.#byName.values()].map((family) => family.freeze()), due: this.#due.freeze() };
  }

  thaw({ families, due }: FamiliesState): void {
    for (const state of families) {
      const family = PairFamily.thaw(state);
      this.#byName.set(family.name, family);
      for (const { id } of family.pairs()) this.#byPair.set(id, family);
    }
    this.#due.thaw(due);
  }

  get(name: string): PairFamily | undefined {
    return this.#byName.get(name);
  }

  of(pair: number): PairFamily | undefined {
    return this.#byPair.get(pair);
  }

  /** The family of this name, for a pair that is new in it. */
  join(name: string, pair: number): PairFamily {
    let family = this.#byName.get(name);
    if (family === undefined) {
      family = new PairFamily(name);
      this.#byName.set(name, family);
    }
    this.#byPair.set(pair, family);
    return family;
  }

  leave(pair: number): void {
    this.#byPair.delete(pair);
  }

  forget(name: string): void {
    this.#byName.delete(name);
    this.#due.set(name, undefined);
  }

  get nextTimeout(): Millis | undefined {
    return this.#due.next;
  }

  /** undefined = nothing is to be seen there. */
  lookAt(name: string, at: Millis | undefined): void {
    this.#due.set(name, at);
  }

  /** Those that are due, each once. */
  *due(now: Millis): Generator<PairFamily> {
    for (let name = this.#due.take(now); name !== undefined; name = this.#due.take(now)) {
      const family = this.#byName.get(name);
      if (family !== undefined) yield family;
    }
  }
}
