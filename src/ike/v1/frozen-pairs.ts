/** Pairs of IPsec SAs as plain data: what took over from one is named by its id. */
import type { Connection } from "#core/connection";
import { assert } from "#core/errors";
import { type FrozenChildConfig, freezeChildConfig, thawChildConfig } from "#ike/frozen-names";
import type { Pair } from "./pairs.ts";

export interface FrozenPair extends Omit<Pair, "config" | "successors"> {
  readonly config: FrozenChildConfig;
  readonly successors: readonly { readonly to: number; readonly by: "us" | "peer" }[];
}

/** These and what took over from them, which may be gone; `connection`: their line's. */
export function freezePairs(connection: Connection, pairs: Iterable<Pair>): readonly FrozenPair[] {
  const all = new Set(pairs);
  // A set that grows is walked to its end.
  for (const { successors } of all) for (const { to } of successors) all.add(to);
  return Array.from(all, (pair) => ({
    ...carried(pair),
    config: freezeChildConfig(connection, pair.config),
    successors: pair.successors.map(({ to, by }) => ({ to: to.id, by })),
  }));
}

/** What is the same in both forms. */
function carried(pair: Pair | FrozenPair): Omit<FrozenPair, "config" | "successors"> {
  return {
    id: pair.id,
    ike: pair.ike,
    mode: pair.mode,
    encapsulation: pair.encapsulation,
    suite: pair.suite,
    parts: pair.parts,
    localSelector: pair.localSelector,
    remoteSelector: pair.remoteSelector,
    by: pair.by,
    madeAt: pair.madeAt,
    lowestNonce: pair.lowestNonce,
    state: pair.state,
    proven: pair.proven,
  };
}

/** By id, in the same order. */
export function thawPairs(connection: Connection, frozen: readonly FrozenPair[]): Map<number, Pair> {
  const pairs = new Map<number, Pair>();
  for (const one of frozen)
    pairs.set(one.id, { ...carried(one), config: thawChildConfig(connection, one.config), successors: [] });
  for (const { id, successors } of frozen)
    for (const { to, by } of successors) thawed(pairs, id).successors.push({ to: thawed(pairs, to), by });
  return pairs;
}

/** Whoever names a pair has frozen it. */
export function thawed(pairs: ReadonlyMap<number, Pair>, id: number): Pair {
  const pair = pairs.get(id);
  assert(pair !== undefined, `pair ${id} was not frozen`);
  return pair;
}
