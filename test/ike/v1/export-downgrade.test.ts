// S77: a peer without strong encryption is offered DES once it has refused 3DES, where a connection says so and never in silence.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChildConfig, type Connection, DEFAULT_CONNECTION_POLICY } from "#core/connection";
import { type Proposal, ProtocolId, TransformType } from "#core/proposal";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { Encryption, Integrity } from "#crypto/transforms";
import { type EstablishedPair, initiate } from "#test/sim/ike-established";
import { isakmpProposal, states } from "#test/sim/ikev1-pair";
import { decodeHeader } from "#wire/ike/header";
import { encodeMessage } from "#wire/ike/v1/chain";
import { notify } from "#wire/ike/v1/notify";
import { Exchange, NotifyType } from "#wire/ike/v1/numbers";
import { mainModes, pairOf, proposal, quickModes, rekey, sentOf } from "./phase2-pair.ts";

const { ENCR, INTEG } = TransformType;
const ON: Partial<Connection> = { v1: { ...DEFAULT_CONNECTION_POLICY.v1, exportDowngrade: true } };

function isakmp(encryption: number): Partial<Connection> {
  return { proposals: [isakmpProposal({ encryption, keyBits: 0, prf: PrfId.HMAC_SHA1, group: KeMethod.MODP_1024 })] };
}

function esp(encryption: number): Partial<ChildConfig> {
  const made: Proposal = proposal(ProtocolId.ESP, [ENCR, encryption], [INTEG, Integrity.HMAC_SHA1_96]);
  return { proposals: [made] };
}

const { DES, TRIPLE_DES } = Encryption;

/** `a` wants 3DES everywhere, and `b` takes these. */
function pair(main: number, quick: number, over: Partial<Connection> = ON): EstablishedPair {
  const made = pairOf({
    a: { ...isakmp(TRIPLE_DES), ...over },
    b: isakmp(main),
    childA: esp(TRIPLE_DES),
    childB: esp(quick),
    options: { jobs: "real" },
  });
  initiate(made.a);
  made.sim.driveFor(10_000);
  return made;
}

function warnings({ a }: EstablishedPair): string[] {
  return a.reportsOf("warning").map(({ text }) => text);
}

test("S77: main mode refused with 3DES is repeated once with DES, in a new main mode, and said aloud", () => {
  const made = pair(DES, TRIPLE_DES);
  assert.deepEqual([states(made.a), states(made.b)], [["established"], ["established"]]);
  assert.equal(made.a.sas[0]?.suite, "des-sha1-modp1024");
  assert.equal(mainModes(made), 2);
  assert.equal(made.a.children.length, 1);
  assert.match(warnings(made).join(), /refused 3des.*des for IKE/);
  assert.equal(made.a.counter("export_downgrades"), 1);
  assert.deepEqual(made.a.reportsOf("failed"), []);
});

test("S77: quick mode likewise; its rekey begins with 3DES again, and every DES is said aloud", () => {
  const made = pair(TRIPLE_DES, DES);
  assert.deepEqual([made.a.children.length, made.b.children.length], [1, 1]);
  assert.deepEqual([mainModes(made), quickModes(made)], [1, 2]);
  assert.match(warnings(made).join(), /refused 3des.*des for its packets/);
  assert.equal(made.a.counter("export_downgrades"), 1);
  assert.deepEqual(made.a.reportsOf("failed"), []);
  rekey(made, made.a, 60_000);
  assert.deepEqual([made.a.children.length, made.b.children.length], [1, 1]);
  assert.deepEqual([made.a.counter("child_rekeyed"), made.a.counter("export_downgrades")], [1, 2]);
  assert.equal(warnings(made).length, 2);
});

test("S77: a peer that has neither: one attempt each, then it fails as ever", () => {
  const made = pair(Encryption.AES_CBC, DES, { ...ON, keyingTries: 1 });
  assert.equal(mainModes(made), 2);
  assert.deepEqual([made.a.sas, made.a.counter("export_downgrades")], [[], 1]);
  assert.deepEqual(
    made.a.reportsOf("failed").map(({ notify: type, from }) => [type, from]),
    [["NO-PROPOSAL-CHOSEN", "peer"]],
  );
});

test("S77: off by default, main mode and quick mode fail then", () => {
  for (const [main, quick] of [
    [DES, DES],
    [TRIPLE_DES, DES],
  ] as const) {
    const made = pair(main, quick, { keyingTries: 1 });
    assert.deepEqual([mainModes(made), made.a.children, made.a.counter("export_downgrades")], [1, [], 0]);
    assert.equal(made.a.reportsOf("failed")[0]?.notify, "NO-PROPOSAL-CHOSEN");
    assert.deepEqual(warnings(made), []);
  }
});

test("S77: nothing but NO-PROPOSAL-CHOSEN, and nothing after the peer has chosen, weakens a main mode", () => {
  for (const [type, at] of [
    [NotifyType.PAYLOAD_MALFORMED, 0],
    [NotifyType.NO_PROPOSAL_CHOSEN, 2],
  ] as const) {
    const made = pairOf({ a: { ...isakmp(TRIPLE_DES), ...ON, keyingTries: 1 }, b: isakmp(TRIPLE_DES) });
    made.sim.held = [];
    initiate(made.a);
    if (at > 0) for (const node of [made.b, made.a]) made.sim.deliver(node);
    const first = made.sim.sent.at(-1);
    assert.ok(first !== undefined);
    const { initiatorSpi, responderSpi } = decodeHeader(first.octets);
    const outer = { initiatorSpi, responderSpi, majorVersion: 1, minorVersion: 0, flags: 0, messageId: 7 };
    const refusal = encodeMessage({ ...outer, exchangeType: Exchange.INFORMATIONAL }, [notify(type, 1)]);
    made.sim.arrive({ octets: refusal, from: first.to, to: first.from });
    assert.deepEqual([made.a.counter("export_downgrades"), warnings(made)], [0, []]);
    assert.equal(made.a.reportsOf("failed").length, 1);
  }
});

const AGGRESSIVE = { aggressive: true, aggressivePsk: true } as const;

/** The same with aggressive mode, which both sides were told to take. */
function aggressivePair(main: number, { v1, ...over }: Partial<Connection> = ON): EstablishedPair {
  const { v1: defaults } = DEFAULT_CONNECTION_POLICY;
  const made = pairOf({
    a: { ...isakmp(TRIPLE_DES), ...over, v1: { ...(v1 ?? defaults), ...AGGRESSIVE } },
    b: { ...isakmp(main), v1: { ...defaults, ...AGGRESSIVE } },
    childA: esp(TRIPLE_DES),
    childB: esp(TRIPLE_DES),
    options: { jobs: "real" },
  });
  initiate(made.a);
  made.sim.driveFor(10_000);
  return made;
}

/** Aggressive modes by the cookie of who began. */
function aggressiveModes(made: EstablishedPair): number {
  return new Set(sentOf(made, Exchange.AGGRESSIVE).map(({ octets }) => decodeHeader(octets).initiatorSpi)).size;
}

test("S77: aggressive mode refused with 3DES is repeated once with DES, in a new aggressive mode, and said aloud", () => {
  const made = aggressivePair(DES);
  assert.deepEqual([states(made.a), states(made.b)], [["established"], ["established"]]);
  assert.equal(made.a.sas[0]?.suite, "des-sha1-modp1024");
  assert.deepEqual([aggressiveModes(made), mainModes(made)], [2, 0]);
  assert.deepEqual([made.a.children.length, made.b.children.length], [1, 1]);
  assert.equal(warnings(made).filter((text) => /refused 3des.*des for IKE/.test(text)).length, 1);
  assert.equal(made.a.counter("export_downgrades"), 1);
  assert.deepEqual(made.a.reportsOf("failed"), []);
  assert.deepEqual([made.a.loose.size, made.b.loose.size], [0, 0]);
});

test("S77: aggressive mode, a peer that takes 3DES: nothing is weakened; its renewal begins with 3DES too", () => {
  const made = aggressivePair(TRIPLE_DES);
  assert.equal(made.a.sas[0]?.suite, "3des-sha1-modp1024");
  assert.deepEqual([aggressiveModes(made), made.a.counter("export_downgrades")], [1, 0]);
  made.a.give({ kind: "rekey-ike", ike: made.a.sas[0]?.id ?? 0, trigger: "operator" });
  made.sim.driveFor(60_000);
  assert.equal(made.a.sas.at(-1)?.suite, "3des-sha1-modp1024");
  assert.deepEqual([aggressiveModes(made), made.a.counter("export_downgrades")], [2, 0]);
});

test("S77: aggressive mode, a renewal of one with DES begins with 3DES again, and every DES is said aloud", () => {
  const made = aggressivePair(DES);
  made.a.give({ kind: "rekey-ike", ike: made.a.sas[0]?.id ?? 0, trigger: "operator" });
  made.sim.driveFor(60_000);
  assert.deepEqual([aggressiveModes(made), made.a.counter("export_downgrades")], [4, 2]);
  assert.equal(made.a.sas.at(-1)?.suite, "des-sha1-modp1024");
  assert.equal(warnings(made).filter((text) => /des for IKE/.test(text)).length, 2);
});

test("S77: aggressive mode, a peer that has neither: one attempt each, then it fails as ever", () => {
  const made = aggressivePair(Encryption.AES_CBC, { ...ON, keyingTries: 1 });
  assert.equal(aggressiveModes(made), 2);
  assert.deepEqual([made.a.sas, made.a.counter("export_downgrades")], [[], 1]);
  assert.deepEqual(
    made.a.reportsOf("failed").map(({ notify: type, from, stage }) => [type, from, stage]),
    [["NO-PROPOSAL-CHOSEN", "peer", "aggressive mode"]],
  );
});

test("S77: off by default, aggressive mode fails then", () => {
  const made = aggressivePair(DES, { keyingTries: 1 });
  assert.deepEqual([aggressiveModes(made), made.a.counter("export_downgrades")], [1, 0]);
  assert.equal(made.a.reportsOf("failed")[0]?.notify, "NO-PROPOSAL-CHOSEN");
  assert.deepEqual(
    warnings(made).filter((text) => /des for/.test(text)),
    [],
  );
});

test("S77: aggressive mode is not weakened by another notification, nor by one after the peer has answered", () => {
  for (const [type, answered] of [
    [NotifyType.PAYLOAD_MALFORMED, false],
    [NotifyType.UNSUPPORTED_EXCHANGE_TYPE, false],
    [NotifyType.NO_PROPOSAL_CHOSEN, true],
  ] as const) {
    const { v1 } = DEFAULT_CONNECTION_POLICY;
    const both = { ...isakmp(TRIPLE_DES), keyingTries: 1, v1: { ...v1, ...AGGRESSIVE, exportDowngrade: true } };
    const made = pairOf({ both });
    made.sim.held = [];
    initiate(made.a);
    made.sim.runJobs();
    const [first] = made.sim.sent;
    assert.ok(first !== undefined);
    if (answered) for (const node of [made.b, made.a]) made.sim.deliver(node);
    const { initiatorSpi, responderSpi } = decodeHeader(made.sim.sent.at(-1)?.octets ?? first.octets);
    const outer = { initiatorSpi, responderSpi, majorVersion: 1, minorVersion: 0, flags: 0, messageId: 7 };
    const refusal = encodeMessage({ ...outer, exchangeType: Exchange.INFORMATIONAL }, [notify(type, 1)]);
    made.sim.arrive({ octets: refusal, from: first.to, to: first.from });
    assert.equal(made.a.counter("export_downgrades"), 0);
    assert.equal(made.a.reportsOf("failed").length, answered ? 0 : 1);
    assert.deepEqual(states(made.a), answered ? ["established"] : []);
  }
});
