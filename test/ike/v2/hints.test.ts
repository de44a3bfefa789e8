// RFC 7296 §2.21.4: what comes in clear about an IKE SA is a hint at most.
import assert from "node:assert/strict";
import test from "node:test";
import { assertSettled, established, only } from "#test/sim/ike-established";
import { describe } from "#test/sim/ike-pair";
import { encodeMessage } from "#wire/ike/chain";
import { decodeHeader } from "#wire/ike/header";
import { ExchangeType, IkeFlag, NotifyType } from "#wire/ike/numbers";
import { notify } from "#wire/ike/v2/notify";

function hinted() {
  const pair = established();
  const { sim, a, b } = pair;
  const seen = sim.sent.findLast(({ to }) => to.address === b.address || to.port > 0);
  assert.ok(seen);
  const { initiatorSpi, responderSpi } = decodeHeader(seen.octets);
  const [way] = sim.sent;
  assert.ok(way);
  const say = (type: NotifyType, messageId = 0) =>
    sim.arrive({
      octets: encodeMessage(
        {
          initiatorSpi,
          responderSpi,
          majorVersion: 2,
          minorVersion: 0,
          exchangeType: ExchangeType.INFORMATIONAL,
          flags: IkeFlag.RESPONSE,
          messageId,
        },
        [notify(type)],
      ),
      from: way.to,
      to: way.from,
    });
  return { ...pair, say, a };
}

test("INVALID_IKE_SPI in clear makes us ask whether the peer is there, once in a while, and changes nothing", () => {
  const { sim, a, b, say } = hinted();
  const before = a.counter("dpd_sent");
  const sas = a.sas;
  const sent = sim.sent.length;
  for (let i = 0; i < 1000; i++) say(NotifyType.INVALID_IKE_SPI, i);
  assert.equal(a.counter("drop_unprotected"), 1000);
  assert.equal(a.counter("dpd_sent") - before, 1);
  assert.equal(sim.sent.length - sent, 1);
  sim.driveFor(5_000);
  assert.deepEqual(a.sas, sas);
  for (let second = 0; second < 60; second++) {
    say(NotifyType.INVALID_IKE_SPI);
    sim.driveFor(1_000);
  }
  assert.ok(a.counter("dpd_sent") - before <= 8, `${a.counter("dpd_sent") - before}`);
  assertSettled({ sim, a, b });
});

test("AUTHENTICATION_FAILED or NO_PROPOSAL_CHOSEN in clear ends no IKE SA", () => {
  const { sim, a, b, say } = hinted();
  for (const type of [NotifyType.AUTHENTICATION_FAILED, NotifyType.NO_PROPOSAL_CHOSEN, NotifyType.INVALID_SPI])
    say(type);
  assertSettled({ sim, a, b });
});

test("a hint while a request of ours is out asks nothing more: its answer tells", () => {
  const { sim, a, b, say } = hinted();
  sim.held = [];
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  const before = sim.sent.length;
  say(NotifyType.INVALID_IKE_SPI, 2);
  assert.equal(sim.sent.length, before);
  sim.deliverHeld();
  assertSettled({ sim, a, b });
});

test("a peer that started anew is found dead by its INVALID_IKE_SPI, long before dpd_delay would ask (RFC 7296 §2.4)", () => {
  const { sim, a, b } = established();
  const fresh = sim.restart(b);
  sim.held = [];
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  const [request] = sim.held.splice(0);
  assert.ok(request);
  assert.equal(describe(request), "CREATE_CHILD_SA request 2");
  sim.arrive(request);
  assert.equal(fresh.counter("answer_invalid_ike_spi"), 1);
  sim.held = undefined;
  sim.driveFor(120_000);
  assert.equal(a.sas.length, 0);
  assert.equal(a.installed.size, 0);
  assert.ok(a.counter("drop_unprotected") > 0);
});
