// What follows main mode by the documents: its cache and end, the refresh limit, PFS of the master key, time-outs of quick mode.
import assert from "node:assert/strict";
import test from "node:test";
import { type Connection, DEFAULT_CONNECTION_POLICY } from "#core/connection";
import { AssertionError } from "#core/errors";
import { millis } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { mayMakeSessionKey } from "#ike/refresh-limit";
import { childSuite } from "#ike/suite";
import { pairKeys } from "#ike/v1/install-pair";
import { authentications } from "#test/sim/authentications";
import { childConfig, NET_A, NET_B } from "#test/sim/ike-config";
import { type EstablishedPair, initiate, only } from "#test/sim/ike-established";
import { describe1, isFrom, startMainMode } from "#test/sim/ikev1-pair";
import { decodeHeader } from "#wire/ike/header";
import { Exchange } from "#wire/ike/v1/numbers";
import {
  assertOnePair,
  esp,
  established,
  HOUR,
  mainModes,
  pairOf,
  quickModes,
  rekey,
  SECOND,
  sentOf,
} from "./phase2-pair.ts";

const { v1: V1 } = DEFAULT_CONNECTION_POLICY;

/** Exchange types in the order in which their first messages were sent; deletes are left out, they come when they may. */
function trace(pair: EstablishedPair): string[] {
  const seen = new Set<string>();
  const names: string[] = [];
  for (const { octets } of pair.sim.sent) {
    const { exchangeType, messageId, initiatorSpi } = decodeHeader(octets);
    const key = `${exchangeType} ${messageId} ${initiatorSpi}`;
    if (exchangeType === Exchange.INFORMATIONAL || seen.has(key)) continue;
    seen.add(key);
    names.push(exchangeType === Exchange.QUICK_MODE ? "quick" : "main");
  }
  return names;
}

/** Seven quick modes with this limit: how many main modes they took. */
function mainModesOfSeven(refreshLimit: number): number {
  const pair = established({ both: { refreshLimit } });
  for (let made = 1; made < 7; made++) {
    if (refreshLimit > 0) assert.equal(mainModes(pair), Math.ceil(made / refreshLimit));
    rekey(pair, pair.a);
  }
  assert.equal(quickModes(pair), 7);
  assertOnePair(pair);
  return mainModes(pair);
}

test("S19: with a refresh limit of n the n+1-th quick mode makes a new main mode first", () => {
  assert.deepEqual([2, 3, 7].map(mainModesOfSeven), [4, 3, 1]);
});

test("S20: the lowest refresh limit lets no key material be used for two session keys", () => {
  assert.equal(mainModesOfSeven(1), 7);
});

test("S70: how many quick modes a main mode has is the policy's to say", () => {
  assert.deepEqual([0, 100, 4].map(mainModesOfSeven), [1, 1, 2]);
});

test("S21: a refresh limit of 1 and PFS of the master key are the same, message for message, whoever rekeys when", () => {
  for (const order of ["aaa", "bbb", "abab", "baab"]) {
    const traces = [{ refreshLimit: 1 }, { masterPfs: true }, { masterPfs: true, refreshLimit: 9 }].map((over) => {
      const pair = established({ both: over });
      for (const who of order) rekey(pair, who === "a" ? pair.a : pair.b);
      assertOnePair(pair);
      return trace(pair);
    });
    assert.deepEqual(traces[0], traces[1]);
    assert.deepEqual(traces[0], traces[2]);
  }
});

test("S22: whichever of master key's life and refresh limit is reached first brings the new main mode", () => {
  const life: Partial<Connection> = { rekeyTime: HOUR, overTime: millis(60 * SECOND) };
  const byLimit = established({ both: { ...life, refreshLimit: 2 } });
  rekey(byLimit, byLimit.a);
  rekey(byLimit, byLimit.a);
  assert.equal(mainModes(byLimit), 2);
  const byLife = established({ both: { ...life, refreshLimit: 100 } });
  rekey(byLife, byLife.a);
  assert.equal(mainModes(byLife), 1);
  byLife.sim.driveFor(HOUR);
  // Both sides' clocks say so at once; one of two main modes stays.
  const renewed = mainModes(byLife);
  assert.ok(renewed > 1);
  rekey(byLife, byLife.a);
  assert.equal(mainModes(byLife), renewed);
  assertOnePair(byLife);
});

test("S23: by default there is no limit", () => {
  const pair = established();
  for (let i = 0; i < 20; i++) rekey(pair, pair.a);
  assert.equal(mainModes(pair), 1);
  assert.equal(mayMakeSessionKey(DEFAULT_CONNECTION_POLICY, 1e9), true);
});

test("S28: with PFS of the master key SKEYID_d is wiped once it has made a session key: a second one cannot be derived", () => {
  const suite = childSuite("esp", esp().transforms);
  assert.ok(suite !== undefined);
  const spent = new Uint8Array(32);
  const keys = { prf: 5, SKEYID: spent, SKEYID_d: spent, SKEYID_a: spent, SKEYID_e: spent };
  const part = { suite, inboundSpi: 1, outboundSpi: 2 };
  assert.throws(
    () =>
      Reflect.apply(pairKeys, undefined, [
        { keys },
        { initiatorNonce: spent, responderNonce: spent, parts: [part] },
        part,
        new Uint8Array(0),
      ]),
    AssertionError,
  );
});

test("S66: the secret of quick mode's own exchange is wiped with its keys, and the next one has another", () => {
  const pair = established({ child: { proposals: [esp(KeMethod.MODP_2048)] } });
  const first = pair.a.children[0]?.inbound.encryptionKey.slice();
  rekey(pair, pair.a);
  assert.notDeepEqual(pair.a.children[0]?.inbound.encryptionKey, first);
});

test("S29: PFS of the master key is one main mode for each quick mode", () => {
  const pair = established({ both: { masterPfs: true } });
  for (let i = 0; i < 4; i++) rekey(pair, pair.a);
  assert.deepEqual([mainModes(pair), quickModes(pair)], [5, 5]);
  assertOnePair(pair);
  // What it costs: without it one authentication would do.
  assert.deepEqual([pair.a, pair.b].map(authentications), [{ auth_v1_psk: 5 }, { auth_v1_psk: 5 }]);
  const without = established();
  for (let i = 0; i < 4; i++) rekey(without, without.a);
  assert.deepEqual([without.a, without.b].map(authentications), [{ auth_v1_psk: 1 }, { auth_v1_psk: 1 }]);
});

test("S31: a first quick mode whose answer never came counts with the peer alone: the next one is begun over a new main mode", () => {
  const pair = pairOf({ b: { masterPfs: true } });
  const { sim, a, b } = pair;
  startMainMode(a);
  sim.driveFor(1 * SECOND);
  const carry = sim.translate;
  sim.translate = (datagram) => (describe1(datagram) === "quick* HASH" && isFrom(datagram, b) ? undefined : datagram);
  initiate(a);
  sim.driveFor(150 * SECOND);
  sim.translate = carry;
  assert.deepEqual([a.children, b.children], [[], []]);
  initiate(a);
  sim.driveFor(10 * SECOND);
  assertOnePair(pair);
  assert.equal(mainModes(pair), 2);
});

test("S31: a responder with PFS of the master key rejects the second quick mode; the initiator renews main mode and succeeds by itself", () => {
  const pair = established({ b: { masterPfs: true } });
  const former = only(pair.a);
  const began = pair.sim.now;
  pair.a.give({ kind: "rekey-child", id: former, trigger: "octets" });
  // Make before break: the former pair carries the traffic meanwhile.
  while (pair.a.children.length < 2 && pair.sim.now < began + 20 * SECOND) pair.sim.driveFor(10);
  const gap = pair.sim.now - began;
  assert.ok(gap < 1 * SECOND, `${gap} ms`);
  pair.sim.driveFor(20 * SECOND);
  assertOnePair(pair);
  assert.notEqual(only(pair.a), former);
  assert.equal(mainModes(pair), 2);
  assert.equal(quickModes(pair), 3);
  assert.deepEqual(pair.a.reportsOf("failed"), []);
});

for (const masterPfs of [false, true])
  for (const sessionPfs of [false, true])
    test(`S32: PFS of the master key ${masterPfs ? "on" : "off"}, of the session key ${sessionPfs ? "on" : "off"}: each by itself`, () => {
      const pair = established({
        both: { masterPfs },
        child: { proposals: [sessionPfs ? esp(KeMethod.MODP_2048) : esp()] },
      });
      rekey(pair, pair.a);
      rekey(pair, pair.b);
      assert.equal(mainModes(pair), masterPfs ? 3 : 1);
      assert.equal(pair.a.children[0]?.keMethod, sessionPfs ? KeMethod.MODP_2048 : 0);
      assertOnePair(pair);
    });

test("S33: a second child goes over the same main mode, and is up sooner", () => {
  const more = childConfig("10.3.0.0/16", "10.4.0.0/16", { name: "more", proposals: [esp()] });
  const mirror = childConfig("10.4.0.0/16", "10.3.0.0/16", { name: "more", proposals: [esp()] });
  const base = { name: "net", proposals: [esp()] };
  const pair = pairOf({
    a: { children: [childConfig(NET_A, NET_B, base), more] },
    b: { children: [childConfig(NET_B, NET_A, base), mirror] },
  });
  const upAfter = (child: string): number => {
    const began = pair.sim.now;
    const before = pair.a.installed.size;
    initiate(pair.a, child);
    while (pair.a.installed.size === before) pair.sim.driveFor(1);
    return pair.sim.now - began;
  };
  const [first, second] = [upAfter("net"), upAfter("more")];
  assert.ok(second * 2 < first, `${first} ms, then ${second} ms`);
  pair.sim.driveFor(10 * SECOND);
  assert.deepEqual([mainModes(pair), pair.b.installed.size], [1, 2]);
});

test("S69: one main mode serves many quick modes without authentication in between", () => {
  const pair = established();
  for (let i = 0; i < 5; i++) rekey(pair, i % 2 === 0 ? pair.a : pair.b);
  assert.deepEqual([mainModes(pair), quickModes(pair)], [1, 6]);
});

test("S67: nobody answers the first quick mode: failure, and the main mode stays", () => {
  const pair = pairOf();
  const { sim, a } = pair;
  a.give({ kind: "initiate", connection: "gw", child: undefined, trigger: "operator" });
  sim.driveFor(5 * SECOND);
  sim.translate = () => undefined;
  initiate(a);
  sim.driveFor(100 * SECOND);
  assert.deepEqual(
    a.reportsOf("failed").map(({ stage, from }) => [stage, from]),
    [["quick mode", "nobody"]],
  );
  assert.equal(mainModes(pair), 1);
  // One transmission and five repeats (S52).
  assert.equal(sentOf(pair, Exchange.QUICK_MODE).length, 6);
  assert.equal(a.loose.size, 0);
  assert.equal(a.sas[0]?.state, "established");
});

test("S67: nobody answers a later quick mode: main mode is renewed and the quick mode repeated", () => {
  const pair = established();
  const { sim, a, b } = pair;
  sim.translate = (datagram) =>
    decodeHeader(datagram.octets).exchangeType === Exchange.QUICK_MODE ? undefined : datagram;
  const former = only(a);
  a.give({ kind: "rekey-child", id: former, trigger: "octets" });
  sim.driveFor(40 * SECOND);
  assert.equal(mainModes(pair), 1);
  sim.driveFor(30 * SECOND);
  sim.translate = (datagram) => datagram;
  sim.driveFor(60 * SECOND);
  assert.equal(mainModes(pair), 2);
  assertOnePair({ sim, a, b });
  assert.notEqual(only(a), former);
  assert.deepEqual(a.reportsOf("failed"), []);
});

test("S68: a quick mode without main mode is rejected, counted, and leaves nothing", () => {
  const pair = established();
  const { sim, a, b } = pair;
  const fresh = sim.restart(b);
  a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
  sim.driveFor(5 * SECOND);
  assert.ok(fresh.counter("drop_unknown_spi") > 0);
  assert.deepEqual([fresh.sas.length, fresh.installed.size, fresh.engine.nextTimeout], [0, 0, undefined]);
});

test("S72: main mode is cached for later quick modes, an hour later too; not with PFS of the master key", () => {
  const cached = established();
  cached.sim.driveFor(HOUR);
  rekey(cached, cached.a);
  assert.equal(mainModes(cached), 1);
  const not = established({ both: { masterPfs: true } });
  rekey(not, not.a);
  assert.equal(mainModes(not), 2);
});

test("S73: an idle main mode is deleted at the peer too, and no quick mode comes of it any more", () => {
  const pair = established({ a: { v1: { ...V1, idleTime: millis(300 * SECOND) } } });
  const { sim, a, b } = pair;
  sim.driveFor(290 * SECOND);
  assert.equal(a.sas[0]?.state, "established");
  sim.driveFor(60 * SECOND);
  assert.deepEqual(
    [a, b].map(({ sas }) => sas.map(({ state }) => state)),
    [["ended"], ["ended"]],
  );
  // The next one has a main mode of its own, whoever begins it.
  rekey(pair, b);
  assert.equal(mainModes(pair), 2);
  assertOnePair(pair);
});

test("S74: pairs outlive their main mode, are shown, and their rekey negotiates main mode first", () => {
  const pair = established();
  const { sim, a, b } = pair;
  const former = only(a);
  const { initiatorSpi } = a.sas[0] ?? { initiatorSpi: "" };
  // An ISAKMP SA's life ends; here by its own limit.
  const ended = established({
    both: { rekeyTime: HOUR, overTime: millis(0) },
  });
  ended.sim.driveFor(HOUR + 120 * SECOND);
  assertOnePair(ended);
  for (const node of [ended.a, ended.b]) {
    const [shown, ...others] = node.sas;
    assert.deepEqual([shown?.state, shown?.children.length, others.length], ["ended", 1, 0]);
  }
  rekey(ended, ended.b);
  assert.equal(mainModes(ended), 2);
  assertOnePair(ended);
  assert.equal(ended.a.sas[0]?.state, "established");
  // One that lives is untouched.
  sim.driveFor(HOUR);
  assert.deepEqual([only(a), a.sas[0]?.initiatorSpi, b.installed.size], [former, initiatorSpi, 1]);
});

test("an operator's delete ends main mode and pairs on both sides", () => {
  const pair = established();
  const { sim, a, b } = pair;
  a.give({ kind: "delete-ike", ike: a.sas[0]?.id ?? 0, reason: "an operator asked for it" });
  sim.driveFor(30 * SECOND);
  for (const node of [a, b])
    assert.deepEqual(
      [node.installed.size, node.sas.length, node.engine.nextTimeout, node.loose.size],
      [0, 0, undefined, 0],
    );
  assert.ok(a.reportsOf("ike-down").length === 1 && a.reportsOf("child-down").length === 1);
});
