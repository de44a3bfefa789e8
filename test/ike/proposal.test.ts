// The choice among proposals (RFC 7296 §2.7, §3.3; RFC 5282 §8; RFC 9370 §2.2) and the initiator's check of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Proposal, ProtocolId, type Transform, TransformType } from "#core/proposal";
import {
  checkAnswer,
  chooseProposal,
  chosenTransform,
  numberProposals,
  type OfferedProposal,
  wantedKe,
  withoutKeyExchange,
} from "#ike/proposal";
import { suiteToString } from "#ike/transform-names";
import { ah, esp, ike } from "./transforms.ts";

function chosen(offered: readonly Proposal[], configured: readonly Proposal[]): string | undefined {
  const choice = chooseProposal(numberProposals(offered), configured);
  return choice && `${choice.proposal.number}: ${suiteToString(choice.transforms)}`;
}

interface Row {
  readonly what: string;
  readonly offered: readonly Proposal[];
  readonly configured: readonly Proposal[];
  readonly result: string | undefined;
}

const ROWS: readonly Row[] = [
  {
    what: "our order of transforms decides, not the offer's",
    offered: [ike("aes128-aes256-sha1-sha256-prfsha1-prfsha256-modp2048-x25519")],
    configured: [ike("aes256-aes128-sha256-sha1-prfsha256-prfsha1-x25519-modp2048")],
    result: "1: aes256-sha256-prfsha256-x25519",
  },
  {
    what: "our order of proposals decides, not the offer's",
    offered: [ike("aes128-sha256-prfsha256-modp2048"), ike("aes256gcm16-prfsha384-ecp384")],
    configured: [ike("aes256gcm16-prfsha384-ecp384"), ike("aes128-sha256-prfsha256-modp2048")],
    result: "2: aes256gcm16-prfsha384-ecp384",
  },
  {
    what: "a key length must be equal",
    offered: [ike("aes192gcm16-prfsha256-x25519")],
    configured: [ike("aes128gcm16-aes256gcm16-prfsha256-x25519")],
    result: undefined,
  },
  {
    what: "IKE needs a key exchange and a PRF",
    offered: [ike("aes128gcm16-prfsha256")],
    configured: [ike("aes128gcm16-prfsha256")],
    result: undefined,
  },
  {
    what: "NONE is no key exchange for IKE",
    offered: [ike("aes128gcm16-prfsha256-none")],
    configured: [ike("aes128gcm16-prfsha256-none")],
    result: undefined,
  },
  {
    what: "an AEAD needs no integrity, and takes NONE",
    offered: [ike("aes128gcm16-nointeg-prfsha256-x25519")],
    configured: [ike("aes128gcm16-prfsha256-x25519")],
    result: "1: aes128gcm16-prfsha256-x25519",
  },
  {
    what: "an AEAD with integrity of its own besides is refused (RFC 5282 §8)",
    offered: [ike("aes128gcm16-sha256-prfsha256-x25519")],
    configured: [ike("aes128gcm16-sha256-prfsha256-x25519")],
    result: undefined,
  },
  {
    what: "row 13: encryption without integrity is refused, offered and configured or not",
    offered: [esp("aes128-noesn"), esp("aes128-nointeg-noesn")],
    configured: [esp("aes128-noesn"), esp("aes128-nointeg-noesn")],
    result: undefined,
  },
  {
    what: "null encryption with integrity is ESP",
    offered: [esp("null-sha256-noesn")],
    configured: [esp("null-sha256-noesn")],
    result: "1: null-sha256",
  },
  {
    what: "ESN both kinds on both sides: our first",
    offered: [esp("aes128gcm16-noesn-esn")],
    configured: [esp("aes128gcm16-esn-noesn")],
    result: "1: aes128gcm16-esn",
  },
  {
    what: "ESN alone does not go with no ESN",
    offered: [esp("aes128gcm16-esn")],
    configured: [esp("aes128gcm16-noesn")],
    result: undefined,
  },
  {
    what: "a peer that names no ESN has none",
    offered: [esp("aes128gcm16")],
    configured: [esp("aes128gcm16-esn-noesn")],
    result: "1: aes128gcm16",
  },
  {
    what: "a configuration that names no ESN has none",
    offered: [esp("aes128gcm16-esn-noesn")],
    configured: [esp("aes128gcm16")],
    result: "1: aes128gcm16",
  },
  {
    what: "PFS that one side demands fails where the other has none",
    offered: [esp("aes128gcm16-noesn")],
    configured: [esp("aes128gcm16-x25519-noesn")],
    result: undefined,
  },
  {
    what: "PFS is optional where NONE stands beside it",
    offered: [esp("aes128gcm16-noesn")],
    configured: [esp("aes128gcm16-x25519-none-noesn")],
    result: "1: aes128gcm16",
  },
  {
    what: "PFS is taken where both have it",
    offered: [esp("aes128gcm16-none-x25519-noesn")],
    configured: [esp("aes128gcm16-x25519-none-noesn")],
    result: "1: aes128gcm16-x25519",
  },
  {
    what: "AH has integrity alone",
    offered: [ah("sha1-sha256-noesn")],
    configured: [ah("sha256-noesn")],
    result: "1: sha256",
  },
  {
    what: "AH without integrity is nothing",
    offered: [ah("noesn")],
    configured: [ah("noesn")],
    result: undefined,
  },
  {
    what: "protocols are not mixed",
    offered: [ah("sha256-noesn")],
    configured: [esp("null-sha256-noesn")],
    result: undefined,
  },
  {
    what: "additional key exchanges (RFC 9370 §2.2.1)",
    offered: [ike("aes128gcm16-prfsha256-x25519-ke1_mlkem768-ke1_mlkem1024-ke2_none")],
    configured: [ike("aes128gcm16-prfsha256-x25519-ke1_mlkem768")],
    result: "1: aes128gcm16-prfsha256-x25519-ke1_mlkem768",
  },
  {
    what: "an additional key exchange that one side demands fails where the other has none",
    offered: [ike("aes128gcm16-prfsha256-x25519")],
    configured: [ike("aes128gcm16-prfsha256-x25519-ke1_mlkem768")],
    result: undefined,
  },
  {
    what: "an additional key exchange is optional with NONE",
    offered: [ike("aes128gcm16-prfsha256-x25519-ke1_mlkem768-ke1_none")],
    configured: [ike("aes128gcm16-prfsha256-x25519")],
    result: "1: aes128gcm16-prfsha256-x25519",
  },
  {
    what: "no key exchange method twice (RFC 9370 §2.2.2)",
    offered: [ike("aes128gcm16-prfsha256-x25519-ke1_x25519-ke1_ecp256-ke2_ecp256-ke2_none")],
    configured: [ike("aes128gcm16-prfsha256-x25519-ke1_x25519-ke1_ecp256-ke2_ecp256-ke2_none")],
    result: "1: aes128gcm16-prfsha256-x25519-ke1_ecp256",
  },
];

for (const { what, offered, configured, result } of ROWS)
  test(what, () => {
    assert.equal(chosen(offered, configured), result);
  });

test("a transform type nobody knows, or one that is not of the protocol, rules its proposal out (RFC 7296 §3.3.6)", () => {
  const plain = esp("aes128gcm16-noesn");
  const odd = (type: number): Proposal => ({
    ...plain,
    transforms: [...plain.transforms, { type, id: 1, keyBits: 0 }],
  });
  assert.equal(chosen([odd(13), plain], [plain]), "2: aes128gcm16");
  assert.equal(chosen([odd(TransformType.PRF)], [odd(TransformType.PRF)]), undefined);
  const { transforms } = ike("aes128gcm16-prfsha256-x25519-esn");
  assert.equal(
    chosen([{ protocol: ProtocolId.IKE, transforms }], [{ protocol: ProtocolId.IKE, transforms }]),
    undefined,
  );
});

test("an unknown transform ID of a known type is passed over (RFC 7296 §3.3.6)", () => {
  const unknown: Transform = { type: TransformType.ENCR, id: 1024, keyBits: 128 };
  const offered = [{ ...esp("aes128gcm16-noesn"), number: 1 }].map((one) => ({
    ...one,
    transforms: [unknown, ...one.transforms],
  }));
  assert.equal(chooseProposal(offered, [esp("aes128gcm16-noesn")])?.transforms.length, 2);
});

test("the answer names each type of the offer once, NONE where that was named, and nothing else", () => {
  const types = (text: string, own: string) =>
    chooseProposal(numberProposals([esp(text)]), [esp(own)])?.transforms.map(({ type, id }) => [type, id]);
  const { ENCR, INTEG, KE, ESN } = TransformType;
  const gcm = [ENCR, 20];
  assert.deepEqual(types("aes128gcm16-noesn", "aes128gcm16-none-noesn"), [gcm, [ESN, 0]]);
  assert.deepEqual(types("aes128gcm16-nointeg-none-noesn", "aes128gcm16-noesn"), [gcm, [INTEG, 0], [KE, 0], [ESN, 0]]);
  assert.deepEqual(types("aes128gcm16", "aes128gcm16-noesn"), [gcm]);
});

test("SPI and number of the offered proposal come with the choice", () => {
  const spi = Uint8Array.of(1, 2, 3, 4);
  const offered = [{ ...esp("aes128gcm16-noesn"), number: 4, spi }];
  const choice = chooseProposal(offered, [esp("aes128gcm16-noesn")]);
  assert.equal(choice?.proposal.spi, spi);
  assert.equal(choice?.proposal.number, 4);
});

test("INVALID_KE_PAYLOAD names the method that was chosen, where the KE payload had another (RFC 7296 §1.2, §1.3)", () => {
  const choose = (text: string) => chooseProposal(numberProposals([esp(text)]), [esp(text)]);
  const pfs = choose("aes128gcm16-ecp256-noesn");
  const none = choose("aes128gcm16-noesn");
  assert.ok(pfs && none);
  assert.equal(wantedKe(pfs, 31), 19);
  assert.equal(wantedKe(pfs, undefined), 19);
  assert.equal(wantedKe(pfs, 19), undefined);
  assert.equal(wantedKe(none, 31), undefined);
});

test("the first Child SA is negotiated without key exchange (RFC 7296 §1.2)", () => {
  const [bare] = withoutKeyExchange([esp("aes128gcm16-x25519-ke1_mlkem768-esn-noesn")]);
  assert.deepEqual(bare, esp("aes128gcm16-esn-noesn"));
});

const SENT = numberProposals([
  esp("aes256gcm16-aes128gcm16-none-x25519-esn-noesn"),
  esp("aes128-aes256-sha256-sha384-x25519-noesn"),
]);

function answer(number: number, text: string): OfferedProposal {
  return { ...esp(text), number };
}

test("S50: the responder's answer is one of our proposals, one transform of each type, unaltered", () => {
  const taken = (...answers: readonly OfferedProposal[]) => {
    const choice = checkAnswer(SENT, answers);
    return choice && `${choice.proposal.number}: ${suiteToString(choice.transforms)}`;
  };
  assert.equal(taken(answer(1, "aes128gcm16-x25519-esn")), "1: aes128gcm16-x25519-esn");
  assert.equal(taken(answer(1, "esn-x25519-aes128gcm16")), "1: aes128gcm16-x25519-esn", "in any order");
  assert.equal(taken(answer(1, "aes128gcm16-none-noesn")), "1: aes128gcm16");
  assert.equal(taken(answer(1, "aes128gcm16")), "1: aes128gcm16", "NONE and no ESN may be left out");
  assert.equal(taken(answer(2, "aes256-sha384-x25519-noesn")), "2: aes256-sha384-x25519");
});

test("S50: every other answer is refused", () => {
  const first = answer(1, "aes128gcm16-x25519-esn");
  const rows: Readonly<Record<string, readonly OfferedProposal[]>> = {
    none: [],
    two: [first, answer(2, "aes256-sha384-x25519-noesn")],
    "a number we did not send": [{ ...first, number: 3 }],
    "the number of another proposal": [{ ...first, number: 2 }],
    "another protocol": [{ ...first, protocol: ProtocolId.AH }],
    "an unknown protocol": [{ ...first, protocol: 77 }],
    "two of a type": [answer(1, "aes128gcm16-aes256gcm16-x25519-esn")],
    "the same twice": [answer(1, "aes128gcm16-aes128gcm16-x25519-esn")],
    "a key length we did not send": [answer(1, "aes192gcm16-x25519-esn")],
    "an algorithm we did not send": [answer(1, "aes128ccm16-x25519-esn")],
    "a type we did not send": [answer(1, "aes128gcm16-sha256-x25519-esn")],
    "no encryption": [answer(1, "x25519-esn")],
    "no integrity for CBC": [answer(2, "aes128-x25519-noesn")],
    "no key exchange where none was not offered": [answer(2, "aes128-sha256-noesn")],
    nothing: [{ ...first, transforms: [] }],
  };
  for (const [what, answers] of Object.entries(rows)) assert.equal(checkAnswer(SENT, answers), undefined, what);
});

test("S50: an answer with the same key exchange twice is refused (RFC 9370 §2.2.2)", () => {
  const sent = numberProposals([ike("aes128gcm16-prfsha256-x25519-ecp256-ke1_x25519-ke1_ecp256")]);
  const reply = (text: string) => checkAnswer(sent, [{ ...ike(text), number: 1 }]);
  assert.ok(reply("aes128gcm16-prfsha256-x25519-ke1_ecp256"));
  assert.equal(reply("aes128gcm16-prfsha256-x25519-ke1_x25519"), undefined);
  assert.equal(reply("aes128gcm16-prfsha256-x25519"), undefined, "a method we demanded is missing");
  assert.equal(reply("aes128gcm16-x25519-ke1_ecp256"), undefined, "no PRF");
});

test("ESN that was offered alone may not be left out", () => {
  const sent = numberProposals([esp("aes128gcm16-esn")]);
  assert.equal(checkAnswer(sent, [answer(1, "aes128gcm16")]), undefined);
  assert.ok(checkAnswer(sent, [answer(1, "aes128gcm16-esn")]));
});

test("every choice of a responder passes the check of its initiator", () => {
  for (const { offered, configured } of ROWS) {
    const sent = numberProposals(offered);
    const choice = chooseProposal(sent, configured);
    if (choice === undefined) continue;
    const checked = checkAnswer(sent, [{ ...choice.proposal, transforms: choice.transforms }]);
    assert.deepEqual(checked?.transforms, choice.transforms);
  }
});

test("the chosen transform of a type: NONE is none, no ESN is a choice", () => {
  const { transforms } = esp("aes128gcm16-none-noesn");
  assert.equal(chosenTransform(transforms, TransformType.KE), undefined);
  assert.equal(chosenTransform(transforms, TransformType.INTEG), undefined);
  assert.equal(chosenTransform(transforms, TransformType.ESN)?.id, 0);
  assert.equal(chosenTransform(transforms, TransformType.ENCR)?.id, 20);
});

test("row 21: 255 proposals of 255 transforms are judged, and cost a moment", () => {
  const transforms = Array.from({ length: 255 }, (_, i) => ({ type: 1 + (i % 12), id: 2000 + i, keyBits: 0 }));
  const offered = Array.from({ length: 255 }, (_, i) => ({ number: i, protocol: ProtocolId.IKE, transforms }));
  assert.equal(chooseProposal(offered, [ike("aes128gcm16-prfsha256-x25519")]), undefined);
});
