/** How pairs and main modes end where IKEv1 answers nothing: lost deletes, silences, restarts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_CONNECTION_POLICY } from "#core/connection";
import { millis } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { assertSettled, ids, initiate, only } from "#test/sim/ike-established";
import { FAIR } from "#test/sim/ike-pair";
import {
  describe1,
  established1,
  isFrom,
  mainModeOver,
  mirrored1,
  quickModeProposal,
  startMainMode,
  states,
  twoNodes1,
} from "#test/sim/ikev1-pair";
import { decodeHeader } from "#wire/ike/header";

const DEAD = { ...FAIR, loss: 1 };

test("the message that ends a main mode deletes its pairs too: whoever hears one of them keeps nothing (RFC 2408 §3.15)", () => {
  const { sim, a, b } = established1();
  sim.held = [];
  const [sa] = a.sas;
  assert.ok(sa !== undefined);
  a.give({ kind: "delete-ike", ike: sa.id, reason: "test" });
  const [pairs, all] = sim.held;
  assert.ok(pairs !== undefined && all !== undefined);
  assert.deepEqual([describe1(pairs), describe1(all)], ["info* HASH", "info* HASH"]);
  // The delete of the pair alone is lost.
  sim.arrive(all);
  assert.deepEqual([b.children, b.sas], [[], []]);
});

test("a pair that is deleted while the peer hears nothing is deleted again once the peer is heard", () => {
  const { sim, a, b } = established1();
  const former = only(b);
  sim.weather = DEAD;
  a.give({ kind: "delete-child", id: only(a), reason: "test" });
  sim.driveFor(60_000);
  sim.weather = FAIR;
  assert.equal(b.children.length, 1);
  sim.driveFor(60_000);
  assert.equal(b.children.length, 1);
  // Anything that verifies will do.
  b.give({ kind: "rekey-child", id: only(b), trigger: "time" });
  sim.driveFor(10_000);
  assert.ok(!b.installed.has(former));
  assert.equal(a.engine.nextTimeout, undefined);
});

test("a repeated delete that is lost when the peer is heard at last is said again when it is heard once more", () => {
  const { sim, a, b } = established1();
  sim.weather = DEAD;
  a.give({ kind: "delete-child", id: only(a), reason: "test" });
  // All repeats are due by then.
  sim.driveFor(200_000);
  sim.weather = FAIR;
  let lost = false;
  sim.translate = (datagram) => {
    if (lost || describe1(datagram) !== "info* HASH" || datagram.from.address.octets[0] !== 192) return datagram;
    lost = true;
    return undefined;
  };
  b.give({ kind: "rekey-ike", ike: b.sas[0]?.id ?? 0, trigger: "time" });
  sim.driveFor(6_000);
  assert.deepEqual([lost, b.children.length], [true, 1]);
  sim.driveFor(1_000);
  b.give({ kind: "rekey-ike", ike: b.sas[0]?.id ?? 0, trigger: "time" });
  sim.driveFor(6_000);
  assert.deepEqual(b.children, []);
});

test("what the peer replaced and does not delete ends after a minute", () => {
  const { sim, a, b } = established1({}, {}, { switchAfter: [1_000_000, 1_000_000] });
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  sim.driveFor(50_000);
  assert.equal(b.children.length, 2);
  sim.driveFor(20_000);
  assert.deepEqual([a.children.length, b.children.length], [1, 1]);
});

test("a first pair asked for while the former one is being replaced comes when nothing comes of that", () => {
  const { sim, a, b } = established1();
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  b.give({ kind: "delete-child", id: only(b), reason: "test" });
  sim.driveFor(15);
  initiate(a);
  assertSettled({ sim, a, b });
});

test("a main mode that is on its way out is not renewed", () => {
  const { sim, a } = mainModeOver();
  const [sa] = a.sas;
  assert.ok(sa !== undefined);
  a.give({ kind: "delete-ike", ike: sa.id, reason: "test" });
  a.give({ kind: "rekey-ike", ike: sa.id, trigger: "operator" });
  sim.driveFor(60_000);
  assert.deepEqual(states(a), []);
});

test("a responder in aggressive mode that has started anew says so under protection (RFC 2407 §4.6.3.3)", () => {
  const over = { v1: { ...DEFAULT_CONNECTION_POLICY.v1, aggressive: true, aggressivePsk: true } };
  const { sim, a, b } = established1(over);
  const fresh = sim.restart(b);
  fresh.configure(mirrored1(over).b);
  const [sa] = a.sas;
  assert.ok(sa !== undefined);
  a.give({ kind: "rekey-ike", ike: sa.id, trigger: "time" });
  // The peer's quick mode would come first.
  sim.driveFor(6_000);
  assert.deepEqual(states(fresh), ["established"]);
  assert.deepEqual(a.children, []);
});

test("its word is said again when the peer is heard once more, should all have been lost", () => {
  const v1 = { ...DEFAULT_CONNECTION_POLICY.v1, aggressive: true, aggressivePsk: true };
  const over = { v1, dpdDelay: millis(20_000) };
  const { sim, a, b } = established1(over);
  const fresh = sim.restart(b);
  fresh.configure(mirrored1(over).b);
  const [sa] = a.sas;
  assert.ok(sa !== undefined);
  const carry = sim.translate;
  sim.translate = (datagram) => (describe1(datagram) === "info* HASH" ? undefined : datagram);
  a.give({ kind: "rekey-ike", ike: sa.id, trigger: "time" });
  sim.driveFor(30_000);
  sim.translate = carry;
  assert.deepEqual([states(fresh), a.children.length], [["established"], 1]);
  a.give({ kind: "heard", id: only(a) });
  sim.driveFor(60_000);
  assert.deepEqual([states(a), states(fresh), a.children], [["established"], ["established"], []]);
});

test("a responder says once more that it has started anew where its last message never came (RFC 2407 §4.6.3.3)", () => {
  const { sim, a, b } = established1();
  const fresh = sim.restart(b);
  fresh.configure(mirrored1().b);
  const [sa] = a.sas;
  assert.ok(sa !== undefined);
  const carry = sim.translate;
  let half: bigint | undefined;
  sim.translate = (datagram) => {
    if (describe1(datagram) !== "main* ID" || !isFrom(datagram, fresh)) return datagram;
    const { initiatorSpi } = decodeHeader(datagram.octets);
    half ??= initiatorSpi;
    return initiatorSpi === half ? undefined : carry(datagram);
  };
  a.give({ kind: "rekey-ike", ike: sa.id, trigger: "time" });
  sim.driveFor(15_000);
  const [unproven] = fresh.sas;
  assert.ok(unproven !== undefined);
  assert.equal(a.children.length, 1);
  fresh.give({ kind: "rekey-ike", ike: unproven.id, trigger: "time" });
  sim.driveFor(5_000);
  assert.deepEqual(a.children, []);
});

test("an ISAKMP SA whose last message never came stays where another line of the peer's keeps first contact from being told", () => {
  const { sim, a, b } = twoNodes1({ unique: "no" });
  b.configure(mirrored1({ unique: "no", remoteAddresses: [{ kind: "any" }] }).b);
  initiate(a);
  sim.driveFor(5_000);
  assert.equal(b.children.length, 1);
  /** The peer starts anew at another address, and says nothing of it. */
  const begin = (killed: typeof a) => {
    sim.kill(killed);
    sim.move(killed, "192.0.2.77");
    const fresh = sim.restart(killed);
    const { address } = fresh;
    fresh.configure(mirrored1({ unique: "never", localAddresses: [{ kind: "address", address }] }).a);
    startMainMode(fresh);
    return fresh;
  };
  sim.translate = (datagram) => (describe1(datagram) === "main* ID" && isFrom(datagram, b) ? undefined : datagram);
  const unheard = begin(a);
  sim.driveFor(15_000);
  const doubtful = b.sas.find(({ children }) => children.length === 0);
  assert.equal(doubtful?.state, "established");
  begin(unheard);
  sim.driveFor(1_000);
  assert.equal(b.sas.find(({ id }) => id === doubtful.id)?.state, "rekeyed");
});

test("both sides' pairs of one child made at once become one, also over two main modes", () => {
  const { sim, a, b } = established1();
  for (const node of [a, b]) {
    for (const { id } of node.sas) node.give({ kind: "rekey-ike", ike: id, trigger: "time" });
    for (const id of ids(node)) node.give({ kind: "rekey-child", id, trigger: "time" });
  }
  assertSettled({ sim, a, b });
});

test("a responder keeps no pair whose quick mode the peer broke off with its main mode", () => {
  const { sim, a, b } = established1();
  sim.held = [];
  b.give({ kind: "rekey-child", id: only(b), trigger: "time" });
  sim.deliver(a);
  assert.equal(a.children.length, 2);
  sim.held = [];
  for (const { id } of b.sas) b.give({ kind: "delete-ike", ike: id, reason: "test" });
  sim.deliverHeld();
  sim.driveFor(60_000);
  assert.deepEqual([a.children, b.children], [[], []]);
  assert.equal(a.engine.nextTimeout, undefined);
});

for (const step of [0, 1, 2])
  test(`a main mode that is deleted while a quick mode of ours is ${["asked for", "answered", "computed"][step]} leaves no pair on either side`, () => {
    const proposals = [quickModeProposal([KeMethod.MODP_2048])];
    const { sim, a, b } = twoNodes1({}, { jobTime: [5, 5] }, { proposals });
    startMainMode(a);
    sim.driveFor(5_000);
    initiate(a);
    // 10 ms each way, 5 ms for each side's key exchange.
    sim.driveFor([8, 22, 32][step] ?? 0);
    assert.equal(a.children.length, 0);
    for (const { id } of a.sas) a.give({ kind: "delete-ike", ike: id, reason: "test" });
    sim.driveFor(10_000);
    assert.deepEqual([a.children, b.children], [[], []]);
    assert.equal(a.loose.size + b.loose.size, 0);
    const [failed] = a.reportsOf("failed");
    assert.equal(failed?.child, "net");
    sim.driveFor(60_000);
    assert.deepEqual([states(a), states(b)], [[], []]);
    assert.deepEqual([a.engine.nextTimeout, b.engine.nextTimeout], [undefined, undefined]);
  });

test("a main mode that is deleted while the peer's quick mode is being answered makes no pair", () => {
  const proposals = [quickModeProposal([KeMethod.MODP_2048])];
  const { sim, a, b } = twoNodes1({}, { jobTime: [5, 5] }, { proposals });
  startMainMode(a);
  sim.driveFor(5_000);
  initiate(a);
  sim.driveFor(17);
  for (const { id } of b.sas) b.give({ kind: "delete-ike", ike: id, reason: "test" });
  sim.driveFor(4);
  assert.deepEqual(b.children, []);
  assert.equal(b.loose.size, 0);
  // The wish is a's: it goes over a main mode of its own.
  assertSettled({ sim, a, b });
});

test("a delete that is lost six times is said again when the peer is heard, as nobody acknowledges it", () => {
  const { sim, a, b } = established1({ dpdDelay: millis(20_000) });
  let lost = 0;
  sim.translate = (datagram) => {
    // Deletes are shorter than questions whether the peer is there and their answers.
    const isDelete = describe1(datagram) === "info* HASH" && datagram.octets.length < 100;
    if (!isDelete || lost === 6) return datagram;
    lost += 1;
    return undefined;
  };
  a.give({ kind: "delete-child", id: only(a), reason: "test" });
  sim.driveFor(100_000);
  assert.deepEqual([lost, b.children.length], [6, 1]);
  sim.driveFor(60_000);
  assert.equal(b.children.length, 0);
});

test("who has nothing left of the peer says so in the next main mode: what deletes that were lost did not end goes (RFC 2407 §4.6.3.3)", () => {
  for (const begins of ["a", "b"] as const) {
    const { sim, a, b } = established1();
    sim.weather = DEAD;
    for (const { id } of a.sas) a.give({ kind: "delete-ike", ike: id, reason: "test" });
    sim.driveFor(10_000);
    sim.weather = FAIR;
    assert.deepEqual([a.children.length, b.children.length], [0, 1]);
    if (begins === "a") startMainMode(a);
    else for (const { id } of b.sas) b.give({ kind: "rekey-ike", ike: id, trigger: "time" });
    sim.driveFor(1_000);
    assert.deepEqual(b.children, []);
    assert.deepEqual(states(a).filter((state) => state === "established").length, 1);
  }
});

test("a pair made while a main mode was under way is forgotten with the rest when the peer then says it has none", () => {
  const { sim, a, b } = established1();
  const [former] = b.sas;
  assert.ok(former !== undefined);
  sim.held = [];
  b.give({ kind: "rekey-ike", ike: former.id, trigger: "time" });
  const [first] = sim.held;
  sim.held = undefined;
  b.give({ kind: "rekey-child", id: only(b), trigger: "time" });
  sim.driveFor(500);
  sim.weather = DEAD;
  for (const { id } of a.sas) a.give({ kind: "delete-ike", ike: id, reason: "test" });
  sim.weather = FAIR;
  assert.ok(first !== undefined && b.children.length > 0);
  sim.arrive(first);
  sim.driveFor(500);
  assert.equal(states(a).filter((state) => state === "established").length, 1);
  assert.deepEqual(b.children, []);
});

test("what was replaced twice before the director looked does not stay", () => {
  const { sim, a, b } = established1({}, {}, { switchAfter: [1_000_000, 1_000_000] });
  const former = only(a);
  a.give({ kind: "rekey-child", id: former, trigger: "time" });
  sim.driveFor(1_000);
  const [, second] = ids(a);
  assert.ok(second !== undefined);
  a.give({ kind: "rekey-child", id: second, trigger: "time" });
  sim.driveFor(1_000);
  assert.equal(a.children.length, 3);
  // The peer would end it by itself.
  sim.kill(b);
  a.give({ kind: "delete-child", id: second, reason: "rekeyed" });
  sim.driveFor(50_000);
  assert.ok(a.installed.has(former));
  sim.driveFor(20_000);
  assert.ok(!a.installed.has(former));
  assert.equal(a.children.length, 1);
});

test("what the peer replaced goes though its replacement goes first: the peer has it no more", () => {
  const { sim, a, b } = established1({}, {}, { switchAfter: [1_000_000, 1_000_000] });
  const former = only(a);
  sim.driveFor(40_000);
  b.give({ kind: "rekey-child", id: only(b), trigger: "time" });
  sim.driveFor(1_000);
  const newest = ids(a).find((id) => id !== former);
  assert.ok(newest !== undefined);
  sim.kill(b);
  a.give({ kind: "delete-child", id: newest, reason: "test" });
  assert.deepEqual(ids(a), [former]);
  sim.driveFor(61_000);
  assert.deepEqual(ids(a), []);
});

test("an initiator in aggressive mode that has started anew says so under protection, not in its messages (RFC 2407 §4.6.3)", () => {
  const over = { v1: { ...DEFAULT_CONNECTION_POLICY.v1, aggressive: true, aggressivePsk: true } };
  const { sim, a, b } = established1(over);
  const fresh = sim.restart(a);
  fresh.configure(mirrored1(over).a);
  startMainMode(fresh);
  sim.driveFor(5_000);
  assert.deepEqual([states(fresh), states(b)], [["established"], ["established"]]);
  assert.deepEqual(b.children, []);
});

const MICROSOFT = { v1: { ...DEFAULT_CONNECTION_POLICY.v1, microsoft: true } };

test("the delete of an ISAKMP SA waits until those that go over it are acknowledged: it would overtake them (MS-IKEE §3.8)", () => {
  const { sim, a, b } = established1(MICROSOFT);
  const [sa] = a.sas;
  assert.ok(sa !== undefined);
  sim.held = [];
  a.give({ kind: "delete-ike", ike: sa.id, reason: "test" });
  assert.equal(sim.held.length, 1);
  sim.deliver(b);
  assert.deepEqual([b.children, states(b)], [[], ["established"]]);
  sim.deliver(a);
  sim.deliver(b);
  assert.deepEqual(states(b), []);
  sim.deliver(a);
  assert.deepEqual(states(a), []);
  assert.deepEqual([a.engine.nextTimeout, b.engine.nextTimeout], [undefined, undefined]);
});

test("a delete that was not acknowledged when its ISAKMP SA ended goes over the next one", () => {
  const { sim, a, b } = established1({ ...MICROSOFT, dpdDelay: millis(20_000) });
  const [former] = a.sas;
  assert.ok(former !== undefined);
  let lost = 0;
  sim.translate = (datagram) => {
    // Deletes of pairs, and what acknowledges them; those of ISAKMP SAs are longer.
    const isDelete = describe1(datagram) === "info* HASH" && datagram.octets.length === 124;
    if (!isDelete || decodeHeader(datagram.octets).initiatorSpi !== BigInt(`0x${former.initiatorSpi}`)) return datagram;
    lost += 1;
    return undefined;
  };
  a.give({ kind: "delete-child", id: only(a), reason: "test" });
  b.give({ kind: "rekey-ike", ike: b.sas[0]?.id ?? 0, trigger: "time" });
  sim.driveFor(8_000);
  assert.ok(lost > 1);
  assert.equal(b.children.length, 1);
  sim.driveFor(60_000);
  assert.deepEqual([b.children, states(a), states(b)], [[], ["established"], ["established"]]);
});

test("a quick mode whose end the peer never confirms leaves no pair with the peer either (RFC 2408 §3.1)", () => {
  const { sim, a, b } = mainModeOver({ v1: { ...DEFAULT_CONNECTION_POLICY.v1, commitBit: "always" } });
  // CONNECTED, which is longer than message 3 and shorter than the others.
  sim.translate = (datagram) =>
    describe1(datagram) === "quick* HASH" && datagram.octets.length === 92 ? undefined : datagram;
  initiate(a);
  sim.driveFor(5_000);
  assert.deepEqual([a.children.length, b.children.length], [1, 1]);
  sim.driveFor(60_000);
  assert.deepEqual([a.children, b.children], [[], []]);
});

test("a quick mode whose last message never comes leaves no pair with the peer either", () => {
  const { sim, a, b } = mainModeOver();
  sim.translate = (datagram) =>
    describe1(datagram) === "quick* HASH" && datagram.octets.length === 76 ? undefined : datagram;
  initiate(a);
  sim.driveFor(5_000);
  assert.deepEqual([a.children.length, b.children.length], [1, 1]);
  sim.driveFor(60_000);
  assert.deepEqual([a.children, b.children], [[], []]);
});

test("a peer that died is found out over the former ISAKMP SA too, which takes the place of one that is gone", () => {
  const { sim, a, b } = established1({ dpdDelay: millis(20_000) });
  b.give({ kind: "rekey-ike", ike: b.sas[0]?.id ?? 0, trigger: "time" });
  sim.driveFor(200);
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  sim.driveFor(6_000);
  assert.deepEqual(states(a).sort(), ["established", "rekeyed"]);
  sim.kill(b);
  // Nobody answers: the second quick mode's failure ends the newer one (S67).
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  sim.driveFor(300_000);
  assert.deepEqual([a.children, a.sas], [[], []]);
});

/** Both sides have a pair and no main mode any more. */
function ended(): ReturnType<typeof established1> {
  const v1 = { ...DEFAULT_CONNECTION_POLICY.v1, idleTime: millis(5_000) };
  const pair = established1({ v1, dpdDelay: millis(60_000) });
  pair.sim.driveFor(40_000);
  assert.deepEqual([states(pair.a), states(pair.b)], [["ended"], ["ended"]]);
  return pair;
}

test("pairs without a main mode go on, and a silent peer is asked by another main mode (S74)", () => {
  const { sim, a, b } = ended();
  const mainModes = () => sim.sent.filter((datagram) => describe1(datagram) === "main SA").length;
  const before = mainModes();
  for (let i = 0; i < 6; i++) {
    for (const node of [a, b]) node.give({ kind: "heard", id: only(node) });
    sim.driveFor(30_000);
  }
  assert.equal(mainModes(), before);
  sim.driveFor(61_000);
  assert.ok(mainModes() > before);
  assert.deepEqual([a.children.length, b.children.length], [1, 1]);
});

test("a pair that the peer gave up while there was no main mode to say so over does not stay (S74)", () => {
  const { sim, a, b } = ended();
  const [line] = a.sas;
  assert.ok(line !== undefined);
  a.give({ kind: "delete-ike", ike: line.id, reason: "test" });
  assert.deepEqual([a.children.length, b.children.length], [0, 1]);
  sim.driveFor(90_000);
  assert.deepEqual([a.children, b.children], [[], []]);
});

test("a peer that died while there was no main mode is found out (S74)", () => {
  const { sim, a, b } = ended();
  sim.kill(b);
  sim.driveFor(180_000);
  assert.deepEqual([a.children, a.sas, a.ends], [[], [], ["dpd"]]);
});

test("copies of earlier messages of an exchange that come late are known, not deciphered with a later IV (RFC 2409 appendix B)", () => {
  const { sim, a, b } = twoNodes1();
  startMainMode(a);
  sim.driveFor(1_000);
  initiate(a);
  sim.driveFor(1_000);
  assert.deepEqual([a.children.length, b.children.length], [1, 1]);
  const before = sim.sent.length;
  for (const datagram of sim.sent.slice()) sim.arrive(datagram);
  sim.driveFor(5_000);
  for (const node of [a, b])
    for (const name of ["drop_not_verified", "drop_malformed"])
      assert.equal(node.counter(name), 0, `${node.name} ${name}`);
  assert.ok(a.counter("drop_message_id") + b.counter("drop_message_id") >= 3);
  // Message 6 and 3 answer the messages before them once more.
  assert.ok(sim.sent.length - before <= 4);
});

test("an answer to a quick mode that was broken off is no first message of another one", () => {
  const { sim, a } = twoNodes1();
  startMainMode(a);
  sim.driveFor(1_000);
  initiate(a);
  sim.driveFor(15);
  for (const { id } of a.sas) a.give({ kind: "delete-ike", ike: id, reason: "test" });
  sim.driveFor(8);
  assert.deepEqual([a.counter("drop_not_verified"), a.counter("drop_state")], [0, 1]);
});
