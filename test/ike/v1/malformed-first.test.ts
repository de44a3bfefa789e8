import assert from "node:assert/strict";
import { test } from "node:test";

import { startMainMode, twoNodes1 } from "#test/sim/ikev1-pair";

test("a first message without an SA payload is dropped, and stops nobody (RFC 2408 §4.4)", () => {
  const { sim, a, b } = twoNodes1();
  sim.held = [];
  startMainMode(a);
  const [first] = sim.held;
  assert.ok(first !== undefined);
  const octets = first.octets.slice();
  // VID instead of SA.
  octets[16] = 13;
  sim.sent.length = 0;
  sim.arrive({ octets, from: first.from, to: first.to });
  assert.deepEqual([sim.sent, b.sas], [[], []]);
  assert.equal(b.counter("drop_malformed"), 1);
});
