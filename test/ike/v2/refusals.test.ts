// RFC 7296 §2.25: what the initiator of CREATE_CHILD_SA does when the answer is no.
import assert from "node:assert/strict";
import test from "node:test";
import { assertSettled, established, ids, initiate, only } from "#test/sim/ike-established";
import { Insider } from "#test/sim/ike-insider";
import type { IkeNode, IkeSim } from "#test/sim/ike-pair";
import { decodeHeader } from "#wire/ike/header";
import { ExchangeType, NotifyType } from "#wire/ike/numbers";
import { notify } from "#wire/ike/v2/notify";

interface Asked {
  readonly at: number;
  /** Kinds of the request's payloads; notifications by their type. */
  readonly kinds: readonly (string | number)[];
}

/** In `b`'s place: every CREATE_CHILD_SA of `a` is answered with this; all that was asked. */
function refuse(sim: IkeSim, a: IkeNode, type: NotifyType, span: number): Asked[] {
  const insider = Insider.ofLast(sim, "responder");
  const asked: Asked[] = [];
  const seen = new Set<number>();
  sim.translate = (datagram) => {
    const { exchangeType, messageId } = decodeHeader(datagram.octets);
    if (exchangeType === ExchangeType.CREATE_CHILD_SA && !seen.has(messageId)) {
      seen.add(messageId);
      const payloads = insider.hear(datagram.octets) ?? [];
      asked.push({
        at: sim.now,
        kinds: payloads.map((payload) => (payload.kind === "N" ? payload.type : payload.kind)),
      });
      const octets = insider.say({ exchangeType, messageId, response: true }, [notify(type)]);
      sim.after([1, 1], () => sim.arrive({ octets, from: datagram.to, to: datagram.from }));
      return undefined;
    }
    return datagram;
  };
  a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
  sim.driveFor(span);
  return asked;
}

test("CHILD_SA_NOT_FOUND: the pair that the peer has lost goes, and a new one is asked for, once (RFC 7296 §2.25)", () => {
  const { sim, a } = established();
  const former = only(a);
  const asked = refuse(sim, a, NotifyType.CHILD_SA_NOT_FOUND, 5_000);
  assert.deepEqual(
    asked.map(({ kinds }) => kinds.includes(NotifyType.REKEY_SA)),
    [true, false],
  );
  assert.equal(ids(a).includes(former), false);
  assert.equal(a.reportsOf("child-down").length, 1);
});

test("TEMPORARY_FAILURE: asked again later and later, and not for ever; the pair goes on (RFC 7296 §2.25)", () => {
  const { sim, a } = established();
  const former = only(a);
  const asked = refuse(sim, a, NotifyType.TEMPORARY_FAILURE, 600_000);
  assert.equal(asked.length, 13);
  const pauses = asked.slice(1).map(({ at }, i) => at - (asked[i]?.at ?? 0));
  assert.ok(Math.min(...pauses) >= 100, "never at once");
  assert.ok((pauses.at(-1) ?? 0) >= 5_000 && Math.max(...pauses) <= 15_100, pauses.join());
  assert.equal(only(a), former);
  const [failed] = a.reportsOf("failed");
  assert.deepEqual([failed?.notify, failed?.child], ["TEMPORARY_FAILURE", "net"]);
  assert.deepEqual(a.reportsOf("rekey"), [
    { kind: "rekey", connection: "gw", child: "net", trigger: "octets", result: "failed" },
  ]);
});

for (const type of ["NO_PROPOSAL_CHOSEN", "TS_UNACCEPTABLE"] as const)
  test(`${type}: told once, not repeated by the engine; the pair and its IKE SA go on (RFC 7296 §1.3)`, () => {
    const pair = established();
    const { sim, a } = pair;
    const former = only(a);
    assert.equal(refuse(sim, a, NotifyType[type], 60_000).length, 1);
    assert.equal(only(a), former);
    assert.deepEqual(
      a.reportsOf("failed").map(({ notify: name, from }) => [name, from]),
      [[type, "peer"]],
    );
    assert.equal(a.sas[0]?.state, "established");
    assert.equal(pair.b.children.length, 1);
  });

test("NO_ADDITIONAL_SAS: a rekey of the IKE SA is tried, and where the peer has none either the two begin anew before the old one ends (RFC 7296 §4)", () => {
  const pair = established({ pfsPreflight: false });
  const { sim, a, b } = pair;
  const [former, ike] = [only(a), a.sas[0]?.initiatorSpi];
  const asked = refuse(sim, a, NotifyType.NO_ADDITIONAL_SAS, 60_000);
  // The insider has spoken for b, whose own old IKE SA hears of no end.
  assert.deepEqual(
    asked.map(({ kinds }) => kinds.includes(NotifyType.REKEY_SA)),
    [true, false],
  );
  assert.notEqual(only(a), former);
  assert.notEqual(a.sas[0]?.initiatorSpi, ike);
  assert.equal(a.sas.length, 1);
  assert.ok(b.sas.some(({ initiatorSpi }) => initiatorSpi === a.sas[0]?.initiatorSpi));
});

test("message IDs that run out bring a new IKE SA, which begins at 0 again (RFC 7296 §2.2)", () => {
  const pair = established({}, {}, { engine: { rekeyAtMessageId: 20 } });
  const { sim, a, b } = pair;
  for (let i = 0; i < 50; i++) {
    a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
    sim.driveFor(1_000);
  }
  assert.ok(a.reportsOf("ike-rekeyed").length >= 2);
  assert.ok(sim.sent.every(({ octets }) => decodeHeader(octets).messageId < 25));
  assert.equal(a.reportsOf("ike-down").length + b.reportsOf("ike-down").length, 0);
  assertSettled(pair);
});

test("message IDs that run out while the peer refuses to rekey do not bring a storm of requests", () => {
  const { sim, a } = established({}, {}, { engine: { rekeyAtMessageId: 3 } });
  const asked = refuse(sim, a, NotifyType.NO_PROPOSAL_CHOSEN, 20_000);
  initiate(a);
  sim.driveFor(20_000);
  assert.ok(asked.length >= 2 && asked.length <= 5, `${asked.length}`);
});
