import assert from "node:assert/strict";
import test from "node:test";
import { millis } from "#core/units";
import { assertSettled, established, initiate, only } from "#test/sim/ike-established";
import { ExchangeType, IkeFlag } from "#wire/ike/numbers";

test("a Child SA that both sides delete at once is gone on both, without a second answer (RFC 7296 §1.4.1)", () => {
  const pair = established();
  const { sim, a, b } = pair;
  sim.held = [];
  a.give({ kind: "delete-child", id: only(a), reason: "operator" });
  b.give({ kind: "delete-child", id: only(b), reason: "operator" });
  // HDR, SK {D}  -->      <--  HDR, SK {D}
  assert.equal(sim.deliver(b), "INFORMATIONAL request 2");
  assert.equal(sim.deliver(a), "INFORMATIONAL request 0");
  // HDR, SK {}  <--      -->  HDR, SK {}
  sim.deliverHeld();
  assertSettled(pair, []);
  assert.equal(a.reportsOf("child-down").length, 1);
});

test("an IKE SA that both sides delete at once is gone on both, with its Child SAs (RFC 7296 §1.4.1, §2.25.2)", () => {
  const { sim, a, b } = established();
  a.give({ kind: "delete-ike", ike: a.sas[0]?.id ?? 0, reason: "operator" });
  b.give({ kind: "delete-ike", ike: b.sas[0]?.id ?? 0, reason: "operator" });
  sim.driveFor(100_000);
  for (const node of [a, b]) {
    assert.equal(node.sas.length, 0);
    assert.equal(node.installed.size, 0);
    assert.equal(node.engine.nextTimeout, undefined);
    assert.deepEqual(
      node.reportsOf("ike-down").map(({ reason }) => reason),
      ["operator"],
    );
  }
});

test("row 22: a delete that the peer repeats gets the same answer and changes nothing (CVE-2023-38712, RFC 7296 §2.1)", () => {
  const pair = established();
  const { sim, a, b } = pair;
  sim.held = [];
  a.give({ kind: "delete-child", id: only(a), reason: "operator" });
  const [request] = sim.held;
  assert.ok(request);
  sim.deliver(b);
  for (let i = 0; i < 1000; i++) sim.arrive(request);
  const answers = new Set(sim.held.map(({ octets }) => octets.join()));
  assert.equal(sim.held.length, 1001);
  assert.equal(answers.size, 1);
  assert.equal(b.counter("child_deleted"), 1);
  sim.deliverHeld();
  assertSettled(pair, []);
});

test("a silent peer is asked after dpd_delay, and given up after the window's repeats (RFC 7296 §2.4)", () => {
  const { sim, a, b } = established({ dpdDelay: millis(10_000) });
  sim.driveFor(35_000);
  assert.ok(a.counter("dpd_sent") + b.counter("dpd_sent") > 0);
  assert.equal(a.sas.length, 1);
  sim.weather = { delay: [1, 1], loss: 1, duplicates: 0 };
  sim.driveFor(60_000);
  assert.equal(a.sas.length, 0);
  assert.deepEqual(
    a.reportsOf("child-down").map(({ reason }) => reason),
    ["dpd"],
  );
  assert.deepEqual(
    a.reportsOf("ike-down").map(({ reason }) => reason),
    ["dpd"],
  );
  assert.deepEqual(a.ends, ["dpd"]);
  assert.equal(a.installed.size, 0);
});

test("traffic is a sign of life: no question while ESP comes in (RFC 7296 §2.4)", () => {
  const { sim, a } = established({ dpdDelay: millis(10_000) });
  const before = a.counter("dpd_sent");
  for (let i = 0; i < 20; i++) {
    sim.driveFor(5_000);
    for (const node of sim.nodes) node.give({ kind: "heard", id: only(node) });
  }
  assert.equal(a.counter("dpd_sent"), before);
});

test("row 9: an IKE SA whose initiator never speaks again is gone within 30 s, whatever else is configured", () => {
  const { sim, a, b } = established();
  assert.equal(b.sas.length, 1);
  sim.driveFor(60_000);
  // An honest initiator answers the question of the responder.
  assert.equal(b.sas.length, 1);
  a.give({ kind: "delete-ike", ike: a.sas[0]?.id ?? 0, reason: "operator" });
  sim.driveFor(20_000);
  // The answer to IKE_AUTH never arrives, and nothing after it does.
  sim.translate = (datagram) => {
    const [exchangeType = 0, flags = 0] = datagram.octets.subarray(18);
    return exchangeType === ExchangeType.INFORMATIONAL ||
      (exchangeType === ExchangeType.IKE_AUTH && (flags & IkeFlag.RESPONSE) !== 0)
      ? undefined
      : datagram;
  };
  initiate(a);
  sim.driveFor(1_000);
  assert.equal(b.sas.length, 1);
  sim.driveFor(31_000);
  assert.equal(b.sas.length, 0);
  assert.equal(b.installed.size, 0);
});
