import assert from "node:assert/strict";
import test from "node:test";
import { childConfig, mirrored, NET_A, NET_B } from "#test/sim/ike-config";
import { type EstablishedPair, initiate, only, twoNodes } from "#test/sim/ike-established";
import { violations } from "#test/sim/ike-invariants";
import { makeSchedule } from "#test/sim/schedule";
import { runSchedule } from "#test/sim/schedule-run";
import { decodeHeader } from "#wire/ike/header";
import { ExchangeType } from "#wire/ike/numbers";

/** a has asked for "more" over the IKE SA; b has made it, and its answer was lost. */
function answerLost(prepare: (pair: EstablishedPair) => void = () => {}): EstablishedPair & { readonly made: number } {
  const { a: left, b: right } = mirrored();
  const part = (net: string, i: number) => net.replace("0.0/16", `${i}.0/24`);
  const children = (local: string, remote: string) =>
    ["net", "more"].map((name, i) => childConfig(part(local, i), part(remote, i), { name }));
  const pair = twoNodes(
    {},
    {
      a: { ...left, connections: left.connections.map((c) => ({ ...c, children: children(NET_A, NET_B) })) },
      b: { ...right, connections: right.connections.map((c) => ({ ...c, children: children(NET_B, NET_A) })) },
    },
  );
  const { sim, a, b } = pair;
  initiate(a);
  sim.driveFor(5_000);
  prepare(pair);
  const former = only(b);
  sim.held = [];
  initiate(a, "more");
  // CREATE_CHILD_SA { SA, Ni, TSi, TSr } -->
  sim.deliver(b);
  // lost: <-- CREATE_CHILD_SA { SA, Nr, TSi, TSr }
  sim.held = undefined;
  const made = [...b.installed.keys()].find((id) => id !== former);
  assert.ok(made !== undefined);
  assert.equal(a.installed.size, 1);
  return { ...pair, made };
}

test("a pair that the peer rekeys before its answer came is kept by both: TEMPORARY_FAILURE, not CHILD_SA_NOT_FOUND (RFC 7296 §2.25)", () => {
  const { sim, a, b, made } = answerLost();
  b.give({ kind: "rekey-child", id: made, trigger: "operator" });
  sim.driveFor(200_000);
  assert.deepEqual(violations(sim, a, b, ["net", "more"]), []);
  assert.ok(b.counter("temporary_failures") > 0);
});

test("a pair that the peer deleted before its answer came does not stay", () => {
  const { sim, a, b, made } = answerLost();
  b.give({ kind: "delete-child", id: made, reason: "operator" });
  sim.driveFor(200_000);
  assert.deepEqual(violations(sim, a, b, ["net"]), []);
});

test("the same, while the end of the IKE SA that was rekeyed before is answered", () => {
  const { sim, a, b, made } = answerLost((pair) => {
    const former = pair.a.sas[0];
    assert.ok(former);
    pair.a.give({ kind: "rekey-ike", ike: former.id, trigger: "time" });
    // Its delete is lost at first.
    pair.sim.translate = (datagram) =>
      decodeHeader(datagram.octets).exchangeType === ExchangeType.INFORMATIONAL ? undefined : datagram;
    pair.sim.driveFor(100);
    pair.sim.translate = (datagram) => datagram;
  });
  b.give({ kind: "delete-child", id: made, reason: "operator" });
  sim.driveFor(200_000);
  assert.deepEqual(violations(sim, a, b, ["net"]), []);
});

/** Seeds of `npm run sim` that failed once. */
const MENDED: readonly (readonly [fault: string, seed: number])[] = [
  ["a child that was asked for while the IKE SA was set up was forgotten when that failed", 13],
  ["a child that was asked for over an IKE SA that was reauthenticated away was forgotten", 34],
  ["a start that joined a reauthentication was promised a retry that never came", 139],
  ["the same, while the former IKE SA lingered to answer repeats", 6757],
  ["an IKE SA that was being deleted was reauthenticated", 304],
  ["a reauthenticated pair lost a rekey collision that it had no part in", 1175],
  ["two IKE SAs made at once both stayed when one was rekeyed before the other stood", 1289],
  ["an IKE SA that had lost against its twin was reauthenticated, and its heir stayed", 723],
  ["an heir was reauthenticated before it was done, and what it was to end stayed", 2436],
  ["a reauthentication came late, beside what its maker had begun since", 6091],
  ["two heirs of one maker stayed, for what one of them was for had been deleted", 4236],
  ["a pair that had lost a collision was rekeyed while that came out", 12849],
  ["a peer that spoke was taken for dead, for its answer was lost", 17332],
  ["who began the IKE SA did not tell its new address after the peer had rekeyed it", 18367],
  ["the end of the former IKE SA made a delete forgotten that came before its answer", 46079],
];

for (const [fault, seed] of MENDED)
  test(`never again: ${fault}`, () => assert.deepEqual(runSchedule(makeSchedule(seed)), [], `seed ${seed}`));
