import assert from "node:assert/strict";
import test from "node:test";
import { compareAddresses } from "#core/address";
import type { Connection } from "#core/connection";
import { millis } from "#core/units";
import { mirrored } from "#test/sim/ike-config";
import { assertSettled, type EstablishedPair, established, initiate, only } from "#test/sim/ike-established";
import type { IkeNode, IkeSim } from "#test/sim/ike-pair";

const ELSEWHERE = "192.0.2.77";
type Unique = Connection["unique"];

/** `a` as it is configured, at another address and with the first one still up. */
function twin(sim: IkeSim, unique: Unique): IkeNode {
  const config = mirrored({ unique, localAddresses: [{ kind: "any" }] }).a;
  const node = sim.node("a2", ELSEWHERE);
  node.configure(config);
  node.give({ kind: "addresses", local: [{ address: node.address, port: 500 }] });
  return node;
}

/** `b` lets its peer come from anywhere. */
function openPair(unique: Unique): EstablishedPair {
  const { a, b } = mirrored({ unique });
  const [first] = b.connections;
  assert.ok(first);
  const pair = established({ unique });
  pair.a.configure(a);
  pair.b.configure({ ...b, connections: [{ ...first, remoteAddresses: [{ kind: "any" }] }] });
  return pair;
}

/** The peer came up again without memory of its first IKE SA. */
function reborn(unique: Unique): EstablishedPair {
  const pair = openPair(unique);
  const a = pair.sim.restart(pair.a);
  a.configure(mirrored({ unique }).a);
  initiate(a);
  pair.sim.driveFor(2_000);
  return { ...pair, a };
}

for (const unique of ["no", "keep", "replace"] as const)
  test(`unique = ${unique}: a peer that lost everything says INITIAL_CONTACT, and its former IKE SA ends at once (RFC 7296 §2.4)`, () => {
    const pair = reborn(unique);
    assert.equal(pair.b.sas.length, 1);
    assert.equal(pair.b.sas[0]?.initiatorSpi, pair.a.sas[0]?.initiatorSpi);
    assert.equal(only(pair.b) > 0, true);
    assert.match(pair.b.reportsOf("ike-down")[0]?.reason ?? "", /INITIAL_CONTACT/);
    assert.deepEqual(
      pair.b.reports.slice(2).map(({ kind }) => kind),
      ["child-down", "ike-down", "ike-up", "child-up"],
    );
    assertSettled(pair);
  });

test("unique = never: INITIAL_CONTACT is neither said nor heard; both IKE SAs stay (swanctl.conf unique)", () => {
  const { b } = reborn("never");
  assert.equal(b.sas.length, 2);
  assert.equal(b.reportsOf("ike-down").length, 0);
});

test("unique = no: a second machine of the same identity has its IKE SA beside the first, unless it says INITIAL_CONTACT", () => {
  const { sim, a, b } = openPair("no");
  const a2 = twin(sim, "never");
  initiate(a2);
  sim.driveFor(60_000);
  assert.equal(a2.sas.length, 1);
  assert.equal(a.sas.length, 1);
  assert.equal(b.sas.length, 2);
});

test("unique = replace: the newest IKE SA of an identity stays, the former is deleted at the peer too (swanctl.conf unique)", () => {
  const { sim, a, b } = openPair("replace");
  const a2 = twin(sim, "never");
  initiate(a2);
  sim.driveFor(30_000);
  assert.equal(a.sas.length, 0);
  assert.equal(a2.sas.length, 1);
  assert.deepEqual(
    b.sas.map(({ remote }) => remote.address),
    [a2.address],
  );
  assert.equal(only(b) > 0, true);
});

test("unique = keep: a second machine of the same identity is refused, in words, and the first goes on (swanctl.conf unique)", () => {
  const pair = openPair("keep");
  const { sim, a, b } = pair;
  const before = only(b);
  const a2 = twin(sim, "never");
  initiate(a2);
  sim.driveFor(30_000);
  assert.equal(a2.sas.length, 0);
  assert.equal(a2.reportsOf("failed")[0]?.notify, "AUTHENTICATION_FAILED");
  assert.match(b.reportsOf("failed")[0]?.reason ?? "", /connected already/);
  assert.equal(a.sas.length, 1);
  assert.equal(only(b), before);
});

for (const unique of ["no", "keep", "replace", "never"] as const)
  test(`unique = ${unique}: a reauthentication is no second machine: one IKE SA is left, nothing was down (RFC 7296 §2.8.3)`, () => {
    for (const side of ["a", "b"] as const) {
      const pair = openPair(unique);
      const { sim, a, b } = pair;
      const node = pair[side];
      const former = node.sas[0]?.id ?? 0;
      node.give({ kind: "reauthenticate", ike: former, trigger: "operator" });
      sim.driveFor(30_000);
      assert.deepEqual(a.reportsOf("failed"), []);
      assert.deepEqual(b.reportsOf("failed"), []);
      for (const each of [a, b]) {
        assert.equal(each.sas.length, 1);
        assert.equal(each.reportsOf("child-down").length, 0);
      }
      assert.notEqual(node.sas[0]?.id, former);
      assertSettled(pair);
    }
  });

test("unique = no: a second machine of the same identity does not keep the first from being reauthenticated", () => {
  const { sim, a, b } = openPair("no");
  const a2 = twin(sim, "never");
  initiate(a2);
  sim.driveFor(2_000);
  const former = b.sas.find(({ remote }) => compareAddresses(remote.address, a.address) === 0);
  assert.ok(former);
  b.give({ kind: "reauthenticate", ike: former.id, trigger: "time" });
  sim.driveFor(60_000);
  assert.deepEqual([a.sas.length, a2.sas.length, b.sas.length], [1, 1, 2]);
  assert.notEqual(a.sas[0]?.initiatorSpi, former.initiatorSpi);
});

test("unique: however many machines share an identity, their IKE SAs are bounded", () => {
  const { sim, b } = openPair("never");
  for (let i = 0; i < 20; i++) {
    const node = sim.node(`twin${i}`, `192.0.2.${100 + i}`);
    node.configure(mirrored({ unique: "never", localAddresses: [{ kind: "any" }] }).a);
    node.give({ kind: "addresses", local: [{ address: node.address, port: 500 }] });
    initiate(node);
    sim.driveFor(millis(2_000));
  }
  assert.equal(b.sas.length, 16);
});
