// Quick mode in both roles (RFC 2409 §5.5), over a main mode, on the virtual clock.
import assert from "node:assert/strict";
import test from "node:test";
import { DEFAULT_CONNECTION_POLICY } from "#core/connection";
import { type Proposal, ProtocolId, TransformType } from "#core/proposal";
import { prefixSelector, selectorToString } from "#core/selector";
import { millis, octets } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { equalOctets } from "#crypto/octets";
import { Encryption, Integrity } from "#crypto/transforms";
import { prefix } from "#test/sim/ike-config";
import { initiate, only } from "#test/sim/ike-established";
import type { IkeNode } from "#test/sim/ike-pair";
import { decodeHeader } from "#wire/ike/header";
import { Exchange, IsakmpFlag } from "#wire/ike/v1/numbers";
import {
  ah,
  assertOnePair,
  esp,
  established,
  mainModeProposal,
  mainModes,
  pairOf,
  proposal,
  quickModes,
  rekey,
  type Sides,
  sentOf,
} from "./phase2-pair.ts";

const { ENCR, INTEG } = TransformType;
const { v1: V1 } = DEFAULT_CONNECTION_POLICY;
/** The hosts themselves. */
const DYNAMIC = [{ kind: "dynamic", protocol: 0, firstPort: 0, lastPort: 65535 }] as const;

function mainModeAlone(node: IkeNode): void {
  node.give({ kind: "initiate", connection: "gw", child: undefined, trigger: "operator" });
}

function keysOf(node: IkeNode): Uint8Array[] {
  return node.children.flatMap(({ inbound, outbound, outerAh }) =>
    [inbound, outbound, ...(outerAh === undefined ? [] : [outerAh.inbound, outerAh.outbound])].map((sa) =>
      Uint8Array.of(...sa.encryptionKey, ...sa.integrityKey),
    ),
  );
}

function allDifferent(keys: readonly Uint8Array[]): boolean {
  return keys.every((key, i) => keys.every((other, j) => i === j || !equalOctets(key, other)));
}

/** Of the first child that cannot be: what both were told. */
function refusals({ a, b }: { readonly a: IkeNode; readonly b: IkeNode }) {
  return [...a.reportsOf("failed"), ...b.reportsOf("failed")].map(({ stage, notify, from }) => [stage, notify, from]);
}

test("S2: main mode comes first, and several quick modes come of it (RFC 2409 §5)", () => {
  const pair = established();
  rekey(pair, pair.a);
  rekey(pair, pair.b);
  assert.equal(mainModes(pair), 1);
  assert.equal(quickModes(pair), 3);
  assertOnePair(pair);
});

test("S64: inbound is live before message 2 leaves, outbound is used from message 3 on, message by message", () => {
  const pair = pairOf();
  const { sim, a, b } = pair;
  mainModeAlone(a);
  sim.driveFor(5_000);
  sim.held = [];
  initiate(a);
  // HDR*, HASH(1), SA, Ni, IDci, IDcr  -->
  sim.deliver(b);
  assert.deepEqual(
    [...b.installed.values()].map(({ outbound }) => outbound),
    [false],
  );
  assert.equal(a.installed.size, 0);
  // <--  HDR*, HASH(2), SA, Nr, IDci, IDcr
  sim.deliver(a);
  assert.deepEqual(
    [...a.installed.values()].map(({ outbound }) => outbound),
    [true],
  );
  // HDR*, HASH(3)  -->
  sim.deliver(b);
  assertOnePair(pair);
});

test("S64: where message 3 is lost, the first packet proves that the peer has the pair", () => {
  const pair = pairOf();
  const { sim, a, b } = pair;
  mainModeAlone(a);
  sim.driveFor(5_000);
  sim.held = [];
  initiate(a);
  sim.deliver(b);
  sim.deliver(a);
  sim.held = [];
  const [installed] = b.installed.values();
  b.give({ kind: "first-packet", id: installed?.child.id ?? 0 });
  assertOnePair(pair);
  sim.driveFor(100_000);
  assert.equal(b.engine.nextTimeout, undefined);
  assertOnePair(pair);
});

test("a repeated message 1 or 2 gets the same answer and makes nothing twice (RFC 2408 §5.1)", () => {
  const pair = pairOf({ options: { weather: { delay: [10, 10], loss: 0, duplicates: 1 } } });
  initiate(pair.a);
  pair.sim.driveFor(60_000);
  assert.equal(quickModes(pair), 1);
  assertOnePair(pair);
});

test("S6: the keys of one pair say nothing of the next ones, with and without PFS (RFC 2409 §5.5)", () => {
  for (const group of [0, KeMethod.MODP_2048]) {
    const pair = established({ child: { proposals: [group === 0 ? esp() : esp(group)] } });
    const first = keysOf(pair.a);
    rekey(pair, pair.a);
    const second = keysOf(pair.a);
    assert.ok(allDifferent([...first, ...second]));
    assert.equal(pair.a.children[0]?.keMethod, group);
  }
});

test("S14: the life of a session key in seconds and octets is negotiated, and the shorter one counts (RFC 2407 §4.5)", () => {
  const life = (time: number, limit: number) => ({
    rekeyTime: millis(Number.POSITIVE_INFINITY),
    lifeTime: millis(time),
    randTime: millis(0),
    rekeyOctets: octets(Number.POSITIVE_INFINITY),
    lifeOctets: octets(limit),
    randOctets: octets(0),
    rekeyPackets: Number.POSITIVE_INFINITY,
    lifePackets: Number.POSITIVE_INFINITY,
    randPackets: 0,
  });
  // The responder's is shorter: RESPONDER-LIFETIME tells (RFC 2407 §4.6.3.1).
  const { a, b } = established({
    childA: { lifetime: life(3_600_000, 100_000_000) },
    childB: { lifetime: life(1_000_000, 50_000_000) },
  });
  for (const node of [a, b])
    assert.deepEqual(node.children[0]?.agreedLifetime, { time: 1_000_000, octets: 50_000_000 });
  // The initiator's is.
  const other = established({
    childA: { lifetime: life(500_000, 10_000_000) },
    childB: { lifetime: life(1_000_000, 50_000_000) },
  });
  for (const node of [other.a, other.b])
    assert.deepEqual(node.children[0]?.agreedLifetime, { time: 500_000, octets: 10_000_000 });
});

test("S25: with session key PFS there is a Diffie-Hellman exchange in the first quick mode and in each later one", () => {
  const pair = established({ child: { proposals: [esp(KeMethod.MODP_2048)] } });
  assert.equal(pair.a.children[0]?.keMethod, KeMethod.MODP_2048);
  rekey(pair, pair.a);
  assert.equal(pair.a.children[0]?.keMethod, KeMethod.MODP_2048);
  rekey(pair, pair.b);
  assert.equal(pair.b.children[0]?.keMethod, KeMethod.MODP_2048);
  assert.equal(pair.b.children[0]?.initiator, true);
  assertOnePair(pair);
});

const TRUTH: readonly (readonly [initiator: boolean, responder: boolean, agreed: number | undefined])[] = [
  [true, true, KeMethod.MODP_2048],
  [true, false, KeMethod.MODP_2048],
  [false, false, 0],
  [false, true, undefined],
];

for (const [i, r, agreed] of TRUTH)
  test(`S26: session key PFS of initiator ${i ? "on" : "off"}, of responder ${r ? "on" : "off"}: ${agreed === undefined ? "NO-PROPOSAL-CHOSEN" : agreed === 0 ? "without" : "with main mode's group"}`, () => {
    const of = (pfs: boolean): readonly Proposal[] => [pfs ? esp(KeMethod.MODP_2048) : esp()];
    const pair = pairOf({ childA: { proposals: of(i) }, childB: { proposals: of(r) } });
    initiate(pair.a);
    pair.sim.driveFor(60_000);
    if (agreed === undefined) {
      assert.deepEqual(refusals(pair), [
        ["quick mode", "NO-PROPOSAL-CHOSEN", "peer"],
        ["quick mode", "NO-PROPOSAL-CHOSEN", "us"],
      ]);
      assert.equal(pair.a.installed.size + pair.b.installed.size, 0);
      assert.equal(pair.a.loose.size + pair.b.loose.size, 0);
      return;
    }
    assertOnePair(pair);
    assert.equal(pair.a.children[0]?.keMethod, agreed);
  });

test("S27: the group of quick mode is main mode's where the child says so, whatever its proposals name", () => {
  const sides: Sides = {
    both: { proposals: [mainModeProposal(KeMethod.ECP_256)] },
    child: { sessionPfs: "main-mode-group", proposals: [esp(KeMethod.MODP_2048)] },
  };
  const pair = established(sides);
  assert.equal(pair.a.children[0]?.keMethod, KeMethod.ECP_256);
  rekey(pair, pair.a);
  assert.equal(pair.a.children[0]?.keMethod, KeMethod.ECP_256);
});

test("S30: with the commit bit quick mode has four messages, and nothing is sent before CONNECTED (RFC 2408 §3.1)", () => {
  const pair = pairOf({ b: { v1: { ...V1, commitBit: "always" } } });
  const { sim, a, b } = pair;
  mainModeAlone(a);
  sim.driveFor(5_000);
  sim.held = [];
  initiate(a);
  sim.deliver(b);
  const [answer] = sentOf(pair, Exchange.QUICK_MODE).slice(-1);
  assert.ok(((answer && decodeHeader(answer.octets).flags) ?? 0) & IsakmpFlag.COMMIT);
  sim.deliver(a);
  assert.deepEqual(
    [...a.installed.values()].map(({ outbound }) => outbound),
    [false],
  );
  sim.deliver(b);
  // <--  HDR*, HASH(4), N(CONNECTED)
  sim.deliver(a);
  assertOnePair(pair);
  assert.equal(sentOf(pair, Exchange.QUICK_MODE).length, 4);
  sim.held = undefined;
  sim.driveFor(60_000);
  assert.equal(a.engine.nextTimeout, undefined);
  assert.equal(sentOf(pair, Exchange.QUICK_MODE).length, 4);
});

test("S30: the same of a rekey of ours: the former pair carries until CONNECTED has come (RFC 2408 §3.1)", () => {
  const pair = established({ b: { v1: { ...V1, commitBit: "always" } } });
  const { sim, a, b } = pair;
  const [former] = a.installed.values();
  sim.held = [];
  a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
  for (const node of [b, a, b]) sim.deliver(node);
  const uses = () => [...a.installed.values()].map(({ outbound }) => outbound);
  assert.deepEqual(uses(), [true, false]);
  sim.deliver(a);
  sim.held = undefined;
  sim.driveFor(60_000);
  assertOnePair(pair);
  assert.ok(former !== undefined && !a.installed.has(former.child.id));
  assert.deepEqual([a.counter("child_rekeyed"), b.counter("child_rekeyed")], [1, 1]);
});

test("S30: without it there are three, also where the peer's commit bit is not to be answered", () => {
  for (const commitBit of ["never", "when-asked"] as const) {
    const pair = established({ both: { v1: { ...V1, commitBit } } });
    assert.equal(sentOf(pair, Exchange.QUICK_MODE).length, 3);
    assertOnePair(pair);
  }
});

test("S30: CONNECTED that is lost is asked for by repeats of message 3", () => {
  const pair = pairOf({ b: { v1: { ...V1, commitBit: "always" } } });
  const { sim, a, b } = pair;
  mainModeAlone(a);
  sim.driveFor(5_000);
  sim.held = [];
  initiate(a);
  for (const node of [b, a, b]) sim.deliver(node);
  sim.held = undefined;
  sim.driveFor(60_000);
  assertOnePair(pair);
});

const SUITES: readonly (readonly [name: string, sides: Sides, protocol: string, integrityOctets: number])[] = [
  ["AH", { child: { proposals: [ah()] } }, "ah", 32],
  ["ESP", { child: { proposals: [esp()] } }, "esp", 32],
  [
    "ESP with NULL encryption (S60)",
    { child: { proposals: [proposal(ProtocolId.ESP, [ENCR, Encryption.NULL], [INTEG, Integrity.HMAC_SHA1_96])] } },
    "esp",
    20,
  ],
  [
    "ESP with 3DES and MD5 (S59)",
    { child: { proposals: [proposal(ProtocolId.ESP, [ENCR, Encryption.TRIPLE_DES], [INTEG, Integrity.HMAC_MD5_96])] } },
    "esp",
    16,
  ],
  [
    "ESP with DES and SHA1 (S60)",
    { child: { proposals: [proposal(ProtocolId.ESP, [ENCR, Encryption.DES], [INTEG, Integrity.HMAC_SHA1_96])] } },
    "esp",
    20,
  ],
  [
    "ESP with AES-GCM",
    { child: { proposals: [proposal(ProtocolId.ESP, [ENCR, Encryption.AES_GCM_16, 256])] } },
    "esp",
    0,
  ],
  ["transport mode", { child: { mode: "transport", local: DYNAMIC, remote: DYNAMIC } }, "esp", 32],
];

for (const [name, sides, protocol, integrityOctets] of SUITES)
  test(`S58: ${name}: one inbound and one outbound SA, each with SPI and keys of its own`, () => {
    const pair = established(sides);
    assertOnePair(pair);
    const [x, y] = [pair.a.children[0], pair.b.children[0]];
    assert.ok(x !== undefined && y !== undefined);
    assert.equal(x.protocol, protocol);
    assert.equal(x.inbound.integrityKey.length, integrityOctets);
    assert.ok(allDifferent(keysOf(pair.a)));
    assert.deepEqual([x.inbound, x.outbound], [y.outbound, y.inbound]);
    assert.equal(x.mode, sides.child?.mode ?? "tunnel");
  });

test("S58: AH over ESP is one quick mode with two protocols, four SAs and four keys (RFC 2408 §4.2)", () => {
  for (const group of [0, KeMethod.MODP_2048]) {
    const pair = established({
      child: { proposals: [group === 0 ? esp() : esp(group)], outerProposals: [ah()] },
    });
    assertOnePair(pair);
    assert.equal(quickModes(pair), 1);
    const [x, y] = [pair.a.children[0], pair.b.children[0]];
    assert.equal(x?.protocol, "esp");
    assert.equal(x?.outerAh?.protocol, "ah");
    assert.ok(allDifferent(keysOf(pair.a)));
    assert.deepEqual([x?.outerAh?.inbound, x?.outerAh?.outbound], [y?.outerAh?.outbound, y?.outerAh?.inbound]);
    rekey(pair, pair.a);
    assertOnePair(pair);
    assert.equal(pair.a.children[0]?.outerAh?.protocol, "ah");
  }
});

test("S62: both ways to key, and the report says which: refresh of main mode's key, or an exchange of its own", () => {
  for (const [group, words] of [
    [0, /refresh of main mode's key/],
    [KeMethod.MODP_2048, /Diffie-Hellman exchange of its own/],
  ] as const) {
    const pair = established({ child: { proposals: [group === 0 ? esp() : esp(group)] } });
    rekey(pair, pair.a);
    for (const node of [pair.a, pair.b]) assert.match(node.reportsOf("rekey")[0]?.result ?? "", words);
  }
});

test("S65: everything of quick mode is enciphered (RFC 2409 §5.5)", () => {
  const pair = established();
  for (const { octets: message } of sentOf(pair, Exchange.QUICK_MODE))
    assert.ok(decodeHeader(message).flags & IsakmpFlag.ENCRYPTION);
});

test("S35: what is handed over is key, protocol and SPI of both directions, and where it goes", () => {
  const [x] = established().a.children;
  assert.ok(x !== undefined);
  assert.notEqual(x.inbound.spi, x.outbound.spi);
  assert.deepEqual([x.local.port, x.remote.port, x.encapsulation], [500, 500, "none"]);
});

test("a peer whose selectors are not ours hears INVALID-ID-INFORMATION, and both sides say what differs", () => {
  const pair = pairOf({ childB: { remote: DYNAMIC } });
  initiate(pair.a);
  pair.sim.driveFor(60_000);
  assert.deepEqual(refusals(pair), [
    ["quick mode", "INVALID-ID-INFORMATION", "peer"],
    ["quick mode", "INVALID-ID-INFORMATION", "us"],
  ]);
  assert.match(pair.b.reportsOf("failed")[0]?.reason ?? "", /10\.2\.0\.0\/16 === 10\.1\.0\.0\/16/);
});

test("S51: a refusal with alternatives is shown by the initiator as a difference", () => {
  const other = proposal(ProtocolId.ESP, [ENCR, Encryption.AES_CBC, 256], [INTEG, Integrity.HMAC_SHA2_256_128]);
  const pair = pairOf({ both: { alternatives: true }, childB: { proposals: [other] } });
  initiate(pair.a);
  pair.sim.driveFor(60_000);
  const reason = pair.a.reportsOf("failed")[0]?.reason ?? "";
  assert.match(reason, /it would take: no common encryption/);
  assert.match(reason, /^- ESP aes128-sha256 tunnel$/m);
  assert.match(reason, /^\+ ESP aes256-sha256 tunnel$/m);
});

for (const mode of ["tunnel", "transport"] as const)
  test(`${mode} mode goes in UDP where a NAT was found or an operator wants it (RFC 3947 §5.1, §5.2)`, () => {
    const ends = mode === "transport" ? { local: DYNAMIC, remote: DYNAMIC } : {};
    const pair = established({ both: { encap: true }, child: { mode, ...ends } });
    assertOnePair(pair);
    for (const node of [pair.a, pair.b]) {
      const [child] = node.children;
      assert.deepEqual([child?.encapsulation, child?.mode, child?.remote.port], ["udp", mode, 4500]);
    }
    rekey(pair, pair.b);
    assertOnePair(pair);
    assert.equal(pair.a.children[0]?.encapsulation, "udp");
  });

test("IPv6, one protocol and port, and a host of a subnet: what is narrower than the responder's is taken (RFC 2409 §5.5)", () => {
  const side = (text: string, protocol: number, port: number) => {
    const selector = prefixSelector(prefix(text), protocol, port, port === 0 ? 65535 : port);
    return [{ kind: "fixed", selector } as const];
  };
  const pair = established({
    childA: { local: side("2001:db8:1::7/128", 6, 443), remote: side("2001:db8:2::/64", 6, 0) },
    childB: { local: side("2001:db8:2::/48", 0, 0), remote: side("2001:db8:1::/48", 0, 0) },
  });
  assertOnePair(pair);
  const [x, y] = [pair.a.children[0], pair.b.children[0]];
  assert.deepEqual([x?.localSelectors, x?.remoteSelectors], [y?.remoteSelectors, y?.localSelectors]);
  assert.equal(y?.remoteSelectors.map(selectorToString).join(), "2001:db8:1::7[6/443-443]");
  // What replaces it is for the same packets.
  rekey(pair, pair.a);
  assertOnePair(pair);
});

test("a child of several networks has a pair for each two that packets need, asked for once (RFC 2409 §5.5)", () => {
  const networks = (...texts: readonly string[]) =>
    texts.map((text) => ({ kind: "fixed", selector: prefixSelector(prefix(text), 0, 0, 65535) }) as const);
  const left = networks("10.1.0.0/16", "10.3.0.0/16");
  const right = networks("10.2.0.0/16", "10.4.0.0/16");
  const pair = pairOf({ childA: { local: left, remote: right }, childB: { local: right, remote: left } });
  const packet = (local: string, remote: string) => ({
    local: prefixSelector(prefix(local), 17, 5000, 5000),
    remote: prefixSelector(prefix(remote), 17, 6000, 6000),
  });
  const wish = (local: string, remote: string) =>
    pair.a.give({
      kind: "initiate",
      connection: "gw",
      child: "net",
      packet: packet(`${local}/32`, `${remote}/32`),
      trigger: "trap",
    });
  initiate(pair.a);
  wish("10.3.0.7", "10.4.0.9");
  wish("10.3.0.8", "10.4.0.10");
  pair.sim.driveFor(10_000);
  wish("10.3.0.9", "10.4.0.11");
  wish("10.1.0.9", "10.2.0.11");
  pair.sim.driveFor(10_000);
  const named = pair.a.children.map((child) =>
    [child.localSelectors, child.remoteSelectors].map((side) => side.map(selectorToString).join()).join(" "),
  );
  assert.deepEqual(named.sort(), ["10.1.0.0/16 10.2.0.0/16", "10.3.0.0/16 10.4.0.0/16"]);
  assert.equal(pair.b.children.length, 2);
});

test("S59: MD5, SHA-1 and SHA-2 protect integrity as quick mode chose", () => {
  for (const [integrity, length] of [
    [Integrity.HMAC_MD5_96, 16],
    [Integrity.HMAC_SHA1_96, 20],
    [Integrity.HMAC_SHA2_512_256, 64],
  ] as const) {
    const pair = established({ child: { proposals: [proposal(ProtocolId.AH, [INTEG, integrity])] } });
    assert.equal(pair.b.children[0]?.inbound.integrityKey.length, length);
    assertOnePair(pair);
  }
});

test("S60: DES, 3DES and AES encrypt as quick mode chose, and NULL where no encryption is asked for", () => {
  for (const [encryption, keyBits, length] of [
    [Encryption.DES, 0, 8],
    [Encryption.TRIPLE_DES, 0, 24],
    [Encryption.AES_CBC, 256, 32],
    [Encryption.NULL, 0, 0],
  ] as const) {
    const proposals = [proposal(ProtocolId.ESP, [ENCR, encryption, keyBits], [INTEG, Integrity.HMAC_SHA1_96])];
    const pair = established({ child: { proposals } });
    assert.equal(pair.b.children[0]?.inbound.encryptionKey.length, length);
    assertOnePair(pair);
  }
});

test("S61: two SAs come of a quick mode, one a direction, each with an SPI and a key of its own", () => {
  const { a, b } = established();
  const [x, y] = [a.children[0], b.children[0]];
  assert.ok(x !== undefined && y !== undefined);
  assert.notEqual(x.inbound.spi, x.outbound.spi);
  assert.ok(allDifferent(keysOf(a)));
  assert.deepEqual([x.inbound, x.outbound], [y.outbound, y.inbound]);
});

test("S63: each quick mode makes new keys for integrity and encryption", () => {
  const pair = established();
  const keys = keysOf(pair.a);
  for (let i = 0; i < 3; i++) {
    rekey(pair, pair.a);
    keys.push(...keysOf(pair.a));
  }
  assert.equal(keys.length, 8);
  assert.ok(allDifferent(keys));
});

test("S16: lives of master and session key are each negotiated", () => {
  const pair = established({ both: { rekeyTime: millis(3_000_000), overTime: millis(600_000) } });
  assert.ok(Number.isFinite(pair.a.sas[0]?.expiresAt ?? Number.NaN));
  assert.equal(pair.a.children[0]?.agreedLifetime?.time, pair.b.children[0]?.agreedLifetime?.time);
  assert.notEqual(pair.a.children[0]?.agreedLifetime?.time, 3_600_000);
});
