import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChildTotals, keyOf, TotalsOfChildren } from "#gateway/child-totals";
import type { ChildCounters, DirectionCounters } from "#gateway/child-usage";

const NET = { policy: "hq/net", connection: "hq", child: "net" };
const OWN = { ...NET, policy: "hq/net#1" };

function counters(packets: number, drops: number, lastUsed: number): ChildCounters {
  const direction: DirectionCounters = {
    spi: "0x00001001",
    state: "mature",
    packets,
    octets: packets * 100,
    keyOctets: packets * 120,
    drops,
    icvFailures: 1,
    replays: 2,
    misfits: 0,
    lastUsed,
  };
  return { policy: "hq/net", remote: "192.0.2.2", inbound: direction, outbound: direction };
}

type Named = Readonly<typeof NET>;

/** All of them, each child once, as metrics read them. */
function all(
  totals: TotalsOfChildren,
  tunnels: readonly Named[],
  pairs: readonly (readonly [Named, ChildCounters])[],
): ChildTotals[] {
  const children = new Map(tunnels.map((tunnel) => [keyOf(tunnel), tunnel]));
  totals.keepOnly(children);
  return [...children].map(([key, tunnel]) => {
    const sum = totals.begin(tunnel);
    for (const [of, counters] of pairs) if (keyOf(of) === key) sum.add(counters);
    return sum;
  });
}

test("totals of a child do not fall when its pairs are replaced and when they go", () => {
  const totals = new TotalsOfChildren();
  const before = all(totals, [NET], [[NET, counters(10, 3, 500)]])[0];
  totals.retire(NET, counters(12, 3, 600));
  const after = all(totals, [NET], [[NET, counters(0, 0, 900)]])[0];
  const down = all(totals, [NET], [])[0];
  assert.equal(before?.inbound.packets, 10);
  assert.equal(after?.inbound.packets, 12);
  assert.equal(down?.inbound.packets, 12);
  assert.equal(down?.lastInbound, 600, "a pair that nothing came by says nothing of the peer");
});

test("a child that is configured and has no pair is there with zeros; one that is not configured is not", () => {
  const totals = new TotalsOfChildren();
  const [net, ...others] = all(totals, [NET], []);
  assert.deepEqual(others, []);
  assert.equal(net?.outbound.octets, 0);
  totals.retire(NET, counters(5, 0, 1));
  assert.deepEqual(all(totals, [], [[NET, counters(1, 0, 1)]]), []);
  assert.equal(all(totals, [NET], [])[0]?.inbound.packets, 0, "what was before it was taken away is forgotten");
});

test("peers of one child are one sum, and one that goes leaves what it carried", () => {
  const totals = new TotalsOfChildren();
  totals.retire(OWN, counters(7, 0, 5));
  const sums = all(totals, [NET, OWN], [[NET, counters(1, 0, 4)]]);
  assert.equal(sums.length, 1);
  assert.equal(sums[0]?.inbound.packets, 8);
});
