import assert from "node:assert/strict";
import test from "node:test";
import { millis } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { espProposal, mirrored } from "#test/sim/ike-config";
import { ids, initiate, twoNodes } from "#test/sim/ike-established";
import { violations } from "#test/sim/ike-invariants";

const SCHEDULES = 300;

/** Rekeys of both kinds by both sides at any moment, over a bad network, then quiet. */
function schedule(seed: number): string[] {
  const proposals = seed % 2 === 0 ? [espProposal()] : [espProposal([KeMethod.CURVE25519])];
  const pair = twoNodes(
    { seed, weather: { delay: [1, 150], loss: 0.15, duplicates: 0.1 }, jobTime: [0, 40], switchAfter: [0, 200] },
    mirrored({ keyingTries: 0 }, { proposals }),
  );
  const { sim, a, b } = pair;
  initiate(a);
  for (let i = 0; i < 40 && (a.children.length === 0 || b.children.length === 0); i++) sim.driveFor(5_000);
  if (a.children.length === 0 || b.children.length === 0) return ["it was never set up"];
  for (let step = 0; step < 12; step++) {
    sim.driveFor(sim.between([0, 400]));
    const node = sim.chance() < 0.5 ? a : b;
    const [first] = ids(node);
    const ike = node.sas.find(({ state }) => state === "established");
    if (sim.chance() < 0.6 && first !== undefined) node.give({ kind: "rekey-child", id: first, trigger: "time" });
    else if (ike !== undefined) node.give({ kind: "rekey-ike", ike: ike.id, trigger: "time" });
  }
  sim.weather = { delay: [10, 10], loss: 0, duplicates: 0 };
  sim.drive(millis(sim.now + 400_000));
  return violations(sim, a, b, ["net"]);
}

test("rekeys by both sides at any moment over a bad network end with one IKE SA and one pair (RFC 7296 §2.8)", () => {
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    const found = schedule(seed);
    assert.deepEqual(found, [], `seed ${seed}`);
  }
});

test("both sides start at the same time over a bad network: one IKE SA and one pair stay (RFC 7296 §2.4)", () => {
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    const weather = { delay: [1, 150], loss: seed % 2 === 0 ? 0.2 : 0, duplicates: 0.1 } as const;
    const pair = twoNodes({ seed, weather, jobTime: [0, 40] }, mirrored({ keyingTries: 0 }));
    const { sim, a, b } = pair;
    initiate(a);
    sim.driveFor(sim.between([0, 300]));
    initiate(b);
    sim.driveFor(400_000);
    sim.weather = { delay: [10, 10], loss: 0, duplicates: 0 };
    sim.driveFor(400_000);
    assert.deepEqual(violations(sim, a, b, ["net"]), [], `seed ${seed}`);
  }
});
