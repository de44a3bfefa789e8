// Version 2's session key refresh limit: so many Child SAs are keyed by one SK_d, then the IKE SA is rekeyed first.
import assert from "node:assert/strict";
import test from "node:test";
import type { Connection, IkeConfig } from "#core/connection";
import { authentications } from "#test/sim/authentications";
import { mirrored } from "#test/sim/ike-config";
import {
  assertSettled,
  type EstablishedPair,
  established,
  ids,
  initiate,
  only,
  twoNodes,
} from "#test/sim/ike-established";

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

/** Of the two sides each has its own. */
function asymmetric(a: Partial<Connection>, b: Partial<Connection>): EstablishedPair {
  const config = mirrored();
  const make = ({ connections, credentials }: IkeConfig, over: Partial<Connection>): IkeConfig => ({
    connections: connections.map((connection) => ({ ...connection, ...over })),
    credentials,
  });
  const pair = twoNodes({}, { a: make(config.a, a), b: make(config.b, b) });
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  return pair;
}

for (const leader of ["a", "b"] as const)
  test(`S31: with master key PFS here a peer without it hears NO_ADDITIONAL_SAS for a second session key, rekeys the IKE SA and goes on by itself (IKEv2, ${leader} asks)`, () => {
    const strict = { masterPfs: true };
    const pair = leader === "a" ? asymmetric({}, strict) : asymmetric(strict, {});
    const [asking, other] = leader === "a" ? [pair.a, pair.b] : [pair.b, pair.a];
    const firstIke = asking.sas[0]?.initiatorSpi;
    const firstPair = only(asking);
    asking.give({ kind: "rekey-child", id: firstPair, trigger: "octets" });
    pair.sim.driveFor(20_000);
    assert.equal(other.counter("refresh_refused"), 1);
    assert.notEqual(asking.sas[0]?.initiatorSpi, firstIke);
    assert.notEqual(only(asking), firstPair);
    assert.deepEqual([...pair.a.reportsOf("failed"), ...pair.b.reportsOf("failed")], []);
    assertSettled(pair);
  });

test("S31: both rekey at once under master key PFS: one pair is left, each key of its own IKE SA (IKEv2)", () => {
  const pair = established({ masterPfs: true });
  for (const node of [pair.a, pair.b]) node.give({ kind: "rekey-child", id: only(node), trigger: "octets" });
  pair.sim.driveFor(60_000);
  assertSettled(pair);
  const made = pair.a.reportsOf("ike-rekeyed").length;
  assert.ok(made >= 1 && made <= 4, `${made} rekeys of the IKE SA`);
  assert.deepEqual([...pair.a.reportsOf("failed"), ...pair.b.reportsOf("failed")], []);
});

test("S29: authentications are counted by version and method; a rekey of the IKE SA is none (IKEv2)", () => {
  const pair = established({ masterPfs: true });
  for (let i = 0; i < 3; i++) {
    pair.a.give({ kind: "rekey-child", id: only(pair.a), trigger: "octets" });
    pair.sim.driveFor(5_000);
  }
  assert.deepEqual([pair.a, pair.b].map(authentications), [{ auth_v2_psk: 1 }, { auth_v2_psk: 1 }]);
});
