import assert from "node:assert/strict";
import test from "node:test";
import { PROBES, searchVersion1, searchVersion2 } from "#cli/probe/search";
import type { Ask } from "#cli/probe/talk";
import { parseAddress } from "#core/address";
import { ProtocolId, type Transform, TransformType } from "#core/proposal";
import { chooseProposal } from "#ike/proposal";
import { decodeChain, encodeMessage, type Payload } from "#wire/ike/chain";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { ExchangeType, IkeFlag, NotifyType } from "#wire/ike/numbers";
import { notify } from "#wire/ike/v2/notify";

const address = parseAddress("192.0.2.2");
assert.ok(address !== undefined);
const END = { address, port: 500 };
const ENDS = { local: END, remote: END };

const one = (type: number, id: number, keyBits = 0): Transform => ({ type, id, keyBits });

/** A responder by RFC 7296 §1.2, §2.6 that takes what fits one of these proposals, by its own order. */
function responder(proposals: readonly (readonly Transform[])[], cookies = false) {
  const seen = { asked: 0 };
  const own = proposals.map((transforms) => ({ protocol: ProtocolId.IKE, transforms }));
  const answerOf = (octets: Uint8Array): readonly Payload[] => {
    const payloads = decodeChain(decodeHeader(octets).nextPayload, octets, IKE_HEADER_LENGTH);
    if (cookies && !payloads.some(({ kind }, i) => i === 0 && kind === "N"))
      return [notify(NotifyType.COOKIE, Uint8Array.of(1, 2, 3))];
    const sa = payloads.find(({ kind }) => kind === "SA");
    const ke = payloads.find(({ kind }) => kind === "KE");
    assert.ok(sa?.kind === "SA" && ke?.kind === "KE");
    const choice = chooseProposal(sa.proposals, own);
    if (choice === undefined) return [notify(NotifyType.NO_PROPOSAL_CHOSEN)];
    const method = choice.transforms.find(({ type }) => type === TransformType.KE)?.id ?? 0;
    if (method !== ke.method) return [notify(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(method >> 8, method & 0xff))];
    const chosen = { ...choice.proposal, transforms: choice.transforms };
    return [
      { kind: "SA", proposals: [chosen] },
      { kind: "V", data: new TextEncoder().encode("strong") },
    ];
  };
  const ask: Ask = async (octets, read) => {
    seen.asked++;
    const { initiatorSpi } = decodeHeader(octets);
    const header = { initiatorSpi, responderSpi: 7n, majorVersion: 2, minorVersion: 0, messageId: 0 };
    const answer = read(
      encodeMessage({ ...header, exchangeType: ExchangeType.IKE_SA_INIT, flags: IkeFlag.RESPONSE }, answerOf(octets)),
    );
    assert.ok(answer !== undefined, "the answer could not be read");
    return { kind: "answer", answer };
  };
  return { seen, ask };
}

const TAKEN = [
  one(TransformType.ENCR, 12, 256),
  one(TransformType.ENCR, 12, 128),
  one(TransformType.INTEG, 12),
  one(TransformType.PRF, 5),
  one(TransformType.KE, 14),
  one(TransformType.KE, 31),
];

test("a probe finds every transform of each kind that a responder takes, and nothing else", async () => {
  for (const cookies of [false, true]) {
    const { ask, seen } = responder([TAKEN], cookies);
    const found = await searchVersion2(ask, ENDS, PROBES);
    assert.deepEqual(found.transforms["encryption"]?.toSorted(), ["aes128", "aes256"]);
    assert.deepEqual(found.transforms["integrity"], ["sha256"]);
    assert.deepEqual(found.transforms["PRF"], ["prfsha256"]);
    assert.deepEqual(found.transforms["key exchange"]?.toSorted(), ["modp2048", "x25519"]);
    assert.deepEqual([found.reached, found.refusal, found.vendors], ["answered", undefined, ["strong"]]);
    assert.ok(found.suites.every((suite) => /^aes(128|256)-sha256-prfsha256-(modp2048|x25519)$/.test(suite)));
    assert.ok(seen.asked <= PROBES && found.probes === seen.asked, `${seen.asked} probes`);
  }
});

test("a probe never sends more than its bound, and says that it ended there", async () => {
  const { ask, seen } = responder([TAKEN]);
  const found = await searchVersion2(ask, ENDS, 3);
  assert.deepEqual([seen.asked, found.bounded], [3, true]);
});

test("a peer that takes nothing of ours is told by what it says", async () => {
  const { ask } = responder([[one(TransformType.ENCR, 23, 256), one(TransformType.PRF, 5), one(TransformType.KE, 31)]]);
  const found = await searchVersion2(ask, ENDS, PROBES);
  assert.deepEqual([found.suites, found.refusal], [[], "NO_PROPOSAL_CHOSEN"]);
});

for (const kind of ["silent", "refused", "unreachable"] as const)
  test(`a peer that is ${kind} is asked once in each version, and told as that`, async () => {
    let asked = 0;
    const ask: Ask = async () => {
      asked++;
      return { kind };
    };
    assert.equal((await searchVersion2(ask, ENDS, PROBES)).reached, kind);
    assert.equal((await searchVersion1(ask, PROBES)).reached, kind);
    assert.equal(asked, 2);
  });
