import assert from "node:assert/strict";
import test from "node:test";
import { KeMethod } from "#crypto/key-exchange";
import { compareNonces } from "#ike/v2/child-sa";
import { espProposal } from "#test/sim/ike-config";
import { assertSettled, established, ids, only } from "#test/sim/ike-established";

test("a Child SA is rekeyed: new pair on both sides, the former deleted by whoever began (RFC 7296 §1.3.3, §2.8)", () => {
  const pair = established();
  const { sim, a, b } = pair;
  const former = only(a);
  sim.held = [];
  a.give({ kind: "rekey-child", id: former, trigger: "octets" });
  // HDR, SK {N(REKEY_SA), SA, Ni, TSi, TSr}  -->
  assert.equal(sim.deliver(b), "CREATE_CHILD_SA request 2");
  assert.equal(b.children.length, 2);
  assert.deepEqual(
    [...b.installed.values()].map(({ outbound }) => outbound),
    [true, false],
  );
  // <--  HDR, SK {SA, Nr, TSi, TSr}
  assert.equal(sim.deliver(a), "CREATE_CHILD_SA response 2");
  assert.equal(a.children.length, 2);
  assert.equal(a.children[1]?.replaces, former);
  assert.deepEqual(
    [...a.installed.values()].map(({ outbound }) => outbound),
    [true, false],
  );
  // The director switches over and has the former one deleted.
  sim.driveFor(30);
  assert.deepEqual(ids(a).includes(former), false);
  // HDR, SK {D}  -->
  assert.equal(sim.deliver(b), "INFORMATIONAL request 3");
  assert.equal(b.children.length, 1);
  assert.equal([...b.installed.values()][0]?.outbound, true);
  // <--  HDR, SK {D}
  assert.equal(sim.deliver(a), "INFORMATIONAL response 3");
  sim.held = undefined;
  assertSettled(pair);
});

test("a rekey with a key exchange of its own makes keys of it (PFS, RFC 7296 §2.17)", () => {
  const pair = established({}, { proposals: [espProposal([KeMethod.CURVE25519])] }, { jobs: "real" });
  const { sim, a } = pair;
  assert.equal(a.children[0]?.keMethod, 0);
  a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
  sim.driveFor(5_000);
  assert.equal(a.children[0]?.keMethod, KeMethod.CURVE25519);
  assertSettled(pair);
});

test("the IKE SA is rekeyed and its Child SAs go on over the new one (RFC 7296 §1.3.2, §2.18)", () => {
  const pair = established();
  const { sim, a, b } = pair;
  const former = a.sas[0];
  const children = ids(a);
  sim.held = [];
  a.give({ kind: "rekey-ike", ike: former?.id ?? 0, trigger: "time" });
  sim.runJobs();
  // HDR, SK {SA, Ni, KEi}  -->
  assert.equal(sim.deliver(b), "CREATE_CHILD_SA request 2");
  // <--  HDR, SK {SA, Nr, KEr}
  assert.equal(sim.deliver(a), "CREATE_CHILD_SA response 2");
  // HDR, SK {D} over the former one  -->
  assert.equal(sim.deliver(b), "INFORMATIONAL request 3");
  // <--  HDR, SK {}
  assert.equal(sim.deliver(a), "INFORMATIONAL response 3");
  sim.held = undefined;
  assert.notEqual(a.sas[0]?.initiatorSpi, former?.initiatorSpi);
  assert.deepEqual(ids(a), children);
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  assertSettled(pair);
  assert.equal(a.reportsOf("ike-rekeyed").length, 1);
  assert.equal(a.reportsOf("ike-down").length, 0);
});

test("nonces are compared octet by octet, the shorter is lower where they agree so far (RFC 7296 §2.8.1)", () => {
  assert.ok(compareNonces(Uint8Array.of(1, 255), Uint8Array.of(2, 0)) < 0);
  assert.ok(compareNonces(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0)) < 0);
  assert.equal(compareNonces(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), 0);
});
