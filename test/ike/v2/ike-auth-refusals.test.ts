import assert from "node:assert/strict";
import test from "node:test";
import type { ChildConfig, Connection, IkeConfig } from "#core/connection";
import { KeMethod } from "#crypto/key-exchange";
import { childConfig, espProposal, id, mirrored, NET_A, NET_B, remoteAuth } from "#test/sim/ike-config";
import { assertSettled, type EstablishedPair, initiate, only, twoNodes } from "#test/sim/ike-established";

/** The mirrored pair with b's only connection changed. */
function withB(over: Partial<Connection>, b?: Partial<IkeConfig>): { readonly a: IkeConfig; readonly b: IkeConfig } {
  const config = mirrored();
  const [connection] = config.b.connections;
  assert.ok(connection);
  return { a: config.a, b: { ...config.b, ...b, connections: [{ ...connection, ...over }] } };
}

function assertNothing({ sim, a, b }: EstablishedPair): void {
  sim.driveFor(100_000);
  for (const node of [a, b]) {
    assert.equal(node.sas.length, 0);
    assert.equal(node.installed.size, 0);
    assert.equal(node.loose.size, 0);
    assert.equal(node.engine.nextTimeout, undefined);
  }
}

test("a wrong secret: both sides say so, nothing is installed (RFC 7296 §2.21.2)", () => {
  const secrets = [{ owners: [], secret: Uint8Array.from({ length: 32 }, () => 9) }];
  const pair = twoNodes(
    {},
    withB({}, { credentials: { secrets, keys: [], authorities: [], intermediates: [], crls: [] } }),
  );
  initiate(pair.a);
  assertNothing(pair);
  assert.match(pair.b.reportsOf("failed")[0]?.reason ?? "", /secret .* differs/);
  assert.equal(pair.a.reportsOf("failed")[0]?.notify, "AUTHENTICATION_FAILED");
});

test("a wrong identity of the initiator: the responder names both", () => {
  const pair = twoNodes({}, withB({ remote: remoteAuth({ identity: id("other.example") }) }));
  initiate(pair.a);
  assertNothing(pair);
  assert.match(pair.b.reportsOf("failed")[0]?.reason ?? "", /a\.example.*other\.example/);
});

test("a wrong identity of the responder: the initiator tells it, and both forget (RFC 7296 §2.21.2)", () => {
  const config = mirrored();
  const [connection] = config.a.connections;
  assert.ok(connection);
  const wrong = { ...connection, remote: remoteAuth({ identity: id("*.elsewhere.example") }) };
  const pair = twoNodes({}, { a: { ...config.a, connections: [wrong] }, b: config.b });
  initiate(pair.a);
  assertNothing(pair);
  assert.match(pair.a.reportsOf("failed")[0]?.reason ?? "", /b\.example.*elsewhere/);
  assert.equal(pair.b.reportsOf("failed")[0]?.notify, "AUTHENTICATION_FAILED");
});

for (const [title, child, notify, words] of [
  ["no common selector", childConfig("10.9.0.0/16", NET_A), "TS_UNACCEPTABLE", /10\.9\.0\.0/],
  [
    "no common ESP proposal",
    childConfig(NET_B, NET_A, { proposals: [espProposal([], [], [1])] }),
    "NO_PROPOSAL_CHOSEN",
    /./,
  ],
  ["another mode", childConfig(NET_B, NET_A, { mode: "transport" }), "NO_PROPOSAL_CHOSEN", /tunnel mode/],
] as const satisfies readonly (readonly [string, ChildConfig, string, RegExp])[])
  test(`${title}: the IKE SA stands without the Child SA, both sides say why (RFC 7296 §1.2)`, () => {
    const pair = twoNodes({}, withB({ children: [child] }));
    initiate(pair.a);
    pair.sim.driveFor(100_000);
    assert.equal(pair.a.sas[0]?.state, "established");
    assert.equal(pair.b.sas[0]?.state, "established");
    assert.equal(pair.a.installed.size + pair.b.installed.size, 0);
    assert.equal(pair.a.loose.size + pair.b.loose.size, 0);
    assert.equal(pair.a.reportsOf("failed")[0]?.notify, notify);
    assert.match(pair.b.reportsOf("failed")[0]?.reason ?? "", words);
  });

test("selectors are narrowed to what both have (RFC 7296 §2.9)", () => {
  const pair = twoNodes({}, withB({ children: [childConfig("10.2.3.0/24", NET_A)] }));
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  assert.deepEqual(pair.a.sas[0]?.children[0]?.remoteSelectors, ["10.2.3.0/24"]);
  assert.deepEqual(pair.b.sas[0]?.children[0]?.localSelectors, ["10.2.3.0/24"]);
  assertSettled(pair);
});

test("an IKE SA alone, and its child later (RFC 6023)", () => {
  const pair = twoNodes({}, mirrored({ childless: "force" }));
  pair.a.give({ kind: "initiate", connection: "gw", child: undefined, trigger: "operator" });
  pair.sim.driveFor(5_000);
  assert.equal(pair.a.sas[0]?.state, "established");
  assert.equal(pair.a.installed.size, 0);
  initiate(pair.b);
  assertSettled(pair);
});

test("PFS preflight: another group in the peer's child is told at set-up, not at the first rekey", () => {
  const config = mirrored({ pfsPreflight: true }, { proposals: [espProposal([KeMethod.CURVE25519])] });
  const [connection] = config.b.connections;
  assert.ok(connection);
  const children = [childConfig(NET_B, NET_A, { proposals: [espProposal([KeMethod.ECP_384])] })];
  const pair = twoNodes({}, { a: config.a, b: { ...config.b, connections: [{ ...connection, children }] } });
  initiate(pair.a);
  assertSettled(pair);
  const [failed] = pair.a.reportsOf("failed");
  assert.match(failed?.stage ?? "", /preflight/);
  assert.equal(failed?.notify, "NO_PROPOSAL_CHOSEN");
});

test("PFS preflight: a rekey with the key exchange works, and says so", () => {
  const pair = twoNodes(
    { jobs: "real" },
    mirrored({ pfsPreflight: true }, { proposals: [espProposal([KeMethod.CURVE25519])] }),
  );
  initiate(pair.a);
  assertSettled(pair);
  assert.ok(pair.a.reportsOf("rekey").some(({ result }) => result === "preflight passed"));
  assert.equal(pair.a.children[0]?.keMethod, KeMethod.CURVE25519);
});

test("a gateway that starts anew takes the place of its former self (INITIAL_CONTACT, RFC 7296 §2.4)", () => {
  const pair = twoNodes({}, mirrored());
  const { sim, a, b } = pair;
  initiate(a);
  sim.driveFor(5_000);
  const former = only(b);
  const config = mirrored();
  const again = sim.restart(a);
  again.configure(config.a);
  initiate(again);
  sim.driveFor(5_000);
  assert.equal(b.sas.length, 1);
  assert.equal(b.installed.has(former), false);
  assertSettled({ sim, a: again, b });
});

test("reauthentication makes before it breaks: the new pair stands before the former goes (RFC 7296 §2.8.3)", () => {
  const pair = twoNodes({}, mirrored());
  const { sim, a, b } = pair;
  initiate(a);
  sim.driveFor(5_000);
  const former = only(a);
  let least = 2;
  a.give({ kind: "reauthenticate", ike: a.sas[0]?.id ?? 0, trigger: "time" });
  for (let i = 0; i < 100; i++) {
    sim.driveFor(5);
    least = Math.min(least, a.installed.size, b.installed.size);
  }
  assert.equal(least, 1);
  assert.notEqual(only(a), former);
  assert.equal(a.reportsOf("child-down").length, 0);
  assertSettled(pair);
});
