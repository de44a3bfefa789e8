// Version 2's session key refresh limit: so many Child SAs are keyed by one SK_d, then the IKE SA is rekeyed first.
import assert from "node:assert/strict";
import test from "node:test";
import { assertSettled, established, ids, only } from "#test/sim/ike-established";

test("S19: with a refresh limit of 2 the third Child SA is keyed by a rekeyed IKE SA (IKEv2)", () => {
  const pair = established({ refreshLimit: 2 });
  const { sim, a } = pair;
  const first = a.sas[0]?.initiatorSpi;
  a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
  sim.driveFor(5_000);
  // IKE_AUTH's and one rekey's.
  assert.equal(a.sas[0]?.initiatorSpi, first);
  const second = only(a);
  a.give({ kind: "rekey-child", id: second, trigger: "octets" });
  sim.driveFor(5_000);
  assert.notEqual(a.sas[0]?.initiatorSpi, first);
  assert.equal(a.reportsOf("ike-rekeyed").length, 1);
  assert.notEqual(only(a), second);
  assertSettled(pair);
});

test("S21: master key PFS of IKEv2 is a refresh limit of 1: each Child SA but the first has a rekey of the IKE SA before it", () => {
  const counts = [{ refreshLimit: 1 }, { masterPfs: true }].map((over) => {
    const pair = established(over);
    const { sim, a } = pair;
    for (let i = 0; i < 3; i++) {
      a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
      sim.driveFor(5_000);
    }
    assertSettled(pair);
    assert.equal(ids(a).length, 1);
    return a.reportsOf("ike-rekeyed").length;
  });
  assert.deepEqual(counts, [3, 3]);
});

test("S23: without a limit one IKE SA keys them all (IKEv2)", () => {
  const pair = established();
  const { sim, a } = pair;
  for (let i = 0; i < 5; i++) {
    a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
    sim.driveFor(5_000);
  }
  assert.equal(a.reportsOf("ike-rekeyed").length, 0);
  assertSettled(pair);
});
