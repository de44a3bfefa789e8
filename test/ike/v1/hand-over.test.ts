// An engine's ISAKMP SAs, pairs and plans go over into another process (docs/upgrade.md): held, settled, frozen, thawed. The
// peer sees nothing of it.
import assert from "node:assert/strict";
import test from "node:test";
import { serialize } from "node:v8";
import { type Connection, DEFAULT_CONNECTION_POLICY } from "#core/connection";
import { millis } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { equalOctets } from "#crypto/octets";
import { wipeFrozen } from "#ike/frozen";
import { mirrored } from "#test/sim/ike-config";
import { type EstablishedPair, initiate, only } from "#test/sim/ike-established";
import { FAIR, type IkeNode, type IkeSim } from "#test/sim/ike-pair";
import { describe1, isFrom, states } from "#test/sim/ikev1-pair";
import { decodeHeader } from "#wire/ike/header";
import { Exchange } from "#wire/ike/v1/numbers";
import {
  assertOnePair,
  esp,
  established,
  HOUR,
  mainModeProposal,
  mainModes,
  pairOf,
  quickModes,
  rekey,
  SECOND,
  type Sides,
  sentOf,
} from "./phase2-pair.ts";

const { v1: V1 } = DEFAULT_CONNECTION_POLICY;
const DEAD = { ...FAIR, loss: 1 };

/** As the gateway does it, at once: the new process knows what the former one knew. */
function handOver(sim: IkeSim, ...nodes: readonly IkeNode[]): void {
  for (const node of nodes) {
    node.give({ kind: "hold" });
    assert.equal(node.engine.unsettled, 0);
    const former = known(node);
    const check = { thawed: () => assert.deepEqual(known(node), former) };
    node.upgrade(0);
    sim.observers.push(check);
    sim.runJobs();
    sim.observers.splice(sim.observers.indexOf(check), 1);
  }
}

/** Attempts under way begin again at once. */
function known({ engine }: IkeNode): unknown {
  return { ...engine.freeze().v1, attempts: undefined };
}

/** A main mode, and from then on every datagram waits to be delivered. */
function mainModeAlone(sides: Sides = {}): EstablishedPair {
  const pair = pairOf(sides);
  const { sim, a } = pair;
  a.give({ kind: "initiate", connection: "gw", child: undefined, trigger: "operator" });
  sim.driveFor(5_000);
  sim.held = [];
  return pair;
}

function endIke(node: IkeNode): void {
  const ike = node.sas[0]?.id;
  assert.ok(ike !== undefined);
  node.give({ kind: "delete-ike", ike, reason: "test" });
}

test("renewals, DPD, deletes and their repeats are said as the former process would have said them, octet for octet", () => {
  const busy: Partial<Connection> = {
    rekeyTime: millis(70 * SECOND),
    overTime: millis(20 * SECOND),
    randTime: millis(10 * SECOND),
    dpdDelay: millis(11 * SECOND),
  };
  const lives = [false, true].map((upgraded) => {
    const pair = established({ both: busy });
    const { sim, a, b } = pair;
    for (let i = 0; i < 30; i++) {
      sim.driveFor(17 * SECOND);
      if (i % 7 === 3) b.give({ kind: "rekey-child", id: only(b), trigger: "time" });
      if (i === 20) a.give({ kind: "rekey-ike", ike: a.sas[0]?.id ?? 0, trigger: "operator" });
      // A main mode under way would begin again.
      if (upgraded && a.engine.settingUp + b.engine.settingUp === 0) handOver(sim, a, b);
    }
    assertOnePair(pair);
    assert.ok(mainModes(pair) > 4);
    assert.ok(a.counter("dpd_sent") > 4);
    return sim.sent.map(({ octets }) => Buffer.from(octets).toString("hex"));
  });
  assert.ok((lives[0]?.length ?? 0) > 150);
  assert.deepEqual(lives[1], lives[0]);
});

test("main mode's last message is said again to a peer that repeats its own (RFC 2408 §5.1)", () => {
  const pair = established();
  const { sim, b } = pair;
  const [, , , , message5, message6] = sentOf(pair, Exchange.MAIN_MODE);
  assert.ok(message5 !== undefined && message6 !== undefined);
  handOver(sim, b);
  sim.held = [];
  sim.arrive(message5);
  assert.deepEqual(
    sim.held.map(({ octets }) => octets),
    [message6.octets],
  );
});

test("quick mode's last message is said again to a peer that repeats message 2", () => {
  const pair = mainModeAlone();
  const { sim, a, b } = pair;
  initiate(a);
  sim.deliver(b);
  const message2 = sim.held?.[0];
  sim.deliver(a);
  const message3 = sim.held?.shift();
  assert.ok(message2 !== undefined && message3 !== undefined);
  handOver(sim, a);
  sim.arrive(message2);
  assert.deepEqual(sim.held?.[0]?.octets, message3.octets);
  sim.deliver(b);
  assertOnePair(pair);
});

test("no message ID of the former process is drawn again: its first IV would be the same (RFC 2409 appendix B)", () => {
  const pair = established({ both: { dpdDelay: millis(10 * SECOND) } });
  const { sim, a } = pair;
  rekey(pair, a, 60 * SECOND);
  const spent = messageIds(sim);
  assert.ok(spent.length > 5);
  handOver(sim, a);
  const { fill } = sim.random;
  const draws = [...spent];
  sim.random.fill = (target) => {
    const draw = target.length === 4 ? draws.shift() : undefined;
    if (draw === undefined) fill.call(sim.random, target);
    else new DataView(target.buffer).setUint32(0, draw);
  };
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  const [fresh] = messageIds(sim).slice(spent.length);
  assert.deepEqual(draws, []);
  assert.ok(fresh !== undefined && !spent.includes(fresh));
});

/** Of phase 2, in the order of their first messages. */
function messageIds(sim: IkeSim): readonly number[] {
  const ids = new Set(sim.sent.map(({ octets }) => decodeHeader(octets).messageId));
  ids.delete(0);
  return [...ids];
}

/** With a key exchange of its own. */
const PFS: Sides = { child: { proposals: [esp(KeMethod.MODP_2048)] } };

test("a quick mode goes on after any of its messages, whoever of both is another process by then (RFC 2409 §5.5)", () => {
  for (const [sides, messages] of [
    [{}, 3],
    [PFS, 3],
    [{ b: { v1: { ...V1, commitBit: "always" } } }, 4],
  ] as const)
    for (let after = 1; after < messages; after++) {
      const pair = mainModeAlone(sides);
      const { sim, a, b } = pair;
      initiate(a);
      sim.runJobs();
      for (let message = 1; message <= messages; message++) {
        sim.deliver(message % 2 === 1 ? b : a);
        if (message === after) handOver(sim, a, b);
      }
      assert.deepEqual([quickModes(pair), mainModes(pair)], [1, 1]);
      assertOnePair(pair);
      sim.held = undefined;
      rekey(pair, b);
      assertOnePair(pair);
      assert.equal(mainModes(pair), 1);
    }
});

test("a question that nobody answers holds nothing up, and is repeated as often as it would have been", () => {
  const sent = [false, true].map((upgraded) => {
    const pair = established();
    const { sim, a } = pair;
    sim.weather = DEAD;
    a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
    sim.driveFor(10 * SECOND);
    if (upgraded) handOver(sim, a);
    sim.driveFor(HOUR);
    return sim.sent.map((one) => describe1(one));
  });
  assert.deepEqual(sent[1], sent[0]);
});

test("what a job computes is not settled: it has to end first", () => {
  const { sim, a } = established({ ...PFS, options: { jobTime: [100, 100] } });
  a.give({ kind: "hold" });
  a.give({ kind: "release" });
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  assert.equal(a.engine.unsettled, 1);
  assert.throws(() => a.engine.freeze());
  a.give({ kind: "hold" });
  sim.driveFor(100);
  assert.equal(a.engine.unsettled, 0);
  a.upgrade(0);
  sim.driveFor(10 * SECOND);
  assert.equal(a.counter("child_rekeyed"), 1);
});

test("a delete of the main mode that is lost is said again by the new process", () => {
  const { sim, a, b } = established();
  sim.weather = DEAD;
  endIke(a);
  sim.weather = FAIR;
  handOver(sim, a);
  sim.driveFor(60 * SECOND);
  assert.deepEqual([b.sas, b.children, a.sas, a.engine.nextTimeout], [[], [], [], undefined]);
});

test("a delete that waits for its acknowledgement is repeated by the new process until it comes (MS-IKEE §3.8)", () => {
  const { sim, a, b } = established({ both: { v1: { ...V1, microsoft: true } } });
  sim.weather = DEAD;
  endIke(a);
  sim.weather = FAIR;
  handOver(sim, a);
  assert.deepEqual(states(a), ["deleting"]);
  sim.driveFor(2 * SECOND);
  assert.deepEqual([a.sas, b.sas, b.children], [[], [], []]);
});

test("a pair's delete that was lost is said when the peer is heard, by the new process too", () => {
  const { sim, a, b } = established();
  sim.weather = DEAD;
  a.give({ kind: "delete-child", id: only(a), reason: "test" });
  sim.driveFor(60 * SECOND);
  sim.weather = FAIR;
  handOver(sim, a);
  b.give({ kind: "rekey-child", id: only(b), trigger: "time" });
  sim.driveFor(30 * SECOND);
  assertOnePair({ sim, a, b });
});

test("a peer that died is found out as late as without an upgrade (RFC 3706)", () => {
  const ends = [false, true].map((upgraded) => {
    const { sim, a, b } = established({ both: { dpdDelay: millis(10 * SECOND) } });
    const first = sim.now;
    sim.kill(b);
    while (a.children.length > 0) {
      sim.driveFor(SECOND);
      if (upgraded) handOver(sim, a);
    }
    assert.deepEqual(a.ends, ["dpd"]);
    return sim.now - first;
  });
  assert.equal(ends[1], ends[0]);
});

test("S19: the refresh limit counts the quick modes of before too", () => {
  const pair = established({ both: { refreshLimit: 3 } });
  const { sim, a, b } = pair;
  const counts: number[] = [];
  for (let i = 0; i < 4; i++) {
    handOver(sim, a, b);
    rekey(pair, i % 2 === 0 ? a : b);
    assertOnePair(pair);
    counts.push(mainModes(pair));
  }
  assert.deepEqual(counts, [1, 1, 2, 2]);
});

test("S28: with PFS of the master key the new process cannot make another session key of it either", () => {
  const pair = established({ both: { masterPfs: true } });
  const { sim, a, b } = pair;
  handOver(sim, a, b);
  const [live] = a.engine.freeze().v1.lines.flatMap(({ sas }) => sas.map((sa) => sa.live));
  assert.ok(live !== undefined);
  assert.ok(live.keys.SKEYID_d.every((octet) => octet === 0));
  assert.equal(live.quickModes, 1);
  rekey(pair, a);
  assert.equal(mainModes(pair), 2);
  assertOnePair(pair);
});

test("S74: pairs whose main mode has ended go over, and their rekey begins with another one", () => {
  const pair = established({ both: { v1: { ...V1, idleTime: millis(5 * SECOND) } } });
  const { sim, a, b } = pair;
  sim.driveFor(40 * SECOND);
  handOver(sim, a, b);
  assert.deepEqual([states(a), states(b), mainModes(pair)], [["ended"], ["ended"], 1]);
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  sim.driveFor(4 * SECOND);
  assert.equal(mainModes(pair), 2);
  // The main mode that would have deleted the former pair has ended as well.
  sim.driveFor(100 * SECOND);
  assertOnePair(pair);
});

test("while held nothing of ours begins, the peer is answered, and what was asked for begins at the release", () => {
  const pair = established({ both: { dpdDelay: millis(10 * SECOND) } });
  const { sim, a, b } = pair;
  a.give({ kind: "hold" });
  const before = sim.sent.length;
  a.give({ kind: "initiate", connection: "gw", child: "net", trigger: "operator" });
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  a.give({ kind: "rekey-ike", ike: a.sas[0]?.id ?? 0, trigger: "operator" });
  sim.driveFor(9 * SECOND);
  assert.deepEqual([quickModes(pair), mainModes(pair), a.counter("dpd_sent")], [1, 1, 0]);
  const former = only(b);
  b.give({ kind: "rekey-child", id: former, trigger: "time" });
  sim.driveFor(30 * SECOND);
  assert.ok(!b.installed.has(former));
  const own = sim.sent.slice(before).filter((one) => isFrom(one, a));
  // Message 2, and answers to "are you there?".
  assert.ok(own.every((one) => ["quick* HASH", "info* HASH"].includes(describe1(one))));
  assert.deepEqual([quickModes(pair), mainModes(pair), a.counter("dpd_sent")], [2, 1, 0]);
  a.give({ kind: "release" });
  sim.driveFor(30 * SECOND);
  assert.equal(mainModes(pair), 2);
  assertOnePair(pair);
});

test("what was asked for while held is begun by the new process", () => {
  const pair = established();
  const { sim, a } = pair;
  const former = only(a);
  a.give({ kind: "hold" });
  a.give({ kind: "rekey-child", id: former, trigger: "time" });
  a.upgrade(0);
  sim.driveFor(10 * SECOND);
  assert.ok(!a.installed.has(former));
  assertOnePair(pair);
});

test("what is due while held is not said with an answer to the peer either", () => {
  const { sim, a, b } = established({ both: { dpdDelay: millis(10 * SECOND) } });
  a.give({ kind: "delete-child", id: only(a), reason: "test" });
  a.give({ kind: "hold" });
  const before = sim.sent.length;
  // Are you there? I am; the delete is due for the second and the third time by then.
  sim.driveFor(12 * SECOND);
  assert.ok(b.counter("dpd_sent") > 0);
  const own = () => sim.sent.slice(before).filter((one) => isFrom(one, a)).length;
  assert.equal(own(), b.counter("dpd_sent"));
  a.give({ kind: "release" });
  assert.equal(own(), b.counter("dpd_sent") + 1);
});

test("what came back while held, because the peer ended its main mode, is begun by the new process", () => {
  const pair = mainModeAlone();
  const { sim, a, b } = pair;
  initiate(a);
  sim.held = [];
  endIke(b);
  a.give({ kind: "hold" });
  sim.deliver(a);
  assert.deepEqual(states(a), []);
  handOver(sim, a);
  sim.held = undefined;
  sim.driveFor(10 * SECOND);
  assert.equal(mainModes(pair), 2);
  assertOnePair(pair);
});

test("a main mode of ours under way begins again, with all that waited for it", () => {
  const pair = pairOf();
  const { sim, a, b } = pair;
  sim.held = [];
  initiate(a);
  sim.deliver(b);
  assert.equal(a.engine.settingUp, 1);
  handOver(sim, a);
  sim.held = undefined;
  sim.driveFor(10 * SECOND);
  assert.equal(mainModes(pair), 2);
  assertOnePair(pair);
});

test("a renewal under way begins again, and the former main mode serves until then", () => {
  const pair = established();
  const { sim, a } = pair;
  sim.held = [];
  a.give({ kind: "rekey-ike", ike: a.sas[0]?.id ?? 0, trigger: "operator" });
  assert.deepEqual(states(a), ["established", "connecting"]);
  sim.held = undefined;
  handOver(sim, a);
  sim.driveFor(SECOND);
  assert.deepEqual(states(a), ["rekeyed", "established"]);
  // The first one's message is lost with who said it.
  assert.equal(mainModes(pair), 3);
  assertOnePair(pair);
});

test("a peer of whom nothing but a main mode under way is left is the same peer when it begins one itself", () => {
  const { sim, a, b } = mainModeAlone();
  a.give({ kind: "rekey-ike", ike: a.sas[0]?.id ?? 0, trigger: "operator" });
  sim.held = [];
  endIke(b);
  sim.deliver(a);
  assert.deepEqual(states(a), ["connecting"]);
  handOver(sim, a);
  sim.held = undefined;
  sim.driveFor(5 * SECOND);
  assert.deepEqual(states(a), ["established"]);
  b.give({ kind: "rekey-ike", ike: b.sas.at(-1)?.id ?? 0, trigger: "operator" });
  sim.driveFor(SECOND);
  assert.deepEqual(states(a), ["rekeyed", "established"]);
});

test("a peer that has told its first contact to a main mode which ended with our process tells it again (RFC 2407 §4.6.3.3)", () => {
  const { sim, a, b } = established();
  const fresh = sim.restart(b);
  fresh.configure(mirrored({ version: 1, proposals: [mainModeProposal()] }, { proposals: [esp()] }).b);
  sim.held = [];
  a.give({ kind: "rekey-ike", ike: a.sas[0]?.id ?? 0, trigger: "operator" });
  // HDR*, IDir, HASH_R, N(INITIAL-CONTACT) comes to nobody.
  for (const node of [fresh, a, fresh, a, fresh]) sim.deliver(node);
  sim.held = [];
  assert.deepEqual([a.children.length, states(fresh)], [1, ["established"]]);
  handOver(sim, a);
  sim.held = undefined;
  sim.driveFor(20 * SECOND);
  assert.deepEqual(a.children, []);
  assert.deepEqual(states(a), ["established"]);
});

test("an attempt that failed is tried again when it would have been", () => {
  const retries = [false, true].map((upgraded) => {
    const pair = pairOf({ both: { keyingTries: 0 } });
    const { sim, a } = pair;
    sim.weather = DEAD;
    initiate(a);
    while (a.reportsOf("failed").length === 0) sim.driveFor(SECOND);
    if (upgraded) handOver(sim, a);
    sim.weather = FAIR;
    const sent = sim.sent.length;
    while (sim.sent.length === sent) sim.driveFor(100);
    const at = sim.now;
    sim.driveFor(5 * SECOND);
    assertOnePair(pair);
    return at;
  });
  assert.equal(retries[1], retries[0]);
});

test("a child that is configured no more keeps its pair", () => {
  const pair = established();
  const { sim, a, b } = pair;
  const { a: config } = mirrored({ version: 1, proposals: [mainModeProposal()] }, { proposals: [esp()] });
  a.configure({ ...config, connections: config.connections.map((one) => ({ ...one, children: [] })) });
  handOver(sim, a);
  b.give({ kind: "rekey-child", id: only(b), trigger: "time" });
  sim.driveFor(10 * SECOND);
  assert.equal(a.children[0]?.child, "net");
});

test("an upgrade that failed leaves no trace: the former process goes on, with its keys", () => {
  const pair = established();
  const { a, b } = pair;
  a.give({ kind: "hold" });
  const frozen = a.engine.freeze();
  const same = serialize(a.engine.freeze());
  assert.ok(equalOctets(serialize(frozen), same));
  const [live] = frozen.v1.lines.flatMap(({ sas }) => sas.map((sa) => sa.live));
  assert.ok(live !== undefined);
  const { SKEYID, SKEYID_d, SKEYID_a, SKEYID_e } = live.keys;
  const secret = [SKEYID, SKEYID_d, SKEYID_a, SKEYID_e];
  wipeFrozen(frozen);
  assert.ok(secret.every((key) => key.every((octet) => octet === 0)));
  assert.ok(equalOctets(serialize(a.engine.freeze()), same));
  a.give({ kind: "release" });
  rekey(pair, a);
  rekey(pair, b);
  assert.equal(mainModes(pair), 1);
  assertOnePair(pair);
});
