/** Version 1's state as plain data. */
import type { Endpoint } from "#core/address";
import type { Attempt } from "#ike/attempts";
import { type FrozenLine, wipeFrozenLine } from "./frozen-line.ts";
import type { Wish } from "./phase2.ts";

export interface FrozenIkev1 {
  readonly lines: readonly FrozenLine[];
  /** Of ISAKMP SAs that the peer began, by id: what their first message is known by. */
  readonly firsts: ReadonlyMap<number, string>;
  readonly attempts: readonly Attempt[];
  /** That came while nothing might begin. */
  readonly wishes: readonly Wish[];
  readonly localEndpoints: readonly Endpoint[];
}

export function wipeFrozenIkev1({ lines }: FrozenIkev1): void {
  for (const line of lines) wipeFrozenLine(line);
}
