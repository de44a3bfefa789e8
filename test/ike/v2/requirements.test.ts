// Rows of docs/requirements.md that IKEv2 fulfils by itself, each with two engines and nothing else of ours.
import assert from "node:assert/strict";
import test from "node:test";
import type { IkeConfig } from "#core/connection";
import type { Job, JobResult } from "#core/ike-job";
import { millis } from "#core/units";
import { runJob } from "#crypto/ike-jobs";
import { portableKeyExchange } from "#crypto/key-agreement";
import { KeMethod } from "#crypto/key-exchange";
import type { NegotiatedChild } from "#ike/effects";
import { A, B, credentials, espProposal, ikeProposal, mirrored, NET_A, NET_B } from "#test/sim/ike-config";
import { assertSettled, established, ids, initiate, only, twoNodes } from "#test/sim/ike-established";
import { violations } from "#test/sim/ike-invariants";
import { type Datagram, type IkeNode, IkeSim, WALL_CLOCK } from "#test/sim/ike-pair";

const PFS = { proposals: [espProposal([KeMethod.CURVE25519])] };

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");
const keysOf = ({ inbound, outbound }: NegotiatedChild): string[] =>
  [inbound, outbound].map((sa) => hex(sa.encryptionKey));

/** A pair of engines after this many rekeys of the Child SA, and every key that either side has had. */
function afterRekeys(count: number, seed: number): { readonly keys: string[]; readonly sent: readonly Datagram[] } {
  const pair = established({}, PFS, { jobs: "real", seed });
  const { sim, a } = pair;
  const keys = a.children.flatMap(keysOf);
  for (let i = 0; i < count; i++) {
    a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
    sim.driveFor(5000);
    keys.push(...a.children.flatMap(keysOf));
  }
  assertSettled(pair);
  return { keys, sent: sim.sent };
}

test("S3: from one shared secret both sides make the same keys, and others each time", () => {
  const [first, second] = [afterRekeys(0, 1), afterRekeys(0, 2)];
  assert.equal(new Set([...first.keys, ...second.keys]).size, 4);
});

test("S6: with PFS each Child SA has keys of a key exchange of its own: none comes again over rekeys of child and IKE SA", () => {
  const { keys } = afterRekeys(4, 1);
  assert.equal(new Set(keys).size, 10);
  const { sim, a } = established({}, PFS, { jobs: "real" });
  const before = a.children.flatMap(keysOf);
  a.give({ kind: "rekey-ike", ike: a.sas[0]?.id ?? 0, trigger: "time" });
  sim.driveFor(5000);
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  sim.driveFor(5000);
  assert.equal(new Set([...before, ...a.children.flatMap(keysOf)]).size, 4);
  assert.equal(a.children[0]?.keMethod, KeMethod.CURVE25519);
});

test("S10: no message on the wire has a key in it", () => {
  const { keys, sent } = afterRekeys(2, 1);
  assert.ok(sent.length >= 12 && keys.length === 6);
  const wire = sent.map(({ octets }) => hex(octets)).join("|");
  for (const key of keys) assert.ok(!wire.includes(key.slice(0, 16)));
});

/** The other side has another secret: somebody who can exchange keys with both, but is neither of them. */
function impostor(config: IkeConfig): IkeConfig {
  return { ...config, credentials: credentials({ secrets: [{ owners: [], secret: new Uint8Array(32).fill(9) }] }) };
}

for (const initiator of ["a", "b"] as const)
  test(`S13: somebody between the two who exchanges keys with ${initiator} is found out when he has to authenticate`, () => {
    const config = mirrored();
    const { sim, a, b } = twoNodes({ jobs: "real" }, { a: config.a, b: impostor(config.b) });
    const [begins, answers] = initiator === "a" ? [a, b] : [b, a];
    initiate(begins);
    sim.driveFor(100_000);
    assert.ok(sim.sent.length >= 4, "they came as far as IKE_AUTH");
    for (const node of [a, b]) assert.deepEqual([node.children.length, node.sas.length], [0, 0], node.name);
    for (const node of [begins, answers]) {
      const [failure] = node.reportsOf("failed");
      assert.equal(failure?.notify, "AUTHENTICATION_FAILED", node.name);
    }
  });

test("S47: without authentication no SA is installed at any time, and nothing of the attempt stays", () => {
  const config = mirrored();
  const { sim, a, b } = twoNodes({}, { a: config.a, b: impostor(config.b) });
  sim.held = [];
  initiate(a);
  sim.runJobs();
  for (const node of [b, a, b, a]) {
    if (sim.held.length > 0) sim.deliver(node);
    for (const side of [a, b]) assert.equal(side.children.length, 0);
  }
  sim.held = undefined;
  sim.driveFor(200_000);
  for (const node of [a, b])
    assert.deepEqual([node.installed.size, node.loose.size, node.engine.nextTimeout], [0, 0, undefined], node.name);
});

test("S17: at its lifetime the IKE SA is negotiated again, with new SPIs; at a child's, with new keys and SPIs", () => {
  const { sim, a, b } = established({ rekeyTime: millis(1_000_000), overTime: millis(100_000) }, PFS, { jobs: "real" });
  const before = a.sas[0];
  sim.driveFor(900_000);
  assert.equal(a.sas[0]?.initiatorSpi, before?.initiatorSpi);
  sim.driveFor(200_000);
  assert.deepEqual([a.sas.length, b.sas.length], [1, 1]);
  assert.notEqual(a.sas[0]?.initiatorSpi, before?.initiatorSpi);
  const former = a.children.flatMap(({ inbound, outbound }) => [inbound.spi, outbound.spi]);
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  sim.driveFor(5000);
  const now = a.children.flatMap(({ inbound, outbound }) => [inbound.spi, outbound.spi]);
  assert.equal(new Set([...former, ...now]).size, 4);
});

const METHODS = [KeMethod.CURVE25519, KeMethod.ECP_256, KeMethod.ECP_384] as const;
const ORDERS = METHODS.flatMap((x) => METHODS.flatMap((y) => (x === y ? [] : [[x, y] as const])));

test("S24: whatever the order of the offers, a common group is found, also when the first guess was wrong", () => {
  for (const ours of ORDERS)
    for (const theirs of ORDERS) {
      const config = mirrored();
      const withGroups = (side: IkeConfig, groups: readonly number[]): IkeConfig => ({
        ...side,
        connections: side.connections.map((one) => ({ ...one, proposals: [ikeProposal(groups)] })),
      });
      const { sim, a, b } = twoNodes(
        { jobs: "real" },
        { a: withGroups(config.a, ours), b: withGroups(config.b, theirs) },
      );
      initiate(a);
      sim.driveFor(200_000);
      assert.deepEqual(violations(sim, a, b, ["net"]), [], `${ours} with ${theirs}`);
    }
});

/** Sees the secrets that go into jobs and come out of them. */
class WatchedSim extends IkeSim {
  readonly privateKeys: { readonly copy: string; readonly octets: Uint8Array }[] = [];
  readonly shared: { readonly copy: string; readonly octets: Uint8Array }[] = [];

  override compute(node: IkeNode, job: number, work: Job): void {
    if (work.kind === "ke-agree") this.privateKeys.push({ copy: hex(work.privateKey), octets: work.privateKey });
    const world = { random: this.random, wallClock: WALL_CLOCK, keyExchange: portableKeyExchange };
    const result: JobResult = runJob(work, world);
    if (result.kind === "ke-agree" || result.kind === "ke-respond")
      this.shared.push({ copy: hex(result.shared), octets: result.shared });
    this.after([0, 0], () => node.give({ kind: "computed", job, result }));
  }
}

test("S28: what made a key is used once and wiped: private keys and shared secrets, in every exchange", () => {
  const sim = new WatchedSim({ seed: 1 });
  const [a, b] = [sim.node("a", A), sim.node("b", B)];
  const config = mirrored({}, PFS);
  a.configure(config.a);
  b.configure(config.b);
  initiate(a);
  sim.driveFor(5000);
  for (let i = 0; i < 3; i++) {
    a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
    sim.driveFor(5000);
    b.give({ kind: "rekey-ike", ike: b.sas[0]?.id ?? 0, trigger: "time" });
    sim.driveFor(5000);
  }
  assertSettled({ sim, a, b });
  assert.deepEqual([sim.privateKeys.length, sim.shared.length], [7, 14]);
  assert.equal(new Set(sim.privateKeys.map(({ copy }) => copy)).size, 7, "a private key each");
  assert.equal(new Set(sim.shared.map(({ copy }) => copy)).size, 7, "a secret each, the same on both sides");
  for (const { octets } of [...sim.privateKeys, ...sim.shared]) assert.ok(octets.every((octet) => octet === 0));
});

test("S34: gateways negotiate for the networks behind them, and for no others", () => {
  const { a, b } = established();
  const text = ({ localSelectors, remoteSelectors }: NegotiatedChild) => [
    localSelectors.length,
    remoteSelectors.length,
  ];
  assert.deepEqual(a.children.map(text), [[1, 1]]);
  const [ours, theirs] = [a.sas[0]?.children[0], b.sas[0]?.children[0]];
  assert.deepEqual([ours?.localSelectors, ours?.remoteSelectors], [[NET_A], [NET_B]]);
  assert.deepEqual([theirs?.localSelectors, theirs?.remoteSelectors], [ours?.remoteSelectors, ours?.localSelectors]);
});

test("S64: SPIs, keys and selectors of a pair come to the data plane as one, the inbound one before the peer can use it", () => {
  const { sim, a, b } = established({}, PFS, { jobs: "real" });
  sim.held = [];
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  sim.runJobs();
  assert.equal(ids(b).length, 1);
  // CREATE_CHILD_SA { N(REKEY_SA), SA, Ni, KEi, TSi, TSr } -->
  sim.deliver(b);
  const [, made] = b.children;
  assert.ok(made !== undefined && sim.held.length === 1, "installed with the answer under way, not later");
  for (const { spi, encryptionKey } of [made.inbound, made.outbound]) {
    assert.notEqual(spi, 0);
    assert.equal(encryptionKey.length, 20);
  }
  // <-- CREATE_CHILD_SA { SA, Nr, KEr, TSi, TSr }
  sim.deliver(a);
  assert.equal(a.children[1]?.outbound.spi, made.inbound.spi);
});
