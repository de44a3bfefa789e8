// Both sides at once, and messages that cross or are lost: one main mode and one pair a child at rest.
import assert from "node:assert/strict";
import test from "node:test";
import { KeMethod } from "#crypto/key-exchange";
import { type EstablishedPair, initiate, only } from "#test/sim/ike-established";
import { assertOnePair, esp, established, pairOf, SECOND } from "./phase2-pair.ts";

const SEEDS = Array.from({ length: 24 }, (_, i) => i + 1);
const REST = 200 * SECOND;

function atRest(pair: EstablishedPair, seed: number): void {
  pair.sim.driveFor(REST);
  try {
    assertOnePair(pair);
    for (const node of [pair.a, pair.b]) {
      const alive = node.sas.filter(({ state }) => state === "established");
      assert.equal(alive.length, 1, `${node.name}: ${node.sas.map(({ state }) => state).join(", ")}`);
    }
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
}

test("both sides begin a quick mode for the same child at once: the pair with the lowest nonce goes, one stays", () => {
  for (const seed of SEEDS) {
    const pair = pairOf({ options: { seed } });
    const { sim, a, b } = pair;
    a.give({ kind: "initiate", connection: "gw", child: undefined, trigger: "operator" });
    sim.driveFor(5 * SECOND);
    initiate(a);
    initiate(b);
    atRest(pair, seed);
  }
});

test("both sides begin everything at once", () => {
  for (const seed of SEEDS) {
    const pair = pairOf({ options: { seed, weather: { delay: [5, 60], loss: 0, duplicates: 0.2 } } });
    initiate(pair.a);
    initiate(pair.b);
    atRest(pair, seed);
  }
});

for (const group of [0, KeMethod.MODP_2048])
  test(`both sides rekey at once ${group === 0 ? "without" : "with"} PFS: both come to the same pair`, () => {
    for (const seed of SEEDS) {
      const pair = established({
        child: { proposals: [group === 0 ? esp() : esp(group)] },
        options: { seed, jobTime: [0, 40], weather: { delay: [5, 60], loss: 0, duplicates: 0.1 } },
      });
      const former = only(pair.a);
      pair.a.give({ kind: "rekey-child", id: only(pair.a), trigger: "octets" });
      pair.sim.driveFor(seed % 5);
      pair.b.give({ kind: "rekey-child", id: only(pair.b), trigger: "octets" });
      atRest(pair, seed);
      assert.notEqual(only(pair.a), former);
    }
  });

test("a delete crosses a rekey: what was deleted is gone, what was made stays or goes on both sides", () => {
  for (const seed of SEEDS) {
    const pair = established({ options: { seed, weather: { delay: [5, 60], loss: 0, duplicates: 0 } } });
    const { sim, a, b } = pair;
    a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
    sim.driveFor(seed * 4);
    const [old] = [...b.installed.keys()];
    b.give({ kind: "delete-child", id: old ?? 0, reason: "an operator asked for it" });
    sim.driveFor(REST);
    assert.equal(a.installed.size, b.installed.size, `seed ${seed}`);
    assert.ok(a.installed.size <= 1);
    if (a.installed.size === 1) assertOnePair(pair);
    assert.equal(a.loose.size + b.loose.size, 0);
  }
});

test("a third of all datagrams is lost: rekeys come to an end, and one pair is left", () => {
  for (const seed of SEEDS) {
    const pair = established({ options: { seed } });
    const { sim, a, b } = pair;
    sim.weather = { delay: [5, 60], loss: 0.33, duplicates: 0.05 };
    a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
    sim.driveFor(60 * SECOND);
    sim.weather = { delay: [10, 10], loss: 0, duplicates: 0 };
    sim.driveFor(60 * SECOND);
    const [newest] = [...b.installed.keys()].slice(-1);
    b.give({ kind: "rekey-child", id: newest ?? 0, trigger: "time" });
    sim.driveFor(REST);
    assert.ok(a.installed.size >= 1 && a.installed.size <= 2, `seed ${seed}: ${a.installed.size}`);
    assert.equal(a.loose.size + b.loose.size, 0);
  }
});

test("PFS of the master key and rekeys of both sides at once: one pair, and never two session keys of one master key", () => {
  for (const seed of SEEDS) {
    const pair = established({ both: { masterPfs: true }, options: { seed } });
    pair.a.give({ kind: "rekey-child", id: only(pair.a), trigger: "octets" });
    pair.b.give({ kind: "rekey-child", id: only(pair.b), trigger: "octets" });
    atRest(pair, seed);
    const made = new Map<number, number>();
    for (const { child } of pair.a.installed.values()) made.set(child.ike, (made.get(child.ike) ?? 0) + 1);
    assert.ok([...made.values()].every((count) => count === 1));
  }
});

test("the half of a collision that stayed is deleted: the peer's half, which it sees as replaced and not as a rival, is sent on again", () => {
  let revived = 0;
  for (const seed of SEEDS) {
    const pair = established({ options: { seed } });
    const { sim, a, b } = pair;
    const former = only(a);
    sim.held = [];
    a.give({ kind: "rekey-child", id: former, trigger: "octets" });
    b.give({ kind: "rekey-child", id: only(b), trigger: "octets" });
    sim.deliver(a);
    // The answer comes before the question that was sent first: to b, a replaces what b has just made.
    const [question, answer] = sim.held.splice(0, 2);
    assert.ok(question !== undefined && answer !== undefined);
    sim.held.push(answer, question);
    sim.deliver(b);
    sim.deliver(b);
    sim.deliverHeld();
    sim.driveFor(SECOND);
    const own = a.children.find(({ replaces, initiator }) => replaces === former && initiator);
    const reports = a.reportsOf("rekey").filter(({ result }) => result === "redundant");
    if (own === undefined || reports.length > 0) continue;
    a.give({ kind: "delete-child", id: own.id, reason: "an operator asked for it" });
    atRest(pair, seed);
    assert.deepEqual(a.reportsOf("child-down"), [], `seed ${seed}`);
    revived++;
  }
  assert.ok(revived > 0);
});
