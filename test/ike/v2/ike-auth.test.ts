import assert from "node:assert/strict";
import test from "node:test";
import { credentials, id, localAuth, mirrored, remoteAuth } from "#test/sim/ike-config";
import { initiate, twoNodes } from "#test/sim/ike-established";
import { violations } from "#test/sim/ike-invariants";
import { IkeSim } from "#test/sim/ike-pair";

test("two engines establish with a shared secret, message by message (RFC 7296 §1.2)", () => {
  const sim = new IkeSim({ seed: 1 });
  const a = sim.node("a", "192.0.2.1");
  const b = sim.node("b", "198.51.100.1");
  const config = mirrored();
  a.configure(config.a);
  b.configure(config.b);
  sim.held = [];
  a.give({ kind: "initiate", connection: "gw", child: "net", trigger: "operator" });
  sim.runJobs();
  // HDR, SAi1, KEi, Ni  -->
  assert.equal(sim.deliver(b), "IKE_SA_INIT request 0");
  assert.deepEqual(
    b.sas.map(({ state }) => state),
    ["connecting"],
  );
  // <--  HDR, SAr1, KEr, Nr
  assert.equal(sim.deliver(a), "IKE_SA_INIT response 0");
  assert.equal(a.children.length, 0);
  // HDR, SK {IDi, AUTH, SAi2, TSi, TSr}  -->
  assert.equal(sim.deliver(b), "IKE_AUTH request 1");
  assert.deepEqual(
    b.sas.map(({ state }) => state),
    ["established"],
  );
  assert.equal(b.children.length, 1);
  // <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
  assert.equal(sim.deliver(a), "IKE_AUTH response 1");
  assert.equal(sim.held.length, 0);
  sim.held = undefined;
  sim.driveFor(120_000);
  assert.deepEqual(violations(sim, a, b, ["net"]), []);
  assert.deepEqual(
    a.reports.map(({ kind }) => kind),
    ["ike-up", "child-up"],
  );
  assert.deepEqual(
    b.reports.map(({ kind }) => kind),
    ["ike-up", "child-up"],
  );
});

test("a peer is asked for, and its secret found, by an identity with the octet of a star in it (RFC 7296 §3.5)", () => {
  const owner = id("10.9.9.42");
  const secrets = [{ owners: [owner], secret: Uint8Array.from({ length: 32 }, () => 7) }];
  const config = mirrored();
  const [ours, theirs] = [config.a.connections[0], config.b.connections[0]];
  assert.ok(ours && theirs);
  const own = { ...credentials(), secrets };
  const a = { connections: [{ ...ours, remote: remoteAuth({ identity: owner }) }], credentials: own };
  const b = { connections: [{ ...theirs, local: localAuth({ identity: owner }) }], credentials: own };
  const pair = twoNodes({}, { a, b });
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  assert.deepEqual(pair.a.reportsOf("failed"), []);
  assert.equal(pair.a.children.length, 1);
});
