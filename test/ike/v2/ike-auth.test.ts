import assert from "node:assert/strict";
import test from "node:test";
import { mirrored } from "#test/sim/ike-config";
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
