// Dead peer detection (RFC 3706) as a machine of its own; over the wire it is in informational.test.ts.
import assert from "node:assert/strict";
import test from "node:test";
import { millis } from "#core/units";
import { Dpd } from "#ike/v1/dpd";

const RETRANSMISSION = { tries: 2, first: millis(1_000), longest: millis(16_000) };
const DELAY = millis(30_000);

test("a peer that was heard is not asked before dpdDelay is over (RFC 3706 §5.5)", () => {
  const dpd = new Dpd();
  dpd.heard(DELAY, millis(0));
  assert.deepEqual(
    dpd.look(millis(29_999), RETRANSMISSION, () => 5),
    { kind: "nothing" },
  );
  dpd.heard(DELAY, millis(20_000));
  assert.equal(dpd.at, 50_000);
  assert.deepEqual(
    dpd.look(millis(30_000), RETRANSMISSION, () => 5),
    { kind: "nothing" },
  );
  assert.deepEqual(
    dpd.look(millis(50_000), RETRANSMISSION, () => 5),
    { kind: "ask", sequence: 5 },
  );
});

test("repeats have one sequence number, the next question the next one; silence is death (RFC 3706 §7)", () => {
  const dpd = new Dpd();
  dpd.heard(DELAY, millis(0));
  const asked: unknown[] = [];
  for (let now = millis(30_000); ; now = dpd.at ?? now) {
    const step = dpd.look(now, RETRANSMISSION, () => 0xffff_ffff);
    asked.push([now, step.kind === "ask" ? step.sequence : step.kind]);
    if (step.kind !== "ask") break;
  }
  assert.deepEqual(asked, [
    [30_000, 0x7fff_ffff],
    [31_000, 0x7fff_ffff],
    [33_000, 0x7fff_ffff],
    [37_000, "dead"],
  ]);
  assert.equal(dpd.at, undefined);
  dpd.heard(DELAY, millis(40_000));
  assert.deepEqual(
    dpd.look(millis(70_000), RETRANSMISSION, () => 0),
    { kind: "ask", sequence: 0x8000_0000 },
  );
});

test("hints make us ask at once, and many of them no more often than every ten seconds", () => {
  const dpd = new Dpd();
  dpd.heard(DELAY, millis(0));
  dpd.suspect(millis(100));
  assert.equal(dpd.look(millis(100), RETRANSMISSION, () => 1).kind, "ask");
  dpd.heard(DELAY, millis(110));
  dpd.suspect(millis(120));
  assert.equal(dpd.look(millis(120), RETRANSMISSION, () => 1).kind, "nothing");
  dpd.suspect(millis(10_100));
  assert.equal(dpd.look(millis(10_100), RETRANSMISSION, () => 1).kind, "ask");
});

test("without dpdDelay nobody is asked", () => {
  const dpd = new Dpd();
  dpd.heard(millis(0), millis(0));
  assert.equal(dpd.at, undefined);
  assert.equal(dpd.look(millis(1e9), RETRANSMISSION, () => 1).kind, "nothing");
});
