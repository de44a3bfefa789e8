/** The ordered policies of the data plane, from the children of all connections. */
import { compareAddresses, type IpAddress } from "#core/address";
import type { SelectorConfig } from "#core/connection";
import type { Policy, PolicyAction } from "#core/policy";
import { selectorContains, selectorsOverlap, selectorToString, type TrafficSelector } from "#core/selector";
import type { PlacedChild } from "./child.ts";
import type { PlacedConnection } from "./connection.ts";
import type { Findings } from "./findings.ts";
import { fixedAddress } from "./hosts.ts";

const ACTIONS = { tunnel: "protect", transport: "protect", pass: "bypass", drop: "discard" } as const;
/** Pairs of policies that are compared: beyond it nobody reads the warnings either. */
const COMPARED = 1_000_000;

interface PlacedPolicy {
  readonly policy: Policy;
  readonly child: PlacedChild;
  readonly narrowness: number;
  readonly index: number;
}

/**
 * A child whose `dynamic` selectors have no address before the peer is known has no policy here; it gets one with its SA.
 */
export function assemblePolicies(connections: readonly PlacedConnection[], findings: Findings): Policy[] {
  const placed: PlacedPolicy[] = [];
  for (const connection of connections)
    for (const child of connection.children) {
      const policy = policyOf(connection, child, findings);
      if (policy !== undefined) placed.push({ policy, child, narrowness: narrownessOf(policy), index: placed.length });
    }
  placed.sort(inOrder);
  warnOfOverlaps(placed, findings);
  return placed.map(({ policy }) => policy);
}

function policyOf({ config }: PlacedConnection, child: PlacedChild, findings: Findings): Policy | undefined {
  const action: PolicyAction = ACTIONS[child.config.mode];
  const local = resolved(child.config.local, fixedAddress(config.localAddresses));
  const remote = resolved(child.config.remote, fixedAddress(config.remoteAddresses));
  checkFamilies(child, local, remote);
  if (local.length === 0 || remote.length === 0) {
    if (action !== "protect")
      findings.error(
        child.reader.place,
        `child '${child.config.name}' says ${child.config.mode} and not for what`,
        "add local_ts and remote_ts",
      );
    return undefined;
  }
  const inClear = child.config.acceptClear ? ({ inClear: "inbound" } as const) : {};
  return { name: `${config.name}/${child.config.name}`, action, local, remote, source: undefined, ...inClear };
}

function resolved(selectors: readonly SelectorConfig[], address: IpAddress | undefined): TrafficSelector[] {
  return selectors.flatMap((selector) => {
    if (selector.kind === "fixed") return selector.selector;
    const { protocol, firstPort, lastPort } = selector;
    return address === undefined ? [] : { first: address, last: address, protocol, firstPort, lastPort };
  });
}

function checkFamilies(
  child: PlacedChild,
  local: readonly TrafficSelector[],
  remote: readonly TrafficSelector[],
): void {
  if (local.length === 0 || remote.length === 0) return;
  const ours = new Set(local.map(({ first }) => first.family));
  const theirs = new Set(remote.map(({ first }) => first.family));
  for (const family of [4, 6] as const)
    if (ours.has(family) !== theirs.has(family))
      child.reader.wrong(
        ours.has(family) ? "local_ts" : "remote_ts",
        `IPv${family} stands on one side only of child '${child.config.name}'`,
        "give both sides networks of the same family",
      );
}

/** Fixed bits of both sides, of the widest selector. */
function narrownessOf({ local, remote }: Policy): number {
  const bits = (selectors: readonly TrafficSelector[]) => Math.min(...selectors.map(fixedBits));
  return bits(local) + bits(remote);
}

function fixedBits({ first, last, protocol, firstPort, lastPort }: TrafficSelector): number {
  let bits = 0;
  for (const [i, octet] of first.octets.entries()) {
    const difference = octet ^ (last.octets[i] ?? 0);
    bits += difference === 0 ? 8 : Math.clz32(difference) - 24;
    if (difference !== 0) break;
  }
  return 4 * bits + (protocol === 0 ? 0 : 2) + (firstPort === 0 && lastPort === 65_535 ? 0 : 1);
}

/** `priority` first; then `pass`, as strongSwan has it; then the narrower; then the file's order. */
function inOrder(a: PlacedPolicy, b: PlacedPolicy): number {
  const priority = ({ child }: PlacedPolicy) => child.config.priority || Number.POSITIVE_INFINITY;
  const rank = ({ policy }: PlacedPolicy) => (policy.action === "bypass" ? 0 : 1);
  const byPriority = priority(a) === priority(b) ? 0 : priority(a) - priority(b);
  return byPriority || rank(a) - rank(b) || b.narrowness - a.narrowness || a.index - b.index;
}

/** A packet that fits two protect policies of which neither lies within the other goes where nobody would guess. */
function warnOfOverlaps(placed: readonly PlacedPolicy[], findings: Findings): void {
  const protects = placed.filter(({ policy }) => policy.action === "protect");
  const budget = { left: COMPARED };
  const byStart = protects
    .flatMap((one) => one.policy.remote.map((remote) => ({ one, remote })))
    .toSorted((a, b) => compareAddresses(a.remote.first, b.remote.first));
  const told = new Set<PlacedPolicy>();
  for (const [i, { one, remote }] of byStart.entries())
    for (let j = i + 1; j < byStart.length && budget.left-- > 0; j++) {
      const next = byStart[j];
      if (next === undefined || compareAddresses(next.remote.first, remote.last) > 0) break;
      if (next.remote.first.family !== remote.first.family) break;
      const [winner, loser] = inOrder(one, next.one) < 0 ? [one, next.one] : [next.one, one];
      if (winner === loser || told.has(loser) || !selectorsOverlap(remote, next.remote)) continue;
      const shared = ambiguous(winner.policy, loser.policy, budget);
      if (shared === undefined) continue;
      told.add(loser);
      findings.warn(
        loser.child.reader.placeOf("remote_ts"),
        `'${loser.policy.name}' overlaps '${winner.policy.name}': packets to ${shared} go into the latter`,
        "narrow one of them, or say priority = N: lower numbers are looked at first",
      );
    }
}

/** What both take, unless the winner is the narrower one on purpose. */
function ambiguous(winner: Policy, loser: Policy, budget: { left: number }): string | undefined {
  for (const local of winner.local)
    for (const remote of winner.remote)
      for (const otherLocal of loser.local)
        for (const otherRemote of loser.remote) {
          if (budget.left-- <= 0) return undefined;
          if (!selectorsOverlap(local, otherLocal) || !selectorsOverlap(remote, otherRemote)) continue;
          const within = selectorContains(otherLocal, local) && selectorContains(otherRemote, remote);
          const same = within && selectorContains(local, otherLocal) && selectorContains(remote, otherRemote);
          if (!within || same) return selectorToString(remote);
        }
  return undefined;
}
