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
import { mainModes, pairOf, proposal, quickModes, rekey } from "./phase2-pair.ts";

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
