// Main mode (RFC 2409 §5) between two engines, step by step, and what becomes of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { deliver1, startMainMode, states, twoNodes1 } from "../../sim/ikev1-pair.ts";

test("S46: main mode is six messages, the last two enciphered; both sides have one ISAKMP SA then (RFC 2409 §5.4)", () => {
  const { sim, a, b } = twoNodes1();
  sim.held = [];
  startMainMode(a);
  // HDR, SA, VID -->
  assert.equal(deliver1(sim, b), "main SA");
  // <-- HDR, SA, VID
  assert.equal(deliver1(sim, a), "main SA");
  // HDR, KE, Ni, NAT-D, NAT-D -->
  assert.equal(deliver1(sim, b), "main KE");
  // <-- HDR, KE, Nr, NAT-D, NAT-D
  assert.equal(deliver1(sim, a), "main KE");
  assert.deepEqual([states(a), states(b)], [["connecting"], ["connecting"]]);
  // HDR*, IDii, HASH_I -->
  assert.equal(deliver1(sim, b), "main* ID");
  assert.deepEqual([states(a), states(b)], [["connecting"], ["established"]]);
  // <-- HDR*, IDir, HASH_R
  assert.equal(deliver1(sim, a), "main* ID");
  assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
  assert.deepEqual(sim.held, []);
  assert.equal(a.sas[0]?.remoteIdentity, "b.example");
  assert.equal(b.sas[0]?.remoteIdentity, "a.example");
  assert.equal(a.sas[0]?.initiatorSpi, b.sas[0]?.initiatorSpi);
  assert.equal(a.sas[0]?.responderSpi, b.sas[0]?.responderSpi);
});
