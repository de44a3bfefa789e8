/** Rekeys of Child SAs: by what caused them, and how they ended. */
import type { Trigger } from "#core/ike-state";

/** overtaken: the peer replaced the pair first. */
export type RekeyResult = "done" | "failed" | "overtaken";
export type RekeyTable = Readonly<Partial<Record<Trigger, Readonly<Record<string, number>>>>>;

export type RekeyCountsState = ReadonlyMap<Trigger, Readonly<Record<RekeyResult, number>>>;

export class RekeyCounts {
  readonly #counts = new Map<Trigger, Record<RekeyResult, number>>();

  add(trigger: Trigger, result: RekeyResult): void {
    const counts = this.#counts.get(trigger) ?? { done: 0, failed: 0, overtaken: 0 };
    counts[result]++;
    this.#counts.set(trigger, counts);
  }

  freeze(): RekeyCountsState {
    return this.#counts;
  }

  thaw(state: RekeyCountsState): void {
    for (const [trigger, counts] of state) this.#counts.set(trigger, { ...counts });
  }

  get table(): RekeyTable {
    return Object.fromEntries([...this.#counts].map(([trigger, counts]) => [trigger, { ...counts }]));
  }
}
