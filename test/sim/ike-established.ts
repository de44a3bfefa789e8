/** Two engines with an established IKE SA and their child "net": where most exchange tests begin. */
import assert from "node:assert/strict";
import type { ChildConfig, Connection, IkeConfig } from "#core/connection";
import { A, B, mirrored } from "./ike-config.ts";
import { violations } from "./ike-invariants.ts";
import { type IkeNode, IkeSim, type SimOptions } from "./ike-pair.ts";

export interface EstablishedPair {
  readonly sim: IkeSim;
  readonly a: IkeNode;
  readonly b: IkeNode;
}

export function twoNodes(
  options: Partial<SimOptions>,
  config: { readonly a: IkeConfig; readonly b: IkeConfig },
): EstablishedPair {
  const sim = new IkeSim({ seed: 1, jobs: "cheap", ...options });
  const a = sim.node("a", A);
  const b = sim.node("b", B);
  a.configure(config.a);
  b.configure(config.b);
  return { sim, a, b };
}

export function initiate(node: IkeNode, child: string | undefined = "net"): void {
  node.give({ kind: "initiate", connection: "gw", child, trigger: "operator" });
}

export function established(
  over: Partial<Connection> = {},
  child: Partial<ChildConfig> = {},
  options: Partial<SimOptions> = {},
): EstablishedPair {
  const pair = twoNodes(options, mirrored(over, child));
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  assert.equal(pair.a.children.length, 1);
  assert.equal(pair.b.children.length, 1);
  return pair;
}

/** Runs until all is quiet; nothing may be wrong then. */
export function assertSettled({ sim, a, b }: EstablishedPair, children: readonly string[] = ["net"]): void {
  sim.driveFor(200_000);
  assert.deepEqual(violations(sim, a, b, children), []);
}

/** Ids of the pairs a node has. */
export function ids(node: IkeNode): number[] {
  return [...node.installed.keys()];
}

export function only(node: IkeNode): number {
  const [id, ...others] = ids(node);
  assert.ok(id !== undefined && others.length === 0, `${node.name} has ${others.length + 1} pairs`);
  return id;
}
