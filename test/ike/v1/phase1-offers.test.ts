// Proposals of ISAKMP SAs (RFC 2409 §4, §5, appendix A): offered, chosen, checked.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Proposal } from "#core/proposal";
import { millis, octets } from "#core/units";
import { authenticationOf1 } from "#ike/authentications";
import { ikeSuiteName } from "#ike/suite";
import {
  checkPhase1Answer,
  choosePhase1,
  exportDowngraded,
  type OfferRefused,
  PHASE1_TRANSFORMS_LIMIT,
  type Phase1Choice,
  type Phase1Policy,
  phase1Gaps,
  phase1Offer,
} from "#ike/v1/phase1-offers";
import { esp, ike } from "#test/ike/transforms";
import { hex } from "#test/vectors/load";
import { type Attribute, attribute } from "#wire/ike/v1/attributes";
import { IsakmpAttribute, IsakmpMethod, NotifyType } from "#wire/ike/v1/numbers";
import type { SaPayload, SaTransform } from "#wire/ike/v1/sa";

const { PRE_SHARED_KEY, RSA_SIGNATURES } = IsakmpMethod;
const DAY = { time: millis(86_400_000), octets: octets(Number.POSITIVE_INFINITY) };

function policy(text: string, methods: readonly number[] = [PRE_SHARED_KEY], lifetime = DAY): Phase1Policy {
  return { proposals: text.split(",").map(ike), methods, lifetime };
}

function offer(...policies: readonly Phase1Policy[]): SaPayload {
  const sa = phase1Offer(policies);
  assert.ok(sa);
  return sa;
}

function chosen<T>(result: Phase1Choice<T> | OfferRefused): Phase1Choice<T> {
  assert.ok(result.kind === "chosen", result.kind === "refused" ? result.why : "");
  return result;
}

function refused(result: { readonly kind: string } | OfferRefused): OfferRefused {
  assert.ok("why" in result, `it was ${result.kind}`);
  return result;
}

/** Type and value of each attribute. */
function values(transform: SaTransform | undefined): readonly (readonly [number, number])[] {
  return (transform?.attributes ?? []).map(({ type, value }) => [type, value.reduce((sum, one) => sum * 256 + one, 0)]);
}

function one(...attributes: readonly (readonly [number, number])[]): SaPayload {
  const transform = { number: 1, id: 1, attributes: attributes.map(([type, value]) => attribute(type, value)) };
  return { kind: "SA", proposals: [{ number: 1, protocol: 1, spi: new Uint8Array(0), transforms: [transform] }] };
}

const FOUR = [
  [IsakmpAttribute.ENCRYPTION_ALGORITHM, 5],
  [IsakmpAttribute.HASH_ALGORITHM, 2],
  [IsakmpAttribute.AUTHENTICATION_METHOD, PRE_SHARED_KEY],
  [IsakmpAttribute.GROUP_DESCRIPTION, 2],
] as const;

test("one proposal, one transform with the four parameters and the lifetime (RFC 2409 §5)", () => {
  const [proposal, ...others] = offer(policy("aes128-sha256-modp2048")).proposals;
  assert.deepEqual(others, []);
  assert.deepEqual([proposal?.number, proposal?.protocol, proposal?.spi.length], [1, 1, 0]);
  assert.deepEqual(
    proposal?.transforms.map(({ number, id }) => [number, id]),
    [[1, 1]],
  );
  assert.deepEqual(values(proposal?.transforms[0]), [
    [IsakmpAttribute.ENCRYPTION_ALGORITHM, 7],
    [IsakmpAttribute.KEY_LENGTH, 128],
    [IsakmpAttribute.HASH_ALGORITHM, 4],
    [IsakmpAttribute.AUTHENTICATION_METHOD, 1],
    [IsakmpAttribute.GROUP_DESCRIPTION, 14],
    [IsakmpAttribute.LIFE_TYPE, 1],
    [IsakmpAttribute.LIFE_DURATION, 86_400],
  ]);
});

const NUMBERS: readonly (readonly [text: string, encryption: number, keyBits: number, hash: number, group: number])[] =
  [
    ["des-md5-modp768", 1, 0, 1, 1],
    ["3des-sha1-modp1024", 5, 0, 2, 2],
    ["aes128-sha256-modp1536", 7, 128, 4, 5],
    ["aes192-sha384-modp2048", 7, 192, 5, 14],
    ["aes256-sha512-modp3072", 7, 256, 6, 15],
    ["aes256-sha512-modp4096", 7, 256, 6, 16],
    ["aes256-sha512-modp6144", 7, 256, 6, 17],
    ["aes256-sha512-modp8192", 7, 256, 6, 18],
    ["aes128-sha256-ecp256", 7, 128, 4, 19],
    ["aes256-sha384-ecp384", 7, 256, 5, 20],
    ["aes256-sha512-ecp521", 7, 256, 6, 21],
    ["aes128-sha256-ecp256bp", 7, 128, 4, 28],
    ["aes128-sha256-ecp384bp", 7, 128, 4, 29],
    ["aes128-sha256-ecp512bp", 7, 128, 4, 30],
  ];

function proveNumbers(rows: typeof NUMBERS): void {
  for (const [text, encryption, keyBits, hash, group] of rows) {
    const sa = offer(policy(text));
    const found = new Map(values(sa.proposals[0]?.transforms[0]));
    const numbers = [1, 14, 2, 4].map((type) => found.get(type) ?? 0);
    assert.deepEqual(numbers, [encryption, keyBits, hash, group], text);
    const result = chosen(choosePhase1(sa, [policy(text)]));
    assert.equal(ikeSuiteName(result.suite), text);
  }
}

test("every algorithm has IANA's number and comes back as itself (RFC 2409 appendix A)", () => {
  proveNumbers(NUMBERS);
});

test("S12: the groups of 768, 1024 and 2048 bits are IANA's 1, 2 and 14; its group 3 is another thing and refused", () => {
  const rows = NUMBERS.filter(([, , , , group]) => [1, 2, 14].includes(group));
  assert.equal(rows.length, 3);
  proveNumbers(rows);
  const third = one(FOUR[0], FOUR[1], FOUR[2], [IsakmpAttribute.GROUP_DESCRIPTION, 3]);
  const { why, notify } = refused(choosePhase1(third, [policy("3des-sha1-modp2048")]));
  assert.equal(notify, NotifyType.NO_PROPOSAL_CHOSEN);
  assert.equal(why, "no common Diffie-Hellman group: we allow modp2048; the peer offers key exchange 3");
});

test("S40: an offer names its cipher, DES, 3DES or AES with its key length; without one it is refused", () => {
  for (const [text, number] of [
    ["des", 1],
    ["3des", 5],
    ["aes128", 7],
    ["aes256", 7],
  ] as const) {
    const sa = offer(policy(`${text}-sha1-modp1024`));
    assert.equal(new Map(values(sa.proposals[0]?.transforms[0])).get(IsakmpAttribute.ENCRYPTION_ALGORITHM), number);
    assert.equal(chosen(choosePhase1(sa, [policy(`${text}-sha1-modp1024`)])).suite.encryption.name, text);
  }
  const { why } = refused(choosePhase1(one(FOUR[1], FOUR[2], FOUR[3]), [policy("3des-sha1-modp1024")]));
  assert.equal(why, "transform 1 has no encryption algorithm (RFC 2409 §4: four are mandatory)");
  // RFC 3602 §5.1: AES's key length is said. RFC 2409 appendix A: that of ciphers with one length is not.
  const aes = one([1, 7], FOUR[1], FOUR[2], FOUR[3]);
  assert.equal(refused(choosePhase1(aes, [policy("aes128-sha1-modp1024")])).notify, NotifyType.NO_PROPOSAL_CHOSEN);
  const long = one(...FOUR, [IsakmpAttribute.KEY_LENGTH, 192]);
  assert.equal(refused(choosePhase1(long, [policy("3des-sha1-modp1024")])).notify, NotifyType.NO_PROPOSAL_CHOSEN);
});

test("S41: an offer names its hash, MD5, SHA-1 or SHA-2, whose HMAC is the PRF; without one it is refused", () => {
  for (const [text, number] of [
    ["md5", 1],
    ["sha1", 2],
    ["sha256", 4],
    ["sha384", 5],
    ["sha512", 6],
  ] as const) {
    const sa = offer(policy(`aes128-${text}-modp2048`));
    assert.equal(new Map(values(sa.proposals[0]?.transforms[0])).get(IsakmpAttribute.HASH_ALGORITHM), number);
    const { suite } = chosen(choosePhase1(sa, [policy(`aes128-${text}-modp2048`)]));
    assert.deepEqual([suite.integrity?.name, suite.prf.name], [text, `prf${text}`]);
  }
  const { why } = refused(choosePhase1(one(FOUR[0], FOUR[2], FOUR[3]), [policy("3des-sha1-modp1024")]));
  assert.equal(why, "transform 1 has no hash algorithm (RFC 2409 §4: four are mandatory)");
});

test("S42: the authentication method is mandatory, and both sides have to allow the same", () => {
  const { why } = refused(choosePhase1(one(FOUR[0], FOUR[1], FOUR[3]), [policy("3des-sha1-modp1024")]));
  assert.equal(why, "transform 1 has no authentication method (RFC 2409 §4: four are mandatory)");
  const sa = offer(policy("3des-sha1-modp1024", [RSA_SIGNATURES, IsakmpMethod.ECDSA_SHA256_P256]));
  assert.equal(
    refused(choosePhase1(sa, [policy("3des-sha1-modp1024")])).why,
    "no common authentication method: we allow pre-shared key; the peer offers RSA signatures, ECDSA with SHA-256 on P-256",
  );
  const both = policy("3des-sha1-modp1024", [IsakmpMethod.ECDSA_SHA256_P256, RSA_SIGNATURES]);
  assert.equal(chosen(choosePhase1(sa, [both])).method, IsakmpMethod.ECDSA_SHA256_P256);
});

test("row 3: RSA encryption, methods 4 and 5 (CVE-2018-0131), is refused beside every method there is", () => {
  const { RSA_ENCRYPTION, RSA_REVISED_ENCRYPTION, ...others } = IsakmpMethod;
  const allowed = policy("3des-sha1-modp1024", Object.values(others));
  for (const method of [RSA_ENCRYPTION, RSA_REVISED_ENCRYPTION]) {
    const sa = one(FOUR[0], FOUR[1], [IsakmpAttribute.AUTHENTICATION_METHOD, method], FOUR[3]);
    assert.equal(refused(choosePhase1(sa, [allowed])).notify, NotifyType.NO_PROPOSAL_CHOSEN);
  }
});

/** What Windows offers by default: Kerberos, with the machine's name in UTF-16LE (draft-ietf-ipsec-isakmp-gss-auth §3.2.1). */
const MACHINE = new Uint8Array(Buffer.from("east$@LAB.TEST", "utf16le"));
function kerberosOffer(): SaPayload {
  const sa = one(FOUR[0], FOUR[1], [IsakmpAttribute.AUTHENTICATION_METHOD, IsakmpMethod.GSS_API], FOUR[3]);
  const named = { type: IsakmpAttribute.GSS_IDENTITY_NAME, value: MACHINE, short: false };
  return {
    ...sa,
    proposals: sa.proposals.map((proposal) => ({
      ...proposal,
      transforms: proposal.transforms.map((each) => ({ ...each, attributes: [...each.attributes, named] })),
    })),
  };
}

test("S42: Kerberos has its number (65001) and its place: an offer of it is read, and refused by a reason that names it", () => {
  assert.equal(authenticationOf1(65001), "kerberos");
  const { why, notify } = refused(choosePhase1(kerberosOffer(), [policy("3des-sha1-modp1024")]));
  assert.equal(
    why,
    "no common authentication method: we allow pre-shared key; the peer offers Kerberos (GSS-API, which is not there yet)",
  );
  assert.equal(notify, NotifyType.NO_PROPOSAL_CHOSEN);
});

test("S42: beside Kerberos another method that both allow is chosen", () => {
  const [kerberos, psk] = [kerberosOffer(), offer(policy("3des-sha1-modp1024"))];
  const transforms = [kerberos, psk].flatMap(({ proposals }) => proposals.flatMap((each) => [...each.transforms]));
  const proposals = kerberos.proposals.map((each) => ({
    ...each,
    transforms: transforms.map((transform, i) => ({ ...transform, number: i + 1 })),
  }));
  const { method, answer } = chosen(choosePhase1({ kind: "SA", proposals }, [policy("3des-sha1-modp1024")]));
  assert.equal(method, PRE_SHARED_KEY);
  // S44: nobody's name is in the answer.
  assert.ok(!values(answer.proposals[0]?.transforms[0]).some(([type]) => type === IsakmpAttribute.GSS_IDENTITY_NAME));
});

test("S44: the name that Kerberos shows in clear is no attribute of other methods, and is in no reason for people", () => {
  const sa = one(...FOUR, [IsakmpAttribute.GSS_IDENTITY_NAME, 1]);
  assert.equal(
    refused(choosePhase1(sa, [policy("3des-sha1-modp1024")])).why,
    "transform 1 has attribute 16384, which we do not know",
  );
  assert.ok(!refused(choosePhase1(kerberosOffer(), [policy("3des-sha1-modp1024")])).why.includes("east"));
  for (const methods of [[PRE_SHARED_KEY], [RSA_SIGNATURES]])
    for (const each of offer(policy("3des-sha1-modp1024", methods)).proposals[0]?.transforms ?? [])
      assert.ok(!values(each).some(([type]) => type === IsakmpAttribute.GSS_IDENTITY_NAME));
});

test("S43: an offer names its Diffie-Hellman group; without one, and with a group of its own making, it is refused", () => {
  const { why } = refused(choosePhase1(one(FOUR[0], FOUR[1], FOUR[2]), [policy("3des-sha1-modp1024")]));
  assert.equal(why, "transform 1 has no Diffie-Hellman group (RFC 2409 §4: four are mandatory)");
  const custom = one(...FOUR, [IsakmpAttribute.GROUP_PRIME, 23]);
  assert.equal(
    refused(choosePhase1(custom, [policy("3des-sha1-modp1024")])).why,
    "transform 1 has attribute 6, which we do not know",
  );
});

test("S24: of several groups on both sides a common one always wins, in the responder's order", () => {
  const names = ["modp768", "modp1024", "modp2048", "ecp256", "ecp384"];
  const lists = names.flatMap((first) => names.map((second) => `aes128-sha256-${first}-${second}`));
  for (const ours of lists) {
    for (const theirs of lists) {
      const wanted = ours
        .split("-")
        .slice(2)
        .find((name) => theirs.split("-").includes(name));
      const result = choosePhase1(offer(policy(theirs)), [policy(ours)]);
      assert.equal(result.kind === "chosen" ? result.suite.keyExchange.name : undefined, wanted, `${ours} ${theirs}`);
    }
  }
});

test("the cross product in the order of preference, no way twice, bounded", () => {
  const sa = offer(
    policy("aes256-aes128-sha256-sha1-modp2048,aes128-sha1-modp2048-modp1024", [RSA_SIGNATURES, PRE_SHARED_KEY]),
  );
  const transforms = sa.proposals[0]?.transforms ?? [];
  assert.deepEqual(
    transforms.map(({ number }) => number),
    Array.from({ length: 10 }, (_, i) => i + 1),
  );
  const all = transforms.map((one) =>
    values(one)
      .slice(0, 5)
      .map(([, value]) => value)
      .join("-"),
  );
  assert.deepEqual(all, [
    "7-256-4-3-14",
    "7-256-4-1-14",
    "7-256-2-3-14",
    "7-256-2-1-14",
    "7-128-4-3-14",
    "7-128-4-1-14",
    "7-128-2-3-14",
    "7-128-2-1-14",
    "7-128-2-3-2",
    "7-128-2-1-2",
  ]);
  const many = policy(
    "aes256-aes192-aes128-sha512-sha384-sha256-sha1-modp8192-modp6144-modp4096-modp3072-modp2048-ecp256",
  );
  assert.equal(offer(many).proposals[0]?.transforms.length, PHASE1_TRANSFORMS_LIMIT);
});

test("what IKEv1 cannot say is left out and told; a connection with nothing else offers nothing", () => {
  const gapsOf = (...texts: readonly string[]) => phase1Gaps(texts.map(ike));
  assert.deepEqual(gapsOf("aes128-sha256-modp2048"), []);
  assert.deepEqual(gapsOf("aes128-sha256-prfsha256-modp2048"), []);
  assert.deepEqual(gapsOf("aes128gcm16-prfsha256-modp2048"), ["aes128gcm16 has no number in IKEv1's phase 1"]);
  assert.deepEqual(gapsOf("aes128-aesxcbc-modp2048"), ["aesxcbc is no hash of IKEv1's phase 1"]);
  assert.deepEqual(gapsOf("aes128-sha256-x25519"), ["x25519 has no number in IKEv1"]);
  assert.deepEqual(gapsOf("aes128-sha256-prfsha1-modp2048"), [
    "sha256 needs prfsha256: the PRF of IKEv1 is the hash's (RFC 2409 §4)",
  ]);
  assert.deepEqual(gapsOf("aes128-sha256-modp2048-ke1_mlkem768"), ["additional key exchanges are IKEv2's alone"]);
  const v2: Phase1Policy = policy("aes128gcm16-prfsha256-x25519");
  assert.equal(phase1Offer([v2]), undefined);
  const { why } = refused(choosePhase1(one(...FOUR), [v2]));
  assert.equal(why, "nothing that is configured exists in IKEv1: aes128gcm16 has no number in IKEv1's phase 1");
  const mixed = offer(policy("aes128gcm16-prfsha256-x25519,aes128-sha256-sha1-prfsha256-x25519-modp2048"));
  assert.equal(mixed.proposals[0]?.transforms.length, 1);
});

test("our order decides: policies, their proposals, what is in them; the answer is the offered transform itself", () => {
  const sa = offer(policy("3des-aes128-sha1-sha256-modp1024-modp2048"));
  const [first, second] = [policy("aes256-sha256-modp2048"), policy("aes128-3des-sha256-modp2048-modp1024")];
  const result = chosen(choosePhase1(sa, [first, second]));
  assert.equal(result.policy, second);
  assert.equal(ikeSuiteName(result.suite), "aes128-sha256-modp2048");
  const [proposal] = result.answer.proposals;
  assert.equal(proposal?.number, 1);
  const offered = sa.proposals[0]?.transforms.find((one) => one.number === proposal?.transforms[0]?.number);
  assert.deepEqual(proposal?.transforms, [offered]);
});

test("refused offers say which parameter differs", () => {
  const why = (theirs: string, ours: string) => refused(choosePhase1(offer(policy(theirs)), [policy(ours)])).why;
  assert.equal(
    why("3des-sha1-modp1024", "aes256-aes128-sha256-modp2048"),
    "no common encryption: we allow aes256, aes128; the peer offers 3des",
  );
  assert.equal(
    why("3des-aes128-sha1-md5-modp1024", "aes128-sha256-modp2048"),
    "no common hash: we allow sha256; the peer offers sha1, md5",
  );
  assert.equal(
    why("aes128-sha256-modp1024", "aes128-sha256-modp2048-ecp256"),
    "no common Diffie-Hellman group: we allow modp2048, ecp256; the peer offers modp1024",
  );
  assert.equal(
    why("aes128-sha256-modp1024,aes256-sha1-modp2048", "aes128-sha1-modp2048"),
    "no common hash: we allow sha1; the peer offers sha256",
  );
  const blowfish = one([1, 3], FOUR[1], FOUR[2], FOUR[3]);
  assert.equal(
    refused(choosePhase1(blowfish, [policy("3des-sha1-modp1024")])).why,
    "no common encryption: we allow 3des; the peer offers BLOWFISH_CBC",
  );
});

test("a life is never too long or too short: the shorter one counts, the offer stays as it was", () => {
  const hours = (count: number, kilobytes = Number.POSITIVE_INFINITY) => ({
    time: millis(count * 3_600_000),
    octets: octets(kilobytes * 1000),
  });
  for (const [theirs, ours, agreed] of [
    [hours(24), hours(8), hours(8)],
    [hours(1), hours(8), hours(1)],
    [hours(8, 5000), hours(1, 9000), hours(1, 5000)],
    [hours(Number.POSITIVE_INFINITY), hours(8), hours(8)],
  ] as const) {
    const sa = offer(policy("3des-sha1-modp1024", [PRE_SHARED_KEY], theirs));
    const result = chosen(choosePhase1(sa, [policy("3des-sha1-modp1024", [PRE_SHARED_KEY], ours)]));
    assert.deepEqual([result.lifetime, result.offeredLifetime], [agreed, theirs]);
    assert.deepEqual(result.answer.proposals[0]?.transforms, sa.proposals[0]?.transforms);
  }
});

test("what is not one proposal of ISAKMP is refused (RFC 2409 §5), and what cannot be a transform is not chosen", () => {
  const ours = [policy("3des-sha1-modp1024")];
  const [proposal] = one(...FOUR).proposals;
  assert.ok(proposal);
  const sa = (...proposals: SaPayload["proposals"]): SaPayload => ({ kind: "SA", proposals });
  assert.equal(refused(choosePhase1(sa(proposal, proposal), ours)).notify, NotifyType.BAD_PROPOSAL_SYNTAX);
  assert.equal(refused(choosePhase1(sa({ ...proposal, protocol: 3 }), ours)).notify, NotifyType.BAD_PROPOSAL_SYNTAX);
  assert.equal(refused(choosePhase1(sa({ ...proposal, transforms: [] }), ours)).why, "the peer offers nothing");
  const why = (...attributes: readonly (readonly [number, number])[]) =>
    refused(choosePhase1(one(...attributes), ours)).why;
  assert.equal(why(...FOUR, [2, 2]), "transform 1 has attribute 2 twice");
  assert.equal(why(...FOUR, [13, 1]), "transform 1 has attribute 13, which we do not know");
  assert.equal(why(...FOUR, [14, 0]), "transform 1 has attribute 14 without a value");
  assert.equal(why(...FOUR, [11, 1]), "transform 1 has a life type without a duration");
  const keyed = sa({ ...proposal, transforms: proposal.transforms.map((one) => ({ ...one, id: 2 })) });
  assert.equal(refused(choosePhase1(keyed, ours)).why, "transform 1 has the ID 2, not KEY_IKE");
});

const SENT = policy("aes256-3des-sha256-sha1-modp2048-modp1024", [PRE_SHARED_KEY], {
  time: millis(28_800_000),
  octets: octets(5_000_000),
});

test("S50: the initiator takes the answer exactly as it was offered", () => {
  const sent = offer(SENT);
  for (const transform of sent.proposals[0]?.transforms ?? []) {
    const answer = { ...sent, proposals: sent.proposals.map((one) => ({ ...one, transforms: [transform] })) };
    const result = checkPhase1Answer(sent, answer);
    assert.ok(result.kind === "agreed");
    assert.deepEqual(result.lifetime, SENT.lifetime);
    assert.equal(result.method, PRE_SHARED_KEY);
  }
});

type Change = (attributes: readonly Attribute[]) => readonly Attribute[];

const CHANGES: readonly (readonly [change: Change, what: string])[] = [
  ...[1, 14, 2, 3, 4, 12].map((type): [Change, string] => [
    (all) => all.map((one) => (one.type === type ? { ...one, value: one.value.map((octet) => octet ^ 1) } : one)),
    `it changed attribute ${type}`,
  ]),
  ...[1, 14, 2, 3, 4].map((type): [Change, string] => [
    (all) => all.filter((one) => one.type !== type),
    `it left out attribute ${type}`,
  ]),
  [(all) => all.slice(0, -2), "it left out attribute 11"],
  [(all) => [...all, attribute(13, 1)], "it added attribute 13"],
  [(all) => [...all, attribute(4, 2)], "it added attribute 4"],
  // Seconds for kilobytes.
  [
    (all) => [...all.slice(0, 6), ...all.slice(8, 9), ...all.slice(7, 8), ...all.slice(6, 7)],
    "it changed attribute 12",
  ],
];

test("S50: an answer with any parameter changed, added or left out is refused", () => {
  const sent = offer(SENT);
  const [proposal] = sent.proposals;
  const [first] = proposal?.transforms ?? [];
  assert.ok(proposal && first);
  const answered = (transform: SaTransform, number = 1, protocol = 1): SaPayload => ({
    kind: "SA",
    proposals: [{ number, protocol, spi: new Uint8Array(0), transforms: [transform] }],
  });
  const why = (answer: SaPayload) => {
    const result = refused(checkPhase1Answer(sent, answer));
    assert.equal(result.notify, NotifyType.BAD_PROPOSAL_SYNTAX);
    return result.why.replace("the peer modified our offer: ", "");
  };
  for (const [change, what] of CHANGES) {
    const changed = why(answered({ ...first, attributes: change(first.attributes) }));
    assert.equal(changed, `${what} of transform 1`);
  }
  assert.equal(why(answered(first, 2)), "it chose proposal 2, which was not offered");
  assert.equal(why(answered(first, 1, 3)), "it changed the protocols of proposal 1");
  assert.equal(why(answered({ ...first, number: 200 })), "it chose transform 200, which was not offered");
  assert.equal(why(answered({ ...first, id: 2 })), "it changed the ID of transform 1");
  assert.match(why(answered({ ...first, number: 2 })), /^it changed attribute \d+ of transform 2$/);
  assert.equal(why(sent), `it chose ${proposal.transforms.length} transforms, not one`);
  assert.equal(why({ kind: "SA", proposals: [] }), "it chose 0 proposals, not one");
  const twice = [...answered(first).proposals, ...answered(first, 2).proposals];
  assert.equal(why({ kind: "SA", proposals: twice }), "it chose 2 proposals, not one");
});

test("S50: fuzzed answers: whatever is agreed on is one of the transforms that were sent", () => {
  const sent = offer(SENT);
  const [proposal] = sent.proposals;
  assert.ok(proposal);
  let agreed = 0;
  let refusals = 0;
  for (const transform of proposal.transforms) {
    for (let at = 0; at < transform.attributes.length; at++) {
      for (let value = 0; value < 16; value++) {
        const attributes = transform.attributes.map((one, i) => (i === at ? attribute(one.type, value) : one));
        const answer: SaPayload = {
          kind: "SA",
          proposals: [{ ...proposal, transforms: [{ ...transform, attributes }] }],
        };
        const same = values({ ...transform, attributes }).join() === values(transform).join();
        const result = checkPhase1Answer(sent, answer);
        assert.equal(result.kind, same ? "agreed" : "refused", `${at} ${value}`);
        if (same) agreed++;
        else refusals++;
      }
    }
  }
  assert.ok(agreed > 0 && refusals > agreed);
});

test("another order and another format of the same values is the same answer (RFC 2409 appendix A)", () => {
  const sent = offer(SENT);
  const [proposal] = sent.proposals;
  const [first] = proposal?.transforms ?? [];
  assert.ok(proposal && first);
  const long = first.attributes.map((one) => ({
    type: one.type,
    short: false,
    value: hex(`0000${Buffer.from(one.value).toString("hex")}`),
  }));
  const reordered = [...long.slice(7), ...long.slice(5, 7), ...long.slice(0, 5).toReversed()];
  const answer = { ...sent, proposals: [{ ...proposal, transforms: [{ ...first, attributes: reordered }] }] };
  assert.equal(checkPhase1Answer(sent, answer).kind, "agreed");
});

test("S77: an offer set to the weaker DES has DES in the place of 3DES, and nothing else changed", () => {
  const proposals: readonly Proposal[] = [ike("3des-aes128-sha1-modp1024"), esp("3des-sha1")];
  assert.deepEqual(exportDowngraded(proposals), [ike("des-aes128-sha1-modp1024"), esp("des-sha1")]);
});
