import assert from "node:assert/strict";
import test from "node:test";
import type { Connection } from "#core/connection";
import { millis } from "#core/units";
import { mirrored, NEVER } from "#test/sim/ike-config";
import { initiate, only, twoNodes } from "#test/sim/ike-established";
import type { IkeNode, IkeSim } from "#test/sim/ike-pair";
import { decodeHeader } from "#wire/ike/header";
import { ExchangeType } from "#wire/ike/numbers";

const HOUR = millis(3_600_000);

/** Two nodes of which only `a` has these times. */
function aged(over: Partial<Connection>, both: Partial<Connection> = {}, seed = 1) {
  const { b } = mirrored(both);
  const pair = twoNodes({ seed }, { a: mirrored({ ...both, ...over }).a, b });
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  return pair;
}

function oneIkeSa(a: IkeNode, b: IkeNode): void {
  for (const node of [a, b])
    assert.deepEqual(
      node.sas.map(({ state }) => state),
      ["established"],
      node.name,
    );
  assert.equal(a.sas[0]?.initiatorSpi, b.sas[0]?.initiatorSpi);
}

function swallow(sim: IkeSim, exchangeType: number): void {
  sim.translate = (datagram) => (decodeHeader(datagram.octets).exchangeType === exchangeType ? undefined : datagram);
}

test("S14, S16: the IKE SA is rekeyed once in every rekey_time, and its Child SA stays (RFC 7296 §2.8)", () => {
  const { sim, a, b } = aged({ rekeyTime: HOUR });
  const child = only(a);
  const born = a.sas[0]?.establishedAt ?? 0;
  assert.equal(a.sas[0]?.rekeyAt, born + HOUR);
  sim.drive(born + HOUR - 1);
  assert.equal(a.reportsOf("ike-rekeyed").length, 0);
  for (let rekeys = 1; rekeys <= 5; rekeys++) {
    sim.drive(born + rekeys * (HOUR + 1_000));
    assert.equal(a.reportsOf("ike-rekeyed").length, rekeys);
    assert.equal(a.reportsOf("ike-rekeyed").at(-1)?.trigger, "time");
    oneIkeSa(a, b);
  }
  assert.equal(only(a), child);
  assert.equal(a.reportsOf("child-down").length, 0);
});

test("S14: rekey times are drawn from rand_time before rekey_time, and not all alike (swanctl.conf rand_time)", () => {
  const times = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    const { a } = aged({ rekeyTime: HOUR, randTime: millis(600_000) }, {}, seed);
    const [sa] = a.sas;
    const life = (sa?.rekeyAt ?? 0) - (sa?.establishedAt ?? 0);
    assert.ok(life <= HOUR && life > HOUR - 600_000, `${life}`);
    times.add(life);
  }
  assert.ok(times.size > 15);
});

test("S17: keys of the IKE SA are new after its lifetime, on both sides (RFC 7296 §2.18)", () => {
  const { sim, a, b } = aged({ rekeyTime: HOUR });
  const before = new Set([...a.sas, ...b.sas].flatMap((sa) => [sa.initiatorSpi, sa.responderSpi]));
  sim.driveFor(HOUR + 10_000);
  for (const node of [a, b])
    for (const { initiatorSpi, responderSpi } of node.sas)
      assert.ok(!before.has(initiatorSpi) && !before.has(responderSpi));
  oneIkeSa(a, b);
});

test("both sides rekey the IKE SA by the same clock: one is left (RFC 7296 §2.8.2)", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const { sim, a, b } = aged({ rekeyTime: HOUR }, { rekeyTime: HOUR }, seed);
    sim.driveFor(HOUR + 120_000);
    oneIkeSa(a, b);
    assert.equal(only(a) > 0 && only(b) > 0, true);
  }
});

test("an IKE SA whose rekey never works ends hard at rekey_time + over_time, and its Child SAs with it (swanctl.conf over_time)", () => {
  const { sim, a, b } = aged({ rekeyTime: HOUR, overTime: millis(360_000) });
  const born = a.sas[0]?.establishedAt ?? 0;
  assert.equal(a.sas[0]?.expiresAt, born + HOUR + 360_000);
  // The peer is there and takes no rekey: its proposals are others now.
  b.configure({ ...mirrored().b, connections: mirrored({ proposals: [] }).b.connections });
  sim.drive(born + HOUR + 359_000);
  assert.ok(a.reportsOf("failed").length > 1, "it is tried again");
  assert.ok(a.reportsOf("failed").length < 40, "and not without a pause");
  assert.equal(a.sas.length, 1);
  sim.drive(born + HOUR + 361_000);
  for (const node of [a, b]) {
    assert.equal(node.sas.length, 0, node.name);
    assert.equal(node.installed.size, 0);
  }
  assert.match(a.reportsOf("ike-down")[0]?.reason ?? "", /lifetime is over/);
});

test("the hard limit counts anew from every rekey", () => {
  const { sim, a } = aged({ rekeyTime: HOUR, overTime: millis(60_000) });
  for (let hours = 0; hours < 10; hours++) sim.driveFor(HOUR);
  assert.equal(a.sas.length, 1);
  assert.equal(a.reportsOf("ike-down").length, 0);
});

test("reauth_time makes a new IKE SA with new Child SAs first, and ends the former after that (RFC 7296 §2.8.3)", () => {
  const { sim, a, b } = aged({ reauthTime: HOUR });
  const former = a.sas[0]?.initiatorSpi;
  const child = only(a);
  const born = a.sas[0]?.establishedAt ?? 0;
  assert.equal(a.sas[0]?.reauthAt, born + HOUR);
  let least = Number.POSITIVE_INFINITY;
  for (let at = born + HOUR - 100; at < born + HOUR + 30_000; at += 50) {
    sim.drive(at);
    least = Math.min(least, [...a.installed.values()].filter(({ outbound }) => outbound).length);
    least = Math.min(least, [...b.installed.values()].filter(({ outbound }) => outbound).length);
  }
  assert.equal(least, 1, "there is always a pair to send on");
  oneIkeSa(a, b);
  assert.notEqual(a.sas[0]?.initiatorSpi, former);
  assert.notEqual(only(a), child);
  assert.equal(a.children[0]?.trigger, "time");
  assert.equal(a.children[0]?.replaces, child);
  // IKE_SA_INIT and IKE_AUTH again: the peer proved itself anew.
  const inits = sim.sent.filter(({ octets }) => decodeHeader(octets).exchangeType === ExchangeType.IKE_SA_INIT);
  assert.equal(inits.length, 4);
  assert.equal(a.reportsOf("child-down").length, 0);
  assert.equal(b.reportsOf("child-down").length, 0);
});

test("reauthentication counts from authentication, not from the rekeys between (swanctl.conf reauth_time)", () => {
  const { sim, a, b } = aged({ rekeyTime: HOUR, reauthTime: millis(HOUR * 2.5) });
  const due = a.sas[0]?.reauthAt;
  sim.driveFor(HOUR * 2.2);
  assert.equal(a.reportsOf("ike-rekeyed").length, 2);
  assert.equal(a.sas[0]?.reauthAt, due);
  sim.driveFor(HOUR * 0.4);
  assert.equal(a.reportsOf("ike-up").length, 2);
  oneIkeSa(a, b);
});

test("a reauthentication that fails leaves the former IKE SA to its hard limit, and is tried again", () => {
  const { sim, a, b } = aged({ reauthTime: HOUR, overTime: millis(600_000) });
  const child = only(a);
  swallow(sim, ExchangeType.IKE_SA_INIT);
  sim.driveFor(HOUR + 60_000);
  assert.equal(only(a), child);
  const [failed] = a.reportsOf("failed");
  assert.equal(failed?.stage, "IKE_SA_INIT");
  assert.ok(failed?.retryAt !== undefined && failed.retryAt > sim.now - 60_000);
  sim.translate = (datagram) => datagram;
  sim.driveFor(200_000);
  oneIkeSa(a, b);
  assert.notEqual(only(a), child);
});

test("a reauthentication that never works ends at reauth_time + over_time", () => {
  const { sim, a } = aged({ reauthTime: HOUR, overTime: millis(300_000) });
  swallow(sim, ExchangeType.IKE_SA_INIT);
  sim.driveFor(HOUR + 290_000);
  assert.equal(a.sas.filter(({ state }) => state === "established").length, 1);
  sim.driveFor(15_000);
  assert.equal(a.sas.filter(({ state }) => state === "established").length, 0);
  assert.equal(a.installed.size, 0);
});

test("both sides reauthenticate by the same clock: one IKE SA with one pair is left, and nothing was ever down", () => {
  for (const unique of ["no", "replace", "keep", "never"] as const)
    for (let seed = 1; seed <= 3; seed++) {
      const times = { reauthTime: HOUR, unique };
      const { sim, a, b } = aged(times, times, seed);
      sim.driveFor(HOUR + 180_000);
      oneIkeSa(a, b);
      assert.equal(only(a) > 0 && only(b) > 0, true);
      for (const node of [a, b]) assert.equal(node.reportsOf("child-down").length, 0, `${unique} ${seed} ${node.name}`);
    }
});

test("without times there are none: nothing of an IKE SA is due (swanctl.conf: 0 = never)", () => {
  for (const never of [NEVER, millis(0)]) {
    const { a } = aged({ rekeyTime: never, reauthTime: never, overTime: millis(1000) });
    const [sa] = a.sas;
    assert.deepEqual([sa?.rekeyAt, sa?.reauthAt, sa?.expiresAt], [undefined, undefined, undefined]);
  }
});
