// What Child SAs may be: modes, protocols, sequence numbers and selectors, as both ends come to have them.
import assert from "node:assert/strict";
import test from "node:test";
import { addressToString } from "#core/address";
import type { ChildConfig, IkeConfig } from "#core/connection";
import { type Proposal, ProtocolId, TransformType } from "#core/proposal";
import { prefixSelector, selectorToString } from "#core/selector";
import { Integrity } from "#crypto/transforms";
import { A, B, childConfig, espProposal, mirrored, prefix } from "#test/sim/ike-config";
import { assertSettled, type EstablishedPair, initiate, only, twoNodes } from "#test/sim/ike-established";
import { endpoint, type IkeNode } from "#test/sim/ike-pair";

const DYNAMIC = { kind: "dynamic", protocol: 0, firstPort: 0, lastPort: 65535 } as const;

function texts(node: IkeNode) {
  const [child] = node.children;
  assert.ok(child);
  return {
    local: child.localSelectors.map(selectorToString),
    remote: child.remoteSelectors.map(selectorToString),
  };
}

/** As selectors print. */
function ranges(...prefixes: readonly string[]): string[] {
  return prefixes.map((text) => selectorToString(prefixSelector(prefix(text))));
}

function rekeyed(pair: EstablishedPair): void {
  for (const node of [pair.a, pair.b]) {
    const former = only(node);
    node.give({ kind: "rekey-child", id: former, trigger: "octets" });
    pair.sim.driveFor(10_000);
    assert.notEqual(only(node), former);
  }
}

function withChildren(config: IkeConfig, children: readonly ChildConfig[]): IkeConfig {
  return { ...config, connections: config.connections.map((connection) => ({ ...connection, children })) };
}

/** Both sides with children of their own. */
function pairOf(a: readonly ChildConfig[], b: readonly ChildConfig[]): EstablishedPair {
  const both = mirrored();
  return twoNodes({}, { a: withChildren(both.a, a), b: withChildren(both.b, b) });
}

test("transport mode between the two gateways themselves, and through rekeys of both (RFC 7296 §1.3.1)", () => {
  const pair = twoNodes({}, mirrored({}, { mode: "transport", local: [DYNAMIC], remote: [DYNAMIC] }));
  initiate(pair.a);
  pair.sim.driveFor(1_000);
  rekeyed(pair);
  for (const node of [pair.a, pair.b]) assert.equal(node.children[0]?.mode, "transport");
  assert.deepEqual(texts(pair.a), { local: [A], remote: [B] });
  assert.deepEqual(texts(pair.b), { local: [B], remote: [A] });
  assertSettled(pair);
});

test("a mode that only one side wants makes no pair, is told in words on both, and leaves the IKE SA (RFC 7296 §1.3.1)", () => {
  for (const [left, right] of [
    ["transport", "tunnel"],
    ["tunnel", "transport"],
  ] as const) {
    const ends = { local: [DYNAMIC], remote: [DYNAMIC] };
    const pair = twoNodes(
      {},
      { a: mirrored({}, { mode: left, ...ends }).a, b: mirrored({}, { mode: right, ...ends }).b },
    );
    initiate(pair.a);
    assertSettled(pair, []);
    const [failed] = pair.a.reportsOf("failed");
    assert.equal(failed?.child, "net");
    assert.notEqual(failed?.remedy, "");
  }
});

test("a request for transport mode finds the transport child, also behind a tunnel child that would take its selectors", () => {
  const transport = childConfig([], [], { name: "host", mode: "transport", local: [DYNAMIC], remote: [DYNAMIC] });
  const wide = childConfig("0.0.0.0/0", "0.0.0.0/0", { name: "wide" });
  const pair = pairOf([transport], [wide, transport]);
  initiate(pair.a, "host");
  assertSettled(pair, ["host"]);
  assert.equal(pair.b.children[0]?.mode, "transport");
});

// 192.0.2.1 -- NAT 203.0.113.9 ~~~~ 198.51.100.1
const NAT = "203.0.113.9";

function behindNat(config: { readonly a: IkeConfig; readonly b: IkeConfig }): EstablishedPair {
  const pair = twoNodes({}, config);
  const inside = endpoint(A, 0).address;
  const outside = endpoint(NAT, 0).address;
  pair.sim.translate = (datagram) => {
    const { from, to } = datagram;
    if (addressToString(from.address) === A)
      return { ...datagram, from: { address: outside, port: from.port + 20_000 } };
    if (addressToString(to.address) !== NAT) return undefined;
    return { ...datagram, to: { address: inside, port: to.port - 20_000 } };
  };
  return pair;
}

test("transport mode behind a NAT: each side has the addresses it sees, both agree (RFC 7296 §2.23.1)", () => {
  const { a, b } = mirrored({}, { mode: "transport", local: [DYNAMIC], remote: [DYNAMIC] });
  const open = b.connections.map((connection) => ({ ...connection, remoteAddresses: [{ kind: "any" } as const] }));
  const pair = behindNat({ a, b: { ...b, connections: open } });
  initiate(pair.a);
  pair.sim.driveFor(1_000);
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(texts(pair.a), { local: [A], remote: [B] });
    assert.deepEqual(texts(pair.b), { local: [B], remote: [NAT] });
    for (const node of [pair.a, pair.b]) {
      assert.equal(node.children[0]?.encapsulation, "udp");
      assert.equal(node.children[0]?.mode, "transport");
    }
    assert.equal(pair.a.children[0]?.behindNat, true);
    if (i === 0) rekeyed(pair);
  }
  assertSettled(pair);
});

const AH: Proposal = {
  protocol: ProtocolId.AH,
  transforms: [
    { type: TransformType.INTEG, id: Integrity.HMAC_SHA2_256_128, keyBits: 0 },
    { type: TransformType.ESN, id: 0, keyBits: 0 },
  ],
};

test("a child of AH has integrity keys alone, and rekeys and deletes by AH's protocol (RFC 7296 §3.3.1, RFC 4302)", () => {
  const pair = twoNodes({}, mirrored({}, { proposals: [AH] }));
  initiate(pair.a);
  pair.sim.driveFor(1_000);
  rekeyed(pair);
  for (const node of [pair.a, pair.b]) {
    const [child] = node.children;
    assert.equal(child?.protocol, "ah");
    assert.deepEqual([child?.inbound.encryptionKey.length, child?.inbound.integrityKey.length], [0, 32]);
  }
  assertSettled(pair);
  pair.b.give({ kind: "delete-child", id: only(pair.b), reason: "operator" });
  assertSettled(pair, []);
});

for (const [offered, allowed, esn] of [
  [[0], [0], false],
  [[1], [1], true],
  [[0, 1], [1], true],
  [[1, 0], [0], false],
  [[1], [0, 1], true],
  [[1, 0], [0, 1], undefined],
  [[1], [0], "refused"],
] as const)
  test(`ESN ${offered.join(" or ")} offered, ${allowed.join(" or ")} allowed: ${esn ?? "one of them"}, the same on both sides (RFC 7296 §3.3.2)`, () => {
    const pair = twoNodes(
      {},
      {
        a: mirrored({}, { proposals: [espProposal([], [], offered)] }).a,
        b: mirrored({}, { proposals: [espProposal([], [], allowed)] }).b,
      },
    );
    initiate(pair.a);
    assertSettled(pair, esn === "refused" ? [] : ["net"]);
    if (esn === "refused") {
      assert.equal(pair.a.reportsOf("failed")[0]?.notify, "NO_PROPOSAL_CHOSEN");
      return;
    }
    assert.equal(pair.a.children[0]?.esn, pair.b.children[0]?.esn);
    if (esn !== undefined) assert.equal(pair.a.children[0]?.esn, esn);
  });

test("selectors of both families in one child, and through a rekey (RFC 7296 §2.9, §3.13)", () => {
  const left = ["10.1.0.0/16", "10.9.0.0/24", "2001:db8:1::/48"];
  const right = ["10.2.0.0/16", "2001:db8:2::/48"];
  const pair = pairOf([childConfig(left, right)], [childConfig(right, left)]);
  initiate(pair.a);
  pair.sim.driveFor(1_000);
  rekeyed(pair);
  assert.deepEqual(texts(pair.a), { local: ranges(...left), remote: ranges(...right) });
  assert.deepEqual(texts(pair.b), { local: ranges(...right), remote: ranges(...left) });
  assertSettled(pair);
});

test("the responder narrows to what both allow, in each family, and the initiator takes it (RFC 7296 §2.9)", () => {
  const pair = pairOf(
    [childConfig(["10.0.0.0/8", "2001:db8::/32"], ["10.2.0.0/16", "2001:db8:2::/48"])],
    [childConfig(["10.2.128.0/17", "2001:db8:2:8000::/49", "192.168.0.0/16"], ["10.1.0.0/16", "2001:db8:1::/48"])],
  );
  initiate(pair.a);
  pair.sim.driveFor(1_000);
  rekeyed(pair);
  const local = ranges("10.1.0.0/16", "2001:db8:1::/48");
  const remote = ranges("10.2.128.0/17", "2001:db8:2:8000::/49");
  assert.deepEqual(texts(pair.a), { local, remote });
  assert.deepEqual(texts(pair.b), { local: remote, remote: local });
  assertSettled(pair);
});

test("a child that the responder refuses is told with notify and remedy on both sides; the IKE SA stays for the next attempt", () => {
  const pair = pairOf([childConfig("10.1.0.0/16", "10.2.0.0/16")], [childConfig("10.3.0.0/16", "10.4.0.0/16")]);
  initiate(pair.a);
  assertSettled(pair, []);
  // IKE_AUTH, then CREATE_CHILD_SA: nothing repeats by itself (that is the director's, with its own back-off).
  for (let attempt = 1; attempt <= 3; attempt++) {
    const [told, heard] = [pair.b.reportsOf("failed").at(-1), pair.a.reportsOf("failed").at(-1)];
    assert.equal(pair.a.reportsOf("failed").length, attempt);
    assert.deepEqual([heard?.connection, heard?.child], ["gw", "net"]);
    assert.deepEqual([heard?.notify, heard?.from, heard?.retryAt], ["TS_UNACCEPTABLE", "peer", undefined]);
    assert.equal(heard?.stage, attempt === 1 ? "IKE_AUTH" : "CREATE_CHILD_SA");
    assert.deepEqual([told?.notify, told?.from], ["TS_UNACCEPTABLE", "us"]);
    assert.match(told?.reason ?? "", /10\.2\.0\.0\S* === 10\.1\.0\.0.*10\.3\.0\.0\S* === 10\.4\.0\.0/);
    initiate(pair.a);
    assertSettled(pair, []);
  }
  pair.b.configure(withChildren(mirrored().b, [childConfig("10.2.0.0/16", "10.1.0.0/16")]));
  initiate(pair.a);
  assertSettled(pair);
});
