// An engine's IKE SAs go over into another process (docs/upgrade.md): held, settled, frozen, thawed; the peer sees nothing of it.
import assert from "node:assert/strict";
import test from "node:test";
import { serialize } from "node:v8";
import type { Connection, IkeConfig } from "#core/connection";
import { millis } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { IkeEngine } from "#ike/engine";
import { wipeFrozen } from "#ike/frozen";
import { A, espProposal, ikeProposal, mirrored } from "#test/sim/ike-config";
import { assertSettled, established, ids, initiate, only, twoNodes } from "#test/sim/ike-established";
import { violations } from "#test/sim/ike-invariants";
import { describe, endpoint, type IkeNode, type IkeSim } from "#test/sim/ike-pair";
import { NonceBooks } from "#test/sim/nonce-books";

const SPI_GIVER = { draw: () => assert.fail("an SPI is drawn"), giveBack: () => {} };

/** As the gateway does it, at once. */
function handOver(sim: IkeSim, ...nodes: readonly IkeNode[]): void {
  for (const node of nodes) {
    node.give({ kind: "hold" });
    assert.equal(node.engine.unsettled, 0);
    node.upgrade(0);
  }
  sim.runJobs();
}

/** When which message went out, from now on. */
function timetable(sim: IkeSim): string[] {
  const first = sim.now;
  const lines: string[] = [];
  sim.observers.push({
    done: (node, effect) => {
      if (effect.kind !== "send") return;
      const { octets, local: from, remote: to } = effect;
      lines.push(`${sim.now - first} ${node.name} ${describe({ octets, from, to })}, ${octets.length} octets`);
    },
  });
  return lines;
}

function ikeOf(node: IkeNode): number {
  const ike = node.sas[0]?.id;
  assert.ok(ike !== undefined);
  return ike;
}

const BUSY: Partial<Connection> = {
  rekeyTime: millis(70_000),
  reauthTime: millis(200_000),
  dpdDelay: millis(20_000),
};

test("rekeys, reauthentications and questions whether the peer is there come when they would have come", () => {
  const lives = [false, true].map((upgraded) => {
    const { sim, a, b } = established(BUSY);
    const lines = timetable(sim);
    for (let i = 0; i < 25; i++) {
      sim.driveFor(17_000);
      if (upgraded) handOver(sim, a, b);
    }
    assert.deepEqual(
      violations(sim, a, b, ["net"]).filter((line) => !line.endsWith("has a timer")),
      [],
    );
    for (const node of [a, b]) assert.ok(node.counter("ike_rekeyed") + node.counter("ike_established") > 5);
    return lines;
  });
  assert.ok((lives[0]?.length ?? 0) > 40);
  assert.deepEqual(lives[1], lives[0]);
});

test("an IKE SA whose peer never spoke after IKE_AUTH is asked and forgotten by the new process as by the former", () => {
  const { sim, a, b } = twoNodes({}, mirrored());
  initiate(a);
  sim.driveFor(45);
  assert.equal(b.installed.size, 1);
  handOver(sim, b);
  sim.kill(a);
  sim.driveFor(29_000);
  assert.equal(b.sas.length, 1);
  sim.driveFor(2_000);
  assert.deepEqual([b.sas.length, b.installed.size], [0, 0]);
});

test("a repeated request gets the same octets from the new process (RFC 7296 §2.1)", () => {
  const { sim, a, b } = established();
  sim.held = [];
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  sim.runJobs();
  // CREATE_CHILD_SA { N(REKEY_SA), SA, Ni, TSi, TSr } -->
  sim.deliver(b);
  // lost: <-- CREATE_CHILD_SA { SA, Nr, TSi, TSr }
  const lost = sim.held.shift();
  assert.ok(lost);
  handOver(sim, b);
  sim.driveFor(600);
  // The repeat -->
  assert.equal(sim.deliver(b), describe(sim.sent.at(-2) ?? lost));
  assert.equal(b.counter("requests_repeated"), 1);
  assert.deepEqual(sim.held.at(-1)?.octets, lost.octets);
  sim.deliverHeld();
  sim.held = undefined;
  assertSettled({ sim, a, b });
});

test("the answer to a delete of the IKE SA is repeated by the new process too", () => {
  const { sim, a, b } = established();
  sim.held = [];
  a.give({ kind: "delete-ike", ike: ikeOf(a), reason: "test" });
  sim.deliver(b);
  const lost = sim.held.shift();
  handOver(sim, b);
  sim.driveFor(600);
  sim.deliver(b);
  assert.deepEqual(sim.held.at(-1)?.octets, lost?.octets);
  sim.deliver(a);
  assert.equal(a.sas.length, 0);
  sim.driveFor(20_000);
  assert.deepEqual([b.sas.length, b.engine.nextTimeout], [0, undefined]);
});

const REQUESTS: readonly { readonly name: string; readonly ask: (node: IkeNode) => void }[] = [
  {
    name: "a question whether the peer is there",
    ask: (node) => node.give({ kind: "addresses", local: [endpoint(A, 0)] }),
  },
  {
    name: "a rekey of a pair with a key exchange",
    ask: (node) => node.give({ kind: "rekey-child", id: only(node), trigger: "time" }),
  },
  {
    name: "a rekey of the IKE SA",
    ask: (node) => node.give({ kind: "rekey-ike", ike: ikeOf(node), trigger: "time" }),
  },
  {
    name: "a delete of a pair",
    ask: (node) => node.give({ kind: "delete-child", id: only(node), reason: "test" }),
  },
  {
    name: "a delete of the IKE SA",
    ask: (node) => node.give({ kind: "delete-ike", ike: ikeOf(node), reason: "test" }),
  },
  {
    name: "another address of ours (MOBIKE)",
    ask: (node) => node.give({ kind: "addresses", local: [endpoint("192.0.2.77", 0)] }),
  },
];

for (const { name, ask } of REQUESTS)
  test(`${name} that waits for its answer is repeated and answered in the new process`, () => {
    const lives = [false, true].map((upgraded) => {
      const over = { proposals: [espProposal([KeMethod.CURVE25519])] };
      const { sim, a, b } = established({ mobike: true }, over, { roaming: true, switchAfter: [10, 10] });
      const lines = timetable(sim);
      sim.weather = { ...sim.weather, loss: 1 };
      ask(a);
      sim.driveFor(1_200);
      if (upgraded) handOver(sim, a);
      sim.driveFor(1_200);
      sim.weather = { ...sim.weather, loss: 0 };
      sim.driveFor(60_000);
      assert.ok(a.counter("retransmissions") > 1);
      assert.deepEqual(
        sim.nodes.flatMap(({ loose }) => [...loose]),
        [],
      );
      return [...lines, `${a.sas.length} ${b.sas.length} ${a.installed.size} ${b.installed.size}`];
    });
    assert.deepEqual(lives[1], lives[0]);
  });

test("a peer that is dead is given up after as many repeats as if nothing had been", () => {
  const lives = [false, true].map((upgraded) => {
    const { sim, a, b } = established({ dpdDelay: millis(10_000) });
    const lines = timetable(sim);
    sim.kill(b);
    for (let i = 0; i < 60; i++) {
      sim.driveFor(1_000);
      if (upgraded && a.sas.length > 0) handOver(sim, a);
    }
    assert.deepEqual(a.ends, ["dpd"]);
    return lines;
  });
  assert.deepEqual(lives[1], lives[0]);
});

test("no IV is used twice over many processes, and ids of IKE SAs and pairs neither (RFC 5282 §3.1)", () => {
  const { sim, a, b } = established();
  const books = new NonceBooks(sim);
  const seen = new Set<number>();
  for (let i = 0; i < 20; i++) {
    handOver(sim, a, b);
    a.give({ kind: "rekey-child", id: only(a), trigger: "packets" });
    sim.driveFor(1_000);
    if (i % 4 === 0) b.give({ kind: "rekey-ike", ike: ikeOf(b), trigger: "operator" });
    sim.driveFor(1_000);
    assert.ok(!seen.has(only(a)));
    seen.add(only(a));
  }
  assert.deepEqual(books.usedTwice, []);
  assertSettled({ sim, a, b });
});

// ── held ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

test("held: no exchange of ours begins, whatever asks for one; released: all of them are made", () => {
  const { sim, a, b } = established({ rekeyTime: millis(30_000), dpdDelay: millis(20_000) });
  a.give({ kind: "hold" });
  const lines = timetable(sim);
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  a.give({ kind: "delete-child", id: only(a), reason: "test" });
  a.give({ kind: "rekey-ike", ike: ikeOf(a), trigger: "time" });
  a.give({ kind: "reauthenticate", ike: ikeOf(a), trigger: "operator" });
  initiate(a);
  // DPD and the rekey of the IKE SA come due on both sides: b's are answered.
  sim.driveFor(35_000);
  assert.ok(lines.some((line) => / a CREATE_CHILD_SA response/.test(line)));
  assert.ok(!lines.some((line) => / a .* request/.test(line)));
  const { sent } = sim;
  const before = sent.length;
  a.give({ kind: "release" });
  sim.driveFor(10_000);
  assert.ok(sent.length > before);
  assert.ok(a.counter("ike_established") > 1, "the reauthentication was made");
  assert.equal(a.sas.length, 1);
  // Deleted, and nobody asked for another since.
  assert.deepEqual([a.installed.size, b.installed.size], [0, 0]);
});

test("held: a connection that is asked for waits, in this process or the next", () => {
  for (const how of ["release", "hand over"]) {
    const { sim, a, b } = twoNodes({}, mirrored());
    a.give({ kind: "hold" });
    initiate(a);
    sim.driveFor(10_000);
    assert.equal(sim.sent.length, 0, how);
    if (how === "release") a.give({ kind: "release" });
    else handOver(sim, a);
    sim.driveFor(1_000);
    assertSettled({ sim, a, b });
  }
});

test("what is computed has to settle; what is frozen meanwhile fails and changes nothing", () => {
  const pfs = { proposals: [espProposal([KeMethod.CURVE25519])] };
  const { sim, a, b } = established({}, pfs, { jobTime: [50, 50] });
  sim.driveFor(1_000);
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  a.give({ kind: "hold" });
  assert.equal(a.engine.unsettled, 1);
  assert.throws(() => a.engine.freeze(), /frozen/);
  // Generated; the request is out and may wait for its answer in another process.
  sim.driveFor(60);
  assert.equal(a.engine.unsettled, 0);
  assert.equal(b.engine.unsettled, 1);
  assert.throws(() => b.engine.freeze(), /frozen/);
  handOver(sim, a);
  // Answered, and the shared secret is computed.
  sim.driveFor(60);
  assert.equal(a.engine.unsettled, 1);
  assertSettled({ sim, a, b });
});

test("an IKE SA with additional key exchanges is rekeyed by them in the next process, and in fragments (RFC 9370, RFC 7383)", () => {
  const methods = [[KeMethod.CURVE25519], [KeMethod.ML_KEM_1024]] as const;
  const over = { proposals: [ikeProposal(...methods)] };
  const { sim, a, b } = established(over, {}, { jobs: "real" });
  handOver(sim, a, b);
  const former = ikeOf(a);
  sim.held = [];
  a.give({ kind: "rekey-ike", ike: former, trigger: "time" });
  sim.runJobs();
  // CREATE_CHILD_SA { SA, Ni, KEi } --> <-- CREATE_CHILD_SA { SA, Nr, KEr, N(ADDITIONAL_KEY_EXCHANGE) }
  sim.deliver(b);
  assert.equal(b.engine.unsettled, 1, "it waits for the next key exchange");
  sim.deliver(a);
  assert.equal(a.engine.unsettled, 1);
  assert.deepEqual(sim.held.map(describe), ["IKE_FOLLOWUP_KE request 4", "IKE_FOLLOWUP_KE request 4"]);
  sim.deliverHeld();
  sim.held = undefined;
  sim.driveFor(1_000);
  assert.deepEqual([a.engine.unsettled, b.engine.unsettled], [0, 0]);
  assert.notEqual(ikeOf(a), former);
  handOver(sim, a, b);
  assertSettled({ sim, a, b });
});

test("fragments whose others are missing are dropped: all of the message are sent again", () => {
  const { sim, a, b } = established({ proposals: [ikeProposal([KeMethod.ML_KEM_1024])] }, {}, { jobs: "real" });
  const former = ikeOf(b);
  sim.held = [];
  a.give({ kind: "rekey-ike", ike: former, trigger: "time" });
  sim.runJobs();
  const request = sim.held.map(describe);
  assert.ok(request.length === 2 && request.every((one) => one.startsWith("CREATE_CHILD_SA request")));
  sim.deliver(b);
  handOver(sim, b);
  sim.deliver(b);
  assert.deepEqual(sim.held, [], "no answer");
  sim.held = undefined;
  sim.driveFor(1_000);
  assert.ok(a.counter("retransmissions") > 0);
  assert.notEqual(ikeOf(b), former);
  assertSettled({ sim, a, b });
});

// ── setting up ───────────────────────────────────────────────────────────────────────────────────────────────────────

test("an IKE SA that is set up by us is left out and begun again, and what it had offered is given back", () => {
  const { sim, a, b } = twoNodes({}, mirrored());
  sim.held = [];
  initiate(a);
  sim.runJobs();
  // IKE_SA_INIT --> <-- IKE_SA_INIT, IKE_AUTH -->
  sim.deliver(b);
  sim.deliver(a);
  assert.equal(describe(sim.sent.at(-1) ?? assert.fail()), "IKE_AUTH request 1");
  assert.deepEqual([a.engine.settingUp, a.loose.size, a.engine.freeze().leftOut], [1, 1, 1]);
  handOver(sim, a);
  assert.deepEqual([a.loose.size, a.sas.map(({ state }) => state)], [0, ["connecting"]]);
  sim.held = undefined;
  sim.driveFor(1_000);
  assertSettled({ sim, a, b });
});

test("a reauthentication that was under way begins again", () => {
  const { sim, a, b } = established();
  sim.weather = { ...sim.weather, loss: 1 };
  a.give({ kind: "reauthenticate", ike: ikeOf(a), trigger: "operator" });
  sim.driveFor(100);
  handOver(sim, a);
  sim.weather = { ...sim.weather, loss: 0 };
  const former = ikeOf(a);
  sim.driveFor(10_000);
  assert.notEqual(ikeOf(a), former);
  assertSettled({ sim, a, b });
});

test("a child that was asked of a reauthentication is asked for again, the IKE SA it was to replace being gone", () => {
  const { sim, a, b } = established();
  sim.held = [];
  a.give({ kind: "reauthenticate", ike: ikeOf(a), trigger: "operator" });
  sim.runJobs();
  // lost: IKE_SA_INIT -->
  assert.equal(describe(sim.held.pop() ?? assert.fail()), "IKE_SA_INIT request 0");
  b.give({ kind: "delete-ike", ike: ikeOf(b), reason: "test" });
  sim.deliver(a);
  sim.deliver(b);
  assert.equal(a.installed.size, 0);
  initiate(a);
  handOver(sim, a);
  sim.held = undefined;
  assertSettled({ sim, a, b });
});

test("one that the peer sets up is left out: the peer begins again", () => {
  const { sim, a, b } = twoNodes({}, mirrored({ keyingTries: 0 }));
  sim.held = [];
  initiate(a);
  sim.runJobs();
  sim.deliver(b);
  assert.equal(b.engine.settingUp, 1);
  handOver(sim, b);
  assert.equal(b.engine.snapshot().halfOpen, 0);
  sim.deliverHeld();
  sim.held = undefined;
  sim.driveFor(60_000);
  assertSettled({ sim, a, b });
});

// ── data ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function holds(octets: Uint8Array, key: Uint8Array): boolean {
  return Buffer.from(octets).includes(Buffer.from(key));
}

test("frozen state holds the keys once they are needed, and none of them after it is wiped; the engine has its own", () => {
  const { sim, a, b } = established({}, { proposals: [espProposal([KeMethod.CURVE25519])] });
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  a.give({ kind: "hold" });
  sim.runJobs();
  const frozen = a.engine.freeze();
  const [sa] = frozen.v2.sas;
  assert.ok(sa?.state.kind === "Live" && sa.state.own.kind === "AwaitCreateChildSaResponse");
  const { keys, own } = sa.state;
  const { SK_d, SK_ei, SK_er, SK_pi, SK_pr } = keys;
  const secrets = [SK_d, SK_ei, SK_er, SK_pi, SK_pr, own.nonce, own.ke?.privateKey ?? assert.fail()];
  const copies = secrets.map((secret) => secret.slice());
  for (const copy of copies.slice(0, 5)) assert.ok(holds(serialize(frozen), copy));
  wipeFrozen(frozen);
  // The nonce and the public key went out; under the exclusive or of this simulation that is the private key too.
  for (const copy of copies.slice(0, 5)) assert.ok(!holds(serialize(frozen), copy));
  for (const secret of secrets) assert.ok(secret.every((octet) => octet === 0));
  a.give({ kind: "release" });
  assertSettled({ sim, a, b });
});

test("what was thawed does not need the frozen state any more, and freezes to the same again", () => {
  const { sim, a, b } = established(BUSY);
  const frozen = a.engine.freeze();
  const config = mirrored(BUSY).a;
  const engine = new IkeEngine({ random: sim.random, spis: SPI_GIVER });
  engine.handle({ kind: "configure", config }, sim.now);
  engine.thaw(structuredClone(frozen), sim.now);
  assert.deepEqual(engine.freeze(), frozen);
  assert.deepEqual(engine.snapshot(), a.engine.snapshot());
  sim.driveFor(1_000);
  assert.equal(b.sas.length, 1);
});

function withoutConnections({ credentials }: IkeConfig): IkeConfig {
  return { connections: [], credentials };
}

test("an IKE SA whose connection is configured no more goes on by what it was", () => {
  const { sim, a, b } = established();
  a.configure(withoutConnections(mirrored().a));
  handOver(sim, a);
  const former = only(a);
  a.give({ kind: "rekey-child", id: former, trigger: "time" });
  sim.driveFor(2_000);
  assert.equal(ids(a).length, 1);
  assert.notEqual(only(a), former);
  assertSettled({ sim, a, b });
});

test("frozen state is for the configuration it was frozen with", () => {
  const { sim, a } = established();
  const frozen = a.engine.freeze();
  const engine = new IkeEngine({ random: sim.random, spis: SPI_GIVER });
  engine.handle({ kind: "configure", config: withoutConnections(mirrored().a) }, sim.now);
  assert.throws(() => engine.thaw(frozen, sim.now), /gw was configured when its IKE SA was frozen and is not now/);
});

test("addresses that the new process finds as they were are no news to the peer (RFC 4555 §3.6)", () => {
  const { sim, a } = established({ mobike: true }, {}, { roaming: true });
  const told = () => a.give({ kind: "addresses", local: [endpoint(A, 0), endpoint("192.0.2.77", 0)] });
  told();
  sim.driveFor(1_000);
  handOver(sim, a);
  const lines = timetable(sim);
  told();
  sim.driveFor(1_000);
  assert.deepEqual(lines, []);
  sim.move(a, "192.0.2.77");
  a.give({ kind: "addresses", local: [endpoint("192.0.2.77", 0)] });
  sim.driveFor(1_000);
  assert.equal(lines.length, 2);
  assert.equal(a.children[0]?.local.address.octets[3], 77);
});

test("counters go on from where they were", () => {
  const { sim, a } = established();
  const before = a.engine.snapshot().counters;
  handOver(sim, a);
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  sim.driveFor(1_000);
  const after = a.engine.snapshot().counters;
  for (const [name, count] of Object.entries(before)) assert.ok((after[name] ?? 0) >= count, name);
  assert.equal(after["child_rekeyed"], 1);
});
