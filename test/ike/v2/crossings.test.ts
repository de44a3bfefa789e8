// Row 12 of the list of attacks: rekeys and deletes by both sides cross in every order of their first messages.
import assert from "node:assert/strict";
import test from "node:test";
import { compareAddresses } from "#core/address";
import { established, only } from "#test/sim/ike-established";
import type { IkeNode } from "#test/sim/ike-pair";

const WORKS = ["rekey-child", "rekey-ike", "delete-child", "delete-ike"] as const;
type Work = (typeof WORKS)[number];

/** Whom the next datagram goes to, as long as there is one for it; the others follow as the network likes. */
const ORDERS: readonly string[] = ["ab", "ba", "aab", "bba", "abab", "abba", "baab", "baba", "aabb", "bbaa"];

function begin(node: IkeNode, work: Work): void {
  const ike = node.sas[0]?.id ?? 0;
  if (work === "rekey-child") node.give({ kind: "rekey-child", id: only(node), trigger: "time" });
  else if (work === "rekey-ike") node.give({ kind: "rekey-ike", ike, trigger: "time" });
  else if (work === "delete-child") node.give({ kind: "delete-child", id: only(node), reason: "operator" });
  else node.give({ kind: "delete-ike", ike, reason: "operator" });
}

/** Both ends are the same, at most one of each; nothing is lost, nothing is under way. */
function wrong(a: IkeNode, b: IkeNode, works: readonly Work[]): string[] {
  const found: string[] = [];
  const counts = (node: IkeNode) => `${node.sas.length} IKE SAs, ${node.installed.size} pairs`;
  if (counts(a) !== counts(b)) found.push(`a has ${counts(a)}, b ${counts(b)}`);
  if (a.sas.length > 1 || a.installed.size > 1) found.push(`a has ${counts(a)}`);
  if (!works.includes("delete-ike") && a.sas.length !== 1) found.push("the IKE SA is gone");
  const deletes = works.some((work) => work.startsWith("delete"));
  if (!deletes && a.installed.size !== 1) found.push("the pair is gone");
  const spis = (node: IkeNode, way: "inbound" | "outbound") => node.children.map((child) => child[way].spi).join();
  if (spis(a, "inbound") !== spis(b, "outbound") || spis(a, "outbound") !== spis(b, "inbound"))
    found.push("the pairs are different ones");
  for (const node of [a, b]) {
    if (node.loose.size > 0) found.push(`${node.name} lost ${node.loose.size} SPIs`);
    if (node.engine.nextTimeout !== undefined) found.push(`${node.name} has a timer`);
  }
  return found;
}

for (const left of WORKS)
  test(`row 12: ${left} crosses any work of the other side in any order: both end with the same (RFC 7296 §2.8, §2.25)`, () => {
    for (const right of WORKS)
      for (const order of ORDERS)
        for (let seed = 1; seed <= 4; seed++) {
          const { sim, a, b } = established({}, {}, { seed });
          sim.held = [];
          begin(a, left);
          begin(b, right);
          sim.runJobs();
          for (const letter of order) {
            const node = letter === "a" ? a : b;
            if (sim.held.some(({ to }) => compareAddresses(to.address, node.address) === 0)) sim.deliver(node);
          }
          sim.deliverHeld();
          sim.driveFor(200_000);
          assert.equal(sim.pending, 0);
          assert.deepEqual(wrong(a, b, [left, right]), [], `${left} × ${right}, order ${order}, seed ${seed}`);
        }
  });
