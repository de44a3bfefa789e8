// RFC 7296 §2.8.1, §2.8.2: both sides rekey the same SA at once. Every order of the four messages and every side whose
// nonce is lowest ends with one SA.
//
//   A  {rekey} -1->  <-2- {rekey}  B
//   A  {SA, N} <-3-   -4-> {SA, N} B
import assert from "node:assert/strict";
import test from "node:test";
import { KeMethod } from "#crypto/key-exchange";
import { espProposal } from "#test/sim/ike-config";
import { assertSettled, established, ids, only } from "#test/sim/ike-established";
import type { IkeNode } from "#test/sim/ike-pair";

/** Whom the next held datagram goes to, until four are through. */
const ORDERS: readonly string[] = ["abab", "abba", "baab", "baba", "aabb", "bbaa"];

for (const what of ["child", "ike"] as const)
  test(`row 12: both sides rekey the ${what === "child" ? "Child SA" : "IKE SA"} at once, in every order and with every lowest nonce`, () => {
    const losers = new Set<string>();
    for (let seed = 1; seed <= 24; seed++)
      for (const order of ORDERS) {
        const pair = established({}, {}, { seed });
        const { sim, a, b } = pair;
        const begin = (node: IkeNode) => {
          if (what === "child") node.give({ kind: "rekey-child", id: only(node), trigger: "time" });
          else node.give({ kind: "rekey-ike", ike: node.sas[0]?.id ?? 0, trigger: "time" });
          sim.runJobs();
        };
        sim.held = [];
        begin(a);
        begin(b);
        for (const to of order) {
          const node = to === "a" ? a : b;
          if (sim.held.some((datagram) => datagram.to.address.octets.join() === node.address.octets.join()))
            sim.deliver(node);
        }
        sim.deliverHeld();
        assertSettled(pair);
        for (const node of [a, b]) {
          assert.equal(
            node.reportsOf("child-down").length + node.reportsOf("ike-down").length,
            0,
            `seed ${seed} ${order}`,
          );
          assert.equal(node.counter(what === "child" ? "child_collisions" : "ike_collisions") <= 1, true);
          if (node.reportsOf("rekey").some(({ result }) => result === "redundant")) losers.add(node.name);
        }
      }
    if (what === "child") assert.deepEqual([...losers].sort(), ["a", "b"]);
  });

test("row 12: a delete crosses a rekey of the same Child SA: nothing is left of it (RFC 7296 §2.25.1)", () => {
  const pair = established();
  const { sim, a, b } = pair;
  sim.held = [];
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  b.give({ kind: "delete-child", id: only(b), reason: "operator" });
  // HDR, SK {N(REKEY_SA), …}  -->      <--  HDR, SK {D}
  sim.deliverHeld();
  assertSettled(pair, []);
  assert.equal(a.counter("temporary_failures"), 1);
});

test("row 12: a pair that loses a collision goes with all that it was rekeyed to meanwhile (RFC 7296 §2.8.1)", () => {
  let collisions = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const options = { seed, weather: { delay: [1, 20], loss: 0, duplicates: 0 }, jobTime: [0, 150] } as const;
    const pair = established({}, { proposals: [espProposal([KeMethod.CURVE25519])] }, options);
    const { sim, a, b } = pair;
    for (const node of [a, b]) node.give({ kind: "rekey-child", id: only(node), trigger: "time" });
    for (let i = 0; i < 40; i++) {
      sim.driveFor(10);
      for (const node of [a, b])
        for (const id of ids(node).slice(1)) node.give({ kind: "rekey-child", id, trigger: "octets" });
    }
    assertSettled(pair);
    collisions += a.counter("child_collisions");
  }
  assert.ok(collisions > 0);
});
