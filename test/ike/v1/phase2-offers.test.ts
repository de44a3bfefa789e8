// Proposals of quick mode (RFC 2409 §5.5, RFC 2407 §4.5): offered, chosen, checked.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildConfig } from "#core/connection";
import { type Proposal, ProtocolId, TransformType } from "#core/proposal";
import { millis, octets, spi } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { integrityByName } from "#crypto/transforms";
import { childSuiteName } from "#ike/suite";
import type { OfferRefused } from "#ike/v1/phase1-offers";
import {
  checkPhase2Answer,
  choosePhase2,
  type OwnSpis,
  type Phase2Agreement,
  type Phase2Choice,
  phase2Answer,
  phase2Gaps,
  phase2Group,
  phase2Offer,
} from "#ike/v1/phase2-offers";
import type { Phase2Policy } from "#ike/v1/phase2-parameters";
import { ah, esp } from "#test/ike/transforms";
import { toHex } from "#test/vectors/load";
import { type Attribute, attribute } from "#wire/ike/v1/attributes";
import { IpsecAttribute, NotifyType, Protocol } from "#wire/ike/v1/numbers";
import type { SaPayload, SaTransform } from "#wire/ike/v1/sa";

const OURS: OwnSpis = { esp: spi(0x11111111), ah: spi(0x22222222) };
const THEIRS: OwnSpis = { esp: spi(0x33333333), ah: spi(0x44444444) };
const NO_LIMIT = Number.POSITIVE_INFINITY;

type Wish = Partial<Pick<ChildConfig, "mode" | "proposals" | "outerProposals" | "sessionPfs">> &
  Partial<Pick<Phase2Policy, "isakmpGroup" | "encapsulation">> & {
    readonly seconds?: number;
    readonly octets?: number;
  };

function policy(proposals: readonly Proposal[], wish: Wish = {}): Phase2Policy {
  const { mode = "tunnel", outerProposals = [], sessionPfs = "by-proposal" } = wish;
  const lifetime = {
    rekeyTime: millis(NO_LIMIT),
    lifeTime: millis((wish.seconds ?? 3600) * 1000),
    randTime: millis(0),
    rekeyOctets: octets(NO_LIMIT),
    lifeOctets: octets(wish.octets ?? NO_LIMIT),
    randOctets: octets(0),
    rekeyPackets: NO_LIMIT,
    lifePackets: NO_LIMIT,
    randPackets: 0,
  };
  return {
    child: { mode, proposals, outerProposals, sessionPfs, lifetime },
    isakmpGroup: wish.isakmpGroup ?? KeMethod.MODP_2048,
    encapsulation: wish.encapsulation ?? "none",
  };
}

function offer(one: Phase2Policy, spis: OwnSpis = THEIRS): SaPayload {
  const sa = phase2Offer(one, spis);
  assert.ok(sa);
  return sa;
}

function chosen(result: Phase2Choice | OfferRefused): Phase2Choice {
  assert.ok(result.kind === "chosen", result.kind === "refused" ? result.why : "");
  return result;
}

function refused(result: { readonly kind: string } | OfferRefused): OfferRefused {
  assert.ok("why" in result, `it was ${result.kind}`);
  return result;
}

function values(transform: SaTransform | undefined): ReadonlyMap<number, number> {
  const number = ({ value }: Attribute) => value.reduce((sum, one) => sum * 256 + one, 0);
  return new Map((transform?.attributes ?? []).map((one) => [one.type, number(one)]));
}

/** Both sides in a row: the offer, the choice, the answer, its check. */
function agree(theirs: Phase2Policy, ours: Phase2Policy): { initiator: Phase2Agreement; responder: Phase2Choice } {
  const sent = offer(theirs);
  const responder = chosen(choosePhase2(sent, ours));
  const initiator = checkPhase2Answer(sent, phase2Answer(responder, OURS), theirs);
  assert.ok(initiator.kind === "agreed", "why" in initiator ? initiator.why : "");
  return { initiator, responder };
}

test("one transform says mode, algorithms, lifetime, group and sequence numbers (RFC 2407 §4.5, RFC 4304 §3.2)", () => {
  const [proposal, ...others] = offer(
    policy([esp("aes256-sha384-modp2048-esn")], { seconds: 7200, octets: 100_000_000 }),
  ).proposals;
  assert.deepEqual(others, []);
  assert.deepEqual([proposal?.number, proposal?.protocol, toHex(proposal?.spi)], [1, Protocol.IPSEC_ESP, "33333333"]);
  const [transform] = proposal?.transforms ?? [];
  assert.equal(transform?.id, 12);
  assert.deepEqual(
    transform?.attributes.map(({ type, value }) => [type, toHex(value)]),
    [
      [IpsecAttribute.SA_LIFE_TYPE, "0001"],
      [IpsecAttribute.SA_LIFE_DURATION, "1c20"],
      [IpsecAttribute.SA_LIFE_TYPE, "0002"],
      [IpsecAttribute.SA_LIFE_DURATION, "000186a0"],
      [IpsecAttribute.GROUP_DESCRIPTION, "000e"],
      [IpsecAttribute.ENCAPSULATION_MODE, "0001"],
      [IpsecAttribute.AUTHENTICATION_ALGORITHM, "0006"],
      [IpsecAttribute.KEY_LENGTH, "0100"],
      [IpsecAttribute.EXTENDED_SEQUENCE_NUMBER, "0001"],
    ],
  );
});

type Row = readonly [text: string, transform: number, keyBits: number, authentication: number];

function proveNumbers(kind: typeof esp, rows: readonly Row[]): void {
  for (const [text, transform, keyBits, authentication] of rows) {
    const one = policy([kind(text)]);
    const [offered] = offer(one).proposals[0]?.transforms ?? [];
    const found = values(offered);
    const { AUTHENTICATION_ALGORITHM, KEY_LENGTH } = IpsecAttribute;
    const numbers = [offered?.id, found.get(KEY_LENGTH) ?? 0, found.get(AUTHENTICATION_ALGORITHM) ?? 0];
    assert.deepEqual(numbers, [transform, keyBits, authentication], text);
    const { initiator, responder } = agree(one, one);
    assert.equal(childSuiteName(initiator.inner.suite), text);
    assert.equal(childSuiteName(responder.inner.suite), text);
  }
}

test("S58, S59, S60: every algorithm of ESP has IANA's number and comes back as itself, NULL too (RFC 2407 §4.4.4)", () => {
  proveNumbers(esp, [
    ["des-md5", 2, 0, 1],
    ["3des-sha1", 3, 0, 2],
    ["null-sha256", 11, 0, 5],
    ["aes128-sha384", 12, 128, 6],
    ["aes192-sha512", 12, 192, 7],
    ["aes256-aesxcbc", 12, 256, 9],
    ["aes128ctr-sha1", 13, 128, 2],
    ["aes128ccm8", 14, 128, 0],
    ["aes192ccm12", 15, 192, 0],
    ["aes256ccm16", 16, 256, 0],
    ["aes128gcm8", 18, 128, 0],
    ["aes192gcm12", 19, 192, 0],
    ["aes256gcm16", 20, 256, 0],
    ["aes128gmac", 23, 128, 0],
    ["aes256gmac", 23, 256, 0],
  ]);
});

/** GMAC is called the same as cipher and as integrity. */
function integrityAlone(name: string): Proposal {
  const id = integrityByName(name)?.id ?? 0;
  return { protocol: ProtocolId.AH, transforms: [{ type: TransformType.INTEG, id, keyBits: 0 }] };
}

test("S58: every algorithm of AH has IANA's numbers, as transform and as attribute (RFC 2407 §4.4.3)", () => {
  proveNumbers(integrityAlone, [
    ["md5", 2, 0, 1],
    ["sha1", 3, 0, 2],
    ["sha256", 5, 0, 5],
    ["sha384", 6, 0, 6],
    ["sha512", 7, 0, 7],
    ["aesxcbc", 9, 0, 9],
    ["aes128gmac", 11, 0, 11],
    ["aes192gmac", 12, 0, 12],
    ["aes256gmac", 13, 0, 13],
  ]);
  // The attribute says another one than the transform.
  const sa = offer(policy([ah("sha1")]));
  const crossed = changed(sa, (all) => all.map((one) => (one.type === 5 ? attribute(5, 1) : one)));
  assert.equal(refused(choosePhase2(crossed, policy([ah("sha1-md5")]))).notify, NotifyType.NO_PROPOSAL_CHOSEN);
});

/** Every transform of it. */
function changed(sa: SaPayload, change: (attributes: readonly Attribute[]) => readonly Attribute[]): SaPayload {
  const proposals = sa.proposals.map((one) => ({
    ...one,
    transforms: one.transforms.map((transform) => ({ ...transform, attributes: change(transform.attributes) })),
  }));
  return { kind: "SA", proposals };
}

test("both SPIs come through: the initiator's in the offer, the responder's in the answer", () => {
  const one = policy([esp("aes128-sha256")]);
  const { initiator, responder } = agree(one, one);
  assert.equal(responder.inner.peerSpi, THEIRS.esp);
  assert.equal(initiator.inner.peerSpi, OURS.esp);
});

test("AH over ESP is one proposal of two protocols, each with its SPI and its own transform (RFC 2408 §4.2)", () => {
  const theirs = policy([esp("3des-aes128-sha1")], { outerProposals: [ah("md5-sha1")] });
  const ours = policy([esp("aes128-sha1")], { outerProposals: [ah("sha1-sha256")] });
  const sent = offer(theirs);
  assert.deepEqual(
    sent.proposals.map(({ number, protocol, spi: octets }) => [number, protocol, toHex(octets)]),
    [
      [1, Protocol.IPSEC_AH, "44444444"],
      [1, Protocol.IPSEC_ESP, "33333333"],
    ],
  );
  const { initiator, responder } = agree(theirs, ours);
  for (const [side, peer] of [
    [initiator, OURS],
    [responder, THEIRS],
  ] as const) {
    assert.deepEqual([side.inner.suite.protocol, childSuiteName(side.inner.suite)], ["esp", "aes128-sha1"]);
    assert.ok(side.outerAh);
    assert.deepEqual([side.outerAh.suite.protocol, childSuiteName(side.outerAh.suite)], ["ah", "sha1"]);
    assert.deepEqual([side.inner.peerSpi, side.outerAh.peerSpi], [peer.esp, peer.ah]);
  }
  const answer = phase2Answer(responder, OURS);
  assert.deepEqual(
    answer.proposals.map(({ protocol, transforms, spi: octets }) => [protocol, transforms[0]?.number, toHex(octets)]),
    [
      [Protocol.IPSEC_AH, 2, "22222222"],
      [Protocol.IPSEC_ESP, 2, "11111111"],
    ],
  );
});

test("who wants AH over ESP takes neither alone, and nobody takes half of an offer of both", () => {
  const bundle = policy([esp("aes128-sha1")], { outerProposals: [ah("sha1")] });
  const alone = policy([esp("aes128-sha1")]);
  assert.match(
    refused(choosePhase2(offer(alone), bundle)).why,
    /^we want AH over ESP; the peer offers no proposal of both/,
  );
  assert.equal(refused(choosePhase2(offer(bundle), alone)).notify, NotifyType.NO_PROPOSAL_CHOSEN);
  const sent = offer(bundle);
  const responder = chosen(choosePhase2(sent, bundle));
  const half = { ...sent, proposals: phase2Answer(responder, OURS).proposals.slice(0, 1) };
  assert.equal(
    refused(checkPhase2Answer(sent, half, bundle)).why,
    "the peer modified our offer: it took 1 of the 2 protocols of proposal 1",
  );
});

test("ESP or AH: one proposal each, and the responder's order decides", () => {
  const theirs = policy([esp("aes128-sha1"), ah("sha1"), esp("3des-sha1")]);
  const sent = offer(theirs);
  assert.deepEqual(
    sent.proposals.map(({ number, protocol, transforms }) => [number, protocol, transforms.length]),
    [
      [1, Protocol.IPSEC_ESP, 2],
      [2, Protocol.IPSEC_AH, 1],
    ],
  );
  assert.equal(agree(theirs, policy([ah("sha1"), esp("aes128-sha1")])).initiator.inner.suite.protocol, "ah");
  assert.equal(childSuiteName(agree(theirs, policy([esp("3des-aes128-sha1")])).initiator.inner.suite), "3des-sha1");
});

test("S26: initiator and responder with and without PFS of the session key", () => {
  const suites = ["aes128-sha1-modp2048", "aes128-sha1"] as const;
  const results = suites.map((theirs) =>
    suites.map((ours) => {
      const result = choosePhase2(offer(policy([esp(theirs)])), policy([esp(ours)]));
      return result.kind === "chosen" ? result.group : result.notify;
    }),
  );
  assert.deepEqual(results, [
    [KeMethod.MODP_2048, KeMethod.MODP_2048],
    [NotifyType.NO_PROPOSAL_CHOSEN, 0],
  ]);
  assert.equal(
    refused(choosePhase2(offer(policy([esp("aes128-sha1")])), policy([esp("aes128-sha1-modp2048")]))).why,
    "no common PFS group: we allow modp2048; the peer offers none",
  );
  // Without PFS of its own a responder takes main mode's group alone.
  const other = offer(policy([esp("aes128-sha1-modp1024")]));
  assert.equal(
    refused(choosePhase2(other, policy([esp("aes128-sha1")]))).why,
    "no common PFS group: we allow none, modp2048; the peer offers modp1024",
  );
});

test("S27: quick mode has main mode's group unless its own proposals name others", () => {
  const group = (text: string, isakmpGroup: number, sessionPfs: Phase2Policy["child"]["sessionPfs"] = "by-proposal") =>
    phase2Group(policy([esp(text)], { isakmpGroup, sessionPfs }));
  const { MODP_1024, MODP_2048, ECP_256 } = KeMethod;
  assert.equal(group("aes128-sha1", MODP_1024, "main-mode-group"), MODP_1024);
  assert.equal(group("aes128-sha1-modp2048", MODP_1024, "main-mode-group"), MODP_1024);
  assert.equal(group("aes128-sha1-modp2048-modp1024", MODP_1024), MODP_1024);
  assert.equal(group("aes128-sha1-modp2048-ecp256", MODP_1024), MODP_2048);
  assert.equal(group("aes128-sha1-x25519-ecp256", MODP_1024), ECP_256);
  assert.equal(group("aes128-sha1", MODP_1024), 0);
  assert.equal(group("aes128-sha1-none-modp1024", MODP_1024), 0);
  // PFS with a method that IKEv1 does not have is no reason to do without PFS.
  assert.equal(group("aes128-sha1-x25519", MODP_1024), undefined);
  const theirs = policy([esp("aes128-sha1")], { isakmpGroup: ECP_256, sessionPfs: "main-mode-group" });
  assert.equal(agree(theirs, theirs).initiator.group, ECP_256);
});

test("all of an offer has one group: main mode's where proposals differ, and a peer that mixes them is refused (RFC 2409 §5.5)", () => {
  const mixed = policy([esp("aes256-sha1-modp1024"), esp("aes128-sha1-modp2048-ecp256"), esp("3des-sha1")], {
    isakmpGroup: KeMethod.MODP_1024,
  });
  const sent = offer(mixed);
  const groups = sent.proposals.flatMap(({ transforms }) =>
    transforms.map((one) => [one.id, values(one).get(IpsecAttribute.GROUP_DESCRIPTION)]),
  );
  assert.deepEqual(groups, [[12, KeMethod.MODP_1024]]);
  const [proposal] = sent.proposals;
  assert.ok(proposal);
  const second = offer(policy([esp("aes128-sha1-modp2048")])).proposals.map((one) => ({ ...one, number: 2 }));
  const { notify, why } = refused(choosePhase2({ kind: "SA", proposals: [proposal, ...second] }, mixed));
  assert.equal(notify, NotifyType.BAD_PROPOSAL_SYNTAX);
  assert.equal(why, "the peer offers several Diffie-Hellman groups, a quick mode has one (RFC 2409 §5.5)");
});

test("modes and UDP encapsulation: RFC 3947's numbers or its drafts', both taken, the offer by what the peer speaks", () => {
  const { ENCAPSULATION_MODE } = IpsecAttribute;
  const rows = [
    ["tunnel", "none", 1, false],
    ["transport", "none", 2, false],
    ["tunnel", "udp", 3, true],
    ["transport", "udp", 4, true],
    ["tunnel", "draft-udp", 61443, true],
    ["transport", "draft-udp", 61444, true],
  ] as const;
  for (const [mode, encapsulation, number, udp] of rows) {
    const theirs = policy([esp("aes128-sha1")], { mode, encapsulation });
    assert.equal(values(offer(theirs).proposals[0]?.transforms[0]).get(ENCAPSULATION_MODE), number);
    for (const [ownMode, ownEncapsulation, , ownUdp] of rows) {
      const ours = policy([esp("aes128-sha1")], { mode: ownMode, encapsulation: ownEncapsulation });
      const result = choosePhase2(offer(theirs), ours);
      assert.equal(result.kind, ownMode === mode && ownUdp === udp ? "chosen" : "refused", `${number} ${ownMode}`);
      if (result.kind === "chosen") assert.equal(result.udp, udp);
    }
  }
  assert.equal(
    refused(choosePhase2(offer(policy([esp("aes128-sha1")], { mode: "transport" })), policy([esp("aes128-sha1")]))).why,
    "no common encapsulation mode: we allow tunnel; the peer offers transport",
  );
  const without = changed(offer(policy([esp("aes128-sha1")])), (all) =>
    all.filter((one) => one.type !== ENCAPSULATION_MODE),
  );
  assert.equal(
    refused(choosePhase2(without, policy([esp("aes128-sha1")]))).why,
    "transform 1 has no encapsulation mode",
  );
});

test("AH and AH over ESP do not pass a NAT: nothing is offered in their place (RFC 3947 §1)", () => {
  const encapsulation = "udp";
  for (const one of [
    policy([ah("sha1")], { encapsulation }),
    policy([esp("aes128-sha1")], { encapsulation, outerProposals: [ah("sha1")] }),
  ]) {
    assert.equal(phase2Offer(one, OURS), undefined);
    assert.deepEqual(phase2Gaps(one), ["AH does not pass a NAT"]);
    const { why } = refused(choosePhase2(offer(policy([esp("aes128-sha1")], { encapsulation })), one));
    assert.match(why, /AH/);
  }
  const either = policy([ah("sha1"), esp("aes128-sha1")], { encapsulation });
  assert.deepEqual(
    offer(either).proposals.map(({ protocol }) => protocol),
    [Protocol.IPSEC_ESP],
  );
});

test("extended sequence numbers: offered beside plain ones, in the order that is configured (RFC 4304 §3.2)", () => {
  const both = policy([esp("aes128-sha1-esn-noesn")]);
  assert.deepEqual(
    offer(both).proposals[0]?.transforms.map((one) => values(one).get(IpsecAttribute.EXTENDED_SEQUENCE_NUMBER)),
    [1, undefined],
  );
  assert.equal(agree(both, both).initiator.inner.suite.esn, true);
  assert.equal(agree(both, policy([esp("aes128-sha1")])).initiator.inner.suite.esn, false);
  const { why } = refused(choosePhase2(offer(policy([esp("aes128-sha1-esn")])), policy([esp("aes128-sha1")])));
  assert.equal(why, "no common extended sequence numbers: we allow noesn; the peer offers esn");
});

test("lifetimes: the shorter one counts on both sides, eight hours where nobody says a time (RFC 2407 §4.5)", () => {
  const one = (seconds: number, count = NO_LIMIT) => policy([esp("aes128-sha1")], { seconds, octets: count });
  for (const [theirs, ours, agreed, offered] of [
    [one(3600, 9_000_000), one(7200, 5_000_000), [3600, 5_000_000], [3600, 9_000_000]],
    [one(7200), one(3600), [3600, NO_LIMIT], [7200, NO_LIMIT]],
    [one(NO_LIMIT), one(86_400), [28_800, NO_LIMIT], [28_800, NO_LIMIT]],
  ] as const) {
    const { initiator, responder } = agree(theirs, ours);
    const seconds = ({ time, octets: count }: Phase2Agreement["lifetime"]) => [time / 1000, count];
    assert.deepEqual(seconds(responder.lifetime), agreed);
    assert.deepEqual(seconds(responder.offeredLifetime), offered);
    assert.deepEqual(seconds(initiator.lifetime), offered);
  }
});

test("what IKEv1 cannot say is left out and told", () => {
  const gaps = (text: string) => phase2Gaps(policy([esp(text)]));
  assert.deepEqual(gaps("aes128gcm16-modp2048"), []);
  assert.deepEqual(gaps("chacha20poly1305-aes128gcm16"), ["chacha20poly1305 has no number in IKEv1"]);
  assert.deepEqual(gaps("aes128-aescmac-sha1"), ["aescmac has no number in IKEv1"]);
  assert.deepEqual(gaps("aes128-sha1-x25519-modp2048"), ["x25519 has no number in IKEv1"]);
  assert.deepEqual(gaps("aes128-sha1-modp2048-ke1_mlkem768"), ["additional key exchanges are IKEv2's alone"]);
  assert.equal(phase2Offer(policy([esp("chacha20poly1305")]), OURS), undefined);
  assert.equal(phase2Offer(policy([esp("aes128-sha1-x25519")]), OURS), undefined);
  const { why } = refused(choosePhase2(offer(policy([esp("aes128-sha1")])), policy([esp("chacha20poly1305")])));
  assert.equal(why, "nothing that is configured exists in IKEv1: chacha20poly1305 has no number in IKEv1");
});

test("refused offers say what differs, and transforms that nobody can choose why", () => {
  const ours = policy([esp("aes128-sha256")]);
  const why = (theirs: Proposal) => refused(choosePhase2(offer(policy([theirs])), ours)).why;
  assert.equal(why(ah("sha256")), "no common protocol: we allow ESP; the peer offers AH");
  assert.equal(why(esp("3des-aes256-sha1")), "no common encryption: we allow aes128; the peer offers 3des, aes256");
  assert.equal(why(esp("aes128-sha1-md5")), "no common integrity: we allow sha256; the peer offers sha1, md5");
  const sa = offer(ours);
  const odd = (...added: readonly Attribute[]) =>
    refused(
      choosePhase2(
        changed(sa, (all) => [...all, ...added]),
        ours,
      ),
    ).why;
  assert.equal(odd(attribute(10, 1)), "transform 1 has attribute 10, which we do not know");
  assert.equal(odd(attribute(4, 1)), "transform 1 has attribute 4 twice");
  assert.equal(odd(attribute(3, 0)), "transform 1 has attribute 3 without a value");
  assert.equal(odd(attribute(11, 2)), "transform 1 has sequence numbers of a kind we do not know");
  assert.equal(odd(attribute(1, 1)), "transform 1 has a life type twice");
  assert.equal(odd(attribute(1, 2)), "transform 1 has a life type without a duration");
  for (const octets of [new Uint8Array(0), Uint8Array.of(0, 0, 0, 255), new Uint8Array(8)]) {
    const bad = { ...sa, proposals: sa.proposals.map((one) => ({ ...one, spi: octets })) };
    assert.equal(refused(choosePhase2(bad, ours)).why, "proposal 1 has an SPI that cannot be");
  }
});

test("S50: quick mode's answer is the offer exactly, or it is refused", () => {
  const theirs = policy([esp("aes256-3des-sha256-sha1-modp2048")], { octets: 50_000_000 });
  const sent = offer(theirs);
  const [proposal] = sent.proposals;
  assert.ok(proposal);
  const answered = (transform: SaTransform, octets = Uint8Array.of(1, 2, 3, 4)): SaPayload => ({
    kind: "SA",
    proposals: [{ ...proposal, spi: octets, transforms: [transform] }],
  });
  for (const transform of proposal.transforms) {
    assert.equal(checkPhase2Answer(sent, answered(transform), theirs).kind, "agreed");
    for (let at = 0; at < transform.attributes.length; at++) {
      const left = { ...transform, attributes: transform.attributes.toSpliced(at, 1) };
      assert.equal(checkPhase2Answer(sent, answered(left), theirs).kind, "refused");
      for (let value = 0; value < 20; value++) {
        const attributes = transform.attributes.map((one, i) => (i === at ? attribute(one.type, value) : one));
        const same = toHex(attributes[at]?.value) === toHex(transform.attributes[at]?.value);
        const { kind } = checkPhase2Answer(sent, answered({ ...transform, attributes }), theirs);
        assert.equal(kind, same ? "agreed" : "refused", `${at} ${value}`);
      }
    }
    const added = { ...transform, attributes: [...transform.attributes, attribute(11, 1)] };
    assert.match(
      refused(checkPhase2Answer(sent, answered(added), theirs)).why,
      /it added attribute 11 of transform \d$/,
    );
    const reserved = answered(transform, Uint8Array.of(0, 0, 0, 1));
    assert.match(refused(checkPhase2Answer(sent, reserved, theirs)).why, /its SPI cannot be one$/);
  }
});
