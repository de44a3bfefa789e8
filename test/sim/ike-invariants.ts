/** What must hold between two engines once all is quiet. Every violation is a line of text, so that schedules can print them. */

import { equalOctets } from "#crypto/octets";
import type { NegotiatedChild } from "#ike/effects";
import type { IkeNode, IkeSim } from "./ike-pair.ts";

/** Exactly one IKE SA, one pair for each child, the same on both sides; no job, SPI, timer or datagram is left. */
export function violations(sim: IkeSim, a: IkeNode, b: IkeNode, children: readonly string[]): string[] {
  return [
    ...oneIkeSa(a, b),
    ...children.flatMap((name) => onePair(a, b, name)),
    ...[a, b].flatMap((node) => noneElse(node, children)),
    ...(sim.pending === 0 ? [] : [`${sim.pending} datagrams or jobs are under way`]),
  ];
}

function oneIkeSa(a: IkeNode, b: IkeNode): string[] {
  const found: string[] = [];
  for (const node of [a, b])
    if (node.sas.length !== 1 || node.sas[0]?.state !== "established")
      found.push(`${node.name} has ${node.sas.length} IKE SAs: ${node.sas.map(({ state }) => state).join(", ")}`);
  const [left, right] = [a.sas[0], b.sas[0]];
  if (left?.initiatorSpi !== right?.initiatorSpi || left?.responderSpi !== right?.responderSpi)
    found.push("the IKE SAs are two different ones");
  return found;
}

function onePair(a: IkeNode, b: IkeNode, name: string): string[] {
  const left = a.children.filter(({ child }) => child === name);
  const right = b.children.filter(({ child }) => child === name);
  const [x, y] = [left[0], right[0]];
  if (left.length !== 1 || right.length !== 1 || x === undefined || y === undefined)
    return [`${name}: ${a.name} has ${left.length} pairs, ${b.name} ${right.length}`];
  const found: string[] = [];
  for (const node of [a, b])
    for (const pair of node.installed.values())
      if (pair.child.child === name && !pair.outbound)
        found.push(`${name}: ${node.name} does not send on its only pair`);
  return [...found, ...mirror(name, x, y)];
}

function mirror(name: string, x: NegotiatedChild, y: NegotiatedChild): string[] {
  const same = (p: NegotiatedChild["inbound"], q: NegotiatedChild["inbound"]) =>
    p.spi === q.spi && equalOctets(p.encryptionKey, q.encryptionKey) && equalOctets(p.integrityKey, q.integrityKey);
  return same(x.inbound, y.outbound) && same(x.outbound, y.inbound) ? [] : [`${name}: keys or SPIs differ`];
}

function noneElse(node: IkeNode, children: readonly string[]): string[] {
  const found: string[] = [];
  for (const { child } of node.children)
    if (!children.includes(child)) found.push(`${node.name} has a pair of ${child}`);
  if (node.loose.size > 0) found.push(`${node.name} lost ${node.loose.size} SPIs`);
  if (node.engine.nextTimeout !== undefined) found.push(`${node.name} has a timer`);
  return found;
}

/** What a node still has after everything was deleted. */
export function leftovers(node: IkeNode): string[] {
  const { sas, halfOpen } = node.engine.snapshot();
  const found: string[] = [];
  if (sas.length > 0)
    found.push(`${node.name} still has ${sas.length} IKE SAs: ${sas.map((sa) => sa.state).join(", ")}`);
  if (halfOpen > 0) found.push(`${node.name} still has ${halfOpen} half-open IKE SAs`);
  if (node.installed.size > 0) found.push(`${node.name} still has ${node.installed.size} pairs`);
  if (node.loose.size > 0) found.push(`${node.name} lost ${node.loose.size} SPIs`);
  if (node.engine.nextTimeout !== undefined) found.push(`${node.name} still has a timer`);
  return found;
}

/** Between two engines of ours nothing is malformed or forged, no job fails and no bound is reached. */
const IMPOSSIBLE = [
  "jobs_failed",
  "drop_malformed_header",
  "drop_major_version",
  "drop_unknown_exchange",
  "drop_wrong_direction",
  "drop_half_open_limit",
  "drop_budget",
  "drop_zero_spi",
  "drop_not_configured",
  "drop_not_verified",
  "drop_fragment",
  "drop_malformed",
  "authentication_failed",
  "queue_full",
  "child_limit",
] as const;

export function unexpectedCounts(node: IkeNode): string[] {
  const { counters } = node.engine.snapshot();
  return IMPOSSIBLE.flatMap((name) => {
    const count = counters[name] ?? 0;
    return count === 0 ? [] : [`${node.name} counted ${count} ${name}`];
  });
}
