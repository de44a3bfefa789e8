import assert from "node:assert/strict";
import test from "node:test";
import { mirrored } from "#test/sim/ike-config";
import { assertSettled, initiate, twoNodes } from "#test/sim/ike-established";

for (const [a, b] of [
  [true, false],
  [false, true],
  [true, true],
] as const)
  test(`encap = ${a ? "yes" : "no"} and ${b ? "yes" : "no"}: ESP in UDP, and both sides know that no NAT is why (RFC 7296 §2.23)`, () => {
    const pair = twoNodes({}, { a: mirrored({ encap: a }).a, b: mirrored({ encap: b }).b });
    initiate(pair.a);
    assertSettled(pair);
    const forced = (ours: boolean, theirs: boolean) => (ours ? (theirs ? "both" : "ours") : "theirs");
    for (const [node, ours, theirs] of [
      [pair.a, a, b],
      [pair.b, b, a],
    ] as const) {
      const [sa] = node.sas;
      assert.deepEqual([sa?.natLocal, sa?.natRemote], [false, false]);
      assert.equal(sa?.udpForced, forced(ours, theirs));
      assert.equal(sa?.local.port, 4500);
      assert.equal(node.children[0]?.encapsulation, "udp");
      assert.equal(node.children[0]?.behindNat, false);
    }
  });
