/** From policies to what lanes look up. */
import { addressWords } from "#core/address";
import type { Policy } from "#core/policy";
import { compileSpd } from "#ipsec/spd-compile";
import type { PolicySnapshot } from "./lane-policies.ts";

/** SAs of policies that keep their name stay in use; packets of those in `held` wait for SAs. */
export function policySnapshot(
  policies: readonly Policy[],
  former: readonly Policy[],
  held: ReadonlySet<string>,
  version: number,
): PolicySnapshot {
  const formerIndex = new Map(former.map(({ name }, index) => [name, index]));
  return {
    table: compileSpd(policies, version),
    formerIndex: policies.map(({ name }) => formerIndex.get(name) ?? -1),
    holds: policies.map(({ name }) => held.has(name)),
    answersFrom: policies.map(({ source }) =>
      source === undefined ? {} : { [source.family]: [...addressWords(source)] },
    ),
  };
}
