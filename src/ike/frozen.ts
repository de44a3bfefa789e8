/**
 * The IKE engine's state as plain data, from one process to the next that reads the same monotonic clock: numbers, texts, octets,
 * lists, maps and records that a structured clone takes.
 */
import { type FrozenIkev1, wipeFrozenIkev1 } from "./v1/frozen.ts";
import { type FrozenIkev2, wipeFrozenIkev2 } from "./v2/frozen.ts";
import type { FrozenNumbers } from "./version-engine.ts";

export interface FrozenIke {
  readonly numbers: FrozenNumbers;
  readonly counters: Readonly<Record<string, number>>;
  /** IKE SAs that were being set up. */
  readonly leftOut: number;
  readonly v1: FrozenIkev1;
  readonly v2: FrozenIkev2;
}

/** After it was written, or thawed. */
export function wipeFrozen({ v1, v2 }: FrozenIke): void {
  wipeFrozenIkev1(v1);
  wipeFrozenIkev2(v2);
}
