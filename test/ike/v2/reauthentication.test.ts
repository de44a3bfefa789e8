// RFC 7296 §2.8.3: a new IKE SA from the beginning, its Child SAs in it, then the former one is deleted; here with what may
// come between.
import assert from "node:assert/strict";
import test from "node:test";
import type { ChildConfig, Connection, IkeConfig } from "#core/connection";
import { childConfig, mirrored, NET_A, NET_B } from "#test/sim/ike-config";
import { assertSettled, type EstablishedPair, initiate, twoNodes } from "#test/sim/ike-established";
import { type Datagram, describe, type IkeNode } from "#test/sim/ike-pair";
import { decodeHeader } from "#wire/ike/header";

const CHILDREN = ["net", "voice"];

function twoChildren(config: IkeConfig, local: string, remote: string): IkeConfig {
  const part = (net: string, i: number) => net.replace(".0.0/16", `.${i}.0/24`);
  const children: ChildConfig[] = CHILDREN.map((name, i) => childConfig(part(local, i), part(remote, i), { name }));
  return { ...config, connections: config.connections.map((connection) => ({ ...connection, children })) };
}

/** An IKE SA of a's making, with both children. */
function pairOf(over: Partial<Connection> = {}): EstablishedPair {
  const { a, b } = mirrored(over);
  const pair = twoNodes({}, { a: twoChildren(a, NET_A, NET_B), b: twoChildren(b, NET_B, NET_A) });
  for (const child of CHILDREN) initiate(pair.a, child);
  pair.sim.driveFor(5_000);
  assert.equal(pair.a.children.length, 2);
  return pair;
}

function isChildAnswer(datagram: Datagram): boolean {
  return describe(datagram).startsWith("CREATE_CHILD_SA response");
}

function reauthenticate(node: IkeNode, ike: number | undefined): void {
  assert.ok(ike !== undefined);
  node.give({ kind: "reauthenticate", ike, trigger: "operator" });
}

/** Nothing was down meanwhile, and one IKE SA is left. */
function assertSeamless(pair: EstablishedPair): void {
  pair.sim.translate = (datagram) => datagram;
  assertSettled(pair, CHILDREN);
  for (const node of [pair.a, pair.b]) assert.deepEqual(node.reportsOf("child-down"), []);
}

function initiatorSpi({ octets }: Datagram): string {
  return decodeHeader(octets).initiatorSpi.toString(16).padStart(16, "0");
}

/** a's heir stands on both sides and has "net", but not "voice": the former IKE SA is there too. */
function halfDone(pair: EstablishedPair): { readonly former: number; readonly heir: number } {
  const { sim, a } = pair;
  const former = a.sas[0]?.id ?? 0;
  reauthenticate(a, former);
  sim.translate = (datagram) => (isChildAnswer(datagram) ? undefined : datagram);
  sim.driveFor(1_000);
  const heir = a.sas.find(({ id }) => id !== former);
  assert.ok(heir !== undefined && a.sas.length === 2);
  sim.translate = (datagram) =>
    isChildAnswer(datagram) && initiatorSpi(datagram) === heir.initiatorSpi ? undefined : datagram;
  return { former, heir: heir.id };
}

test("an heir that is reauthenticated before it has all children: the one after it ends both", () => {
  const pair = pairOf();
  const { heir } = halfDone(pair);
  reauthenticate(pair.a, heir);
  pair.sim.driveFor(3_000);
  assertSeamless(pair);
});

test("the peer reauthenticates an heir of ours that is not done: its own ends the first one too", () => {
  const pair = pairOf();
  halfDone(pair);
  const { a, b } = pair;
  reauthenticate(b, b.sas.at(-1)?.id);
  pair.sim.driveFor(3_000);
  assert.equal(a.sas[0]?.initiator, false);
  assertSeamless(pair);
});

test("both reauthenticate the same IKE SA at once, again and again: one heir is left, and nothing was down", () => {
  const pair = pairOf();
  const { sim, a, b } = pair;
  for (let round = 0; round < 10; round++) {
    for (const node of [a, b]) reauthenticate(node, node.sas[0]?.id);
    sim.driveFor(round * 15);
    for (const node of [a, b]) reauthenticate(node, node.sas.at(-1)?.id);
    assertSeamless(pair);
  }
});

test("an heir that comes up late, when what it was for is gone, ends what we began since", () => {
  const pair = pairOf();
  const { sim, b } = pair;
  reauthenticate(b, b.sas[0]?.id);
  const late = b.sas.find(({ state }) => state === "connecting")?.initiatorSpi;
  sim.translate = (datagram) => (initiatorSpi(datagram) === late ? undefined : datagram);
  sim.driveFor(1_000);
  // a comes again without memory of the first.
  const a = sim.restart(pair.a);
  a.configure(twoChildren(mirrored().a, NET_A, NET_B));
  for (const child of CHILDREN) initiate(a, child);
  sim.driveFor(2_000);
  reauthenticate(b, b.sas.find(({ state }) => state === "established")?.id);
  sim.driveFor(2_000);
  sim.translate = (datagram) => datagram;
  assertSettled({ ...pair, a }, CHILDREN);
  assert.equal(a.sas[0]?.initiatorSpi, late);
  assert.deepEqual(a.reportsOf("child-down"), []);
});

test("a reauthentication that nobody answers is tried again as long as there is what it is for", () => {
  const pair = pairOf();
  const { sim, a } = pair;
  reauthenticate(a, a.sas[0]?.id);
  const heir = a.sas.find(({ state }) => state === "connecting")?.initiatorSpi;
  sim.translate = (datagram) => (initiatorSpi(datagram) === heir ? undefined : datagram);
  sim.driveFor(40_000);
  assert.ok((a.reportsOf("failed")[0]?.retryAt ?? 0) > a.reports.length);
  sim.driveFor(40_000);
  assert.equal(a.sas[0]?.initiatorSpi === heir, false);
  assertSeamless(pair);
});

test("a reauthentication that fails promises no retry where what it was for is gone, though another is still being deleted", () => {
  const pair = pairOf();
  const { sim, a, b } = pair;
  const first = a.sas[0];
  sim.translate = (datagram) => (initiatorSpi(datagram) === first?.initiatorSpi ? undefined : datagram);
  a.give({ kind: "delete-ike", ike: first?.id ?? 0, reason: "operator" });
  initiate(a);
  sim.driveFor(1_000);
  const second = a.sas.find(({ state }) => state === "established");
  reauthenticate(a, second?.id);
  const heir = a.sas.find(({ state }) => state === "connecting")?.initiatorSpi;
  sim.translate = (datagram) => ([first?.initiatorSpi, heir].includes(initiatorSpi(datagram)) ? undefined : datagram);
  b.give({ kind: "delete-ike", ike: b.sas.at(-1)?.id ?? 0, reason: "operator" });
  sim.driveFor(50_000);
  assert.deepEqual(a.sas, []);
  const failures = a.reportsOf("failed").filter(({ from }) => from === "nobody");
  assert.deepEqual(
    failures.map(({ stage, retryAt }) => ({ stage, retryAt })),
    [{ stage: "IKE_SA_INIT", retryAt: undefined }],
  );
});

test("of two that both sides set up at once the loser ends when the winner has all children, however late", () => {
  const { a: left, b: right } = mirrored();
  const pair = twoNodes({}, { a: twoChildren(left, NET_A, NET_B), b: twoChildren(right, NET_B, NET_A) });
  const { sim, a, b } = pair;
  for (const node of [a, b]) for (const child of CHILDREN) initiate(node, child);
  sim.driveFor(25);
  const winner = [...a.sas].sort((one, other) => (one.initiatorSpi < other.initiatorSpi ? -1 : 1))[0]?.initiatorSpi;
  sim.translate = (datagram) => (isChildAnswer(datagram) && initiatorSpi(datagram) === winner ? undefined : datagram);
  sim.driveFor(10_000);
  for (const node of [a, b]) assert.equal(node.sas.length, 2);
  assertSeamless(pair);
  assert.equal(a.sas[0]?.initiatorSpi, winner);
});

test("our heir is deleted while the peer's heir of it is on its way: that one ends what ours was to end", () => {
  const pair = pairOf();
  const { sim, a, b } = pair;
  const { heir } = halfDone(pair);
  const kept = a.sas.find(({ id }) => id !== heir)?.initiatorSpi;
  const doomed = a.sas.find(({ id }) => id === heir)?.initiatorSpi;
  const onB = b.sas.find(({ initiatorSpi }) => initiatorSpi === doomed)?.id;
  reauthenticate(b, onB);
  const late = b.sas.find(({ state }) => state === "connecting")?.initiatorSpi;
  // The delete passes, the new IKE SA does not yet.
  sim.translate = (datagram) => (initiatorSpi(datagram) === late ? undefined : datagram);
  a.give({ kind: "delete-ike", ike: heir, reason: "operator" });
  sim.driveFor(1_000);
  for (const node of [a, b])
    assert.deepEqual(
      node.sas.filter(({ state }) => state === "established").map((sa) => sa.initiatorSpi),
      [kept],
    );
  assertSeamless(pair);
  assert.equal(a.sas[0]?.initiatorSpi, late);
});
