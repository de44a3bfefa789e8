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
    table: compileSpd(policies.map(inLanes), version),
    formerIndex: policies.map(({ name }) => formerIndex.get(name) ?? -1),
    tells: policies.map(({ inClear }) => inClear === "both"),
    holds: policies.map(({ name }) => held.has(name)),
    answersFrom: policies.map(({ source }) =>
      source === undefined ? {} : { [source.family]: [...addressWords(source)] },
    ),
  };
}

/** What has fallen back goes by as it is, though its routes lead here. */
export function inLanes(policy: Policy): Policy {
  return policy.inClear === "both" ? { ...policy, action: "bypass" } : policy;
}
