// The SA payload of IKEv1 (RFC 2408 §3.4–§3.6, RFC 2407 §4.6.1).
import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, chainOf } from "#test/wire/ike/codec-rows";
import { prove, refused } from "#test/wire/ike/v1/chains";
import { ATTRIBUTES_LIMIT, type Attribute, attribute, attributeValue } from "#wire/ike/v1/attributes";
import { decodeChain, encodeChain } from "#wire/ike/v1/chain";
import { PayloadType, Protocol } from "#wire/ike/v1/numbers";
import { PROPOSALS_LIMIT, type SaPayload, type SaProposal, TRANSFORMS_LIMIT } from "#wire/ike/v1/sa";

const NOTHING = new Uint8Array(0);
const { SA } = PayloadType;

prove(SA, "RFC 2408 §3.4–§3.6", [
  {
    // What Check Point sends (ike-scan's check-psk-crack-2).
    what: "phase 1, one transform",
    body: `00000001 00000001
      00 00 002c 01 01 00 01
      00 00 0024 01 01 0000 80010001 80020001 80030001 80040002 800b0001 000c000400007080`,
    value: {
      kind: "SA",
      proposals: [
        {
          number: 1,
          protocol: Protocol.ISAKMP,
          spi: NOTHING,
          transforms: [
            {
              number: 1,
              id: 1,
              attributes: [
                attribute(1, 1),
                attribute(2, 1),
                attribute(3, 1),
                attribute(4, 2),
                attribute(11, 1),
                { type: 12, short: false, value: bodyOf("00007080") },
              ],
            },
          ],
        },
      ],
    },
    validCuts: [],
    lengths: [11, 14, 15, 19, 47],
  },
]);

const BUNDLE = `00000001 00000001
  02 00 0020 01 02 04 01 0a0b0c0d
  00 00 0014 01 03 0000 80040001 80050002 fffe0001
  00 00 0028 01 03 04 02 11121314
  03 00 000c 01 03 0000 80040001
  00 00 0010 02 0c 0000 80040001 80060080`;

test("AH and ESP with one number, two transforms, attributes nobody knows: all kept as they came (RFC 2408 §4.2)", () => {
  const [payload] = decodeChain(SA, chainOf(bodyOf(BUNDLE)));
  assert.ok(payload?.kind === "SA");
  const [ah, esp] = payload.proposals;
  assert.deepEqual([ah?.number, ah?.protocol, ah?.spi], [1, Protocol.IPSEC_AH, bodyOf("0a0b0c0d")]);
  assert.deepEqual([esp?.number, esp?.protocol, esp?.spi], [1, Protocol.IPSEC_ESP, bodyOf("11121314")]);
  assert.deepEqual(ah?.transforms[0]?.attributes[2], { type: 0x7ffe, short: true, value: bodyOf("0001") });
  assert.deepEqual(
    esp?.transforms.map(({ number, id }) => [number, id]),
    [
      [1, 3],
      [2, 12],
    ],
  );
  assert.deepEqual(payload.body, bodyOf(BUNDLE));
});

const head = "00000001 00000001";
const proposal = "00 00 0014 01 01 00 01";
const transform = "00 00 000c 01 01 0000 80010001";

test("other DOIs and situations are refused (RFC 2407 §4.2)", () => {
  refused(SA, `00000000 00000001 ${proposal} ${transform}`, "DOI at octet 4");
  refused(SA, `00000002 00000001 ${proposal} ${transform}`, "DOI at octet 4");
  for (const situation of ["00000000", "00000002", "00000003"]) {
    refused(SA, `00000001 ${situation} ${proposal} ${transform}`, "situation at octet 8");
  }
});

test("what is chained wrong is refused (RFC 2408 §3.5, §3.6)", () => {
  refused(SA, head, "proposal next payload at octet 12");
  refused(SA, `${head} 01 00 0014 01 01 00 01 ${transform}`, "proposal next payload at octet 12");
  refused(SA, `${head} 02 00 0014 01 01 00 01 ${transform}`, "proposal next payload at octet 32");
  refused(SA, `${head} 00 01 0014 01 01 00 01 ${transform}`, "proposal reserved at octet 13");
  refused(SA, `${head} 00 00 0003 01 01 00 01 ${transform}`, "proposal length at octet 14");
  refused(SA, `${head} 00 00 0014 01 01 00 02 ${transform}`, "transform next payload at octet 20");
  refused(SA, `${head} 00 00 0014 01 01 00 00 ${transform}`, "octets after the last transform at octet 20");
  refused(SA, `${head} ${proposal} 03 00 000c 01 01 0000 80010001`, "transform next payload at octet 20");
  refused(SA, `${head} ${proposal} 00 01 000c 01 01 0000 80010001`, "transform reserved at octet 21");
  refused(SA, `${head} ${proposal} 00 00 0002 01 01 0000 80010001`, "transform length at octet 22");
  refused(SA, `${head} ${proposal} ${transform} 00`, "octets after the last proposal at octet 32");
  refused(SA, `${head} 00 00 0014 01 01 00 01 00 00 000c 01 01 0000 00010004`, "attribute value at octet 32");
});

function sa(proposals: readonly SaProposal[]): SaPayload {
  return { kind: "SA", proposals };
}

function proposalOf(transforms: number, attributes: readonly Attribute[] = []): SaProposal {
  const one = { number: 1, id: 1, attributes };
  return { number: 1, protocol: 1, spi: NOTHING, transforms: Array.from({ length: transforms }, () => one) };
}

test("proposals, transforms and attributes are bounded", () => {
  const read = (payload: SaPayload) => decodeChain(SA, encodeChain([payload]).octets);
  const many = (count: number) => Array.from({ length: count }, () => proposalOf(1));
  assert.equal(read(sa(many(PROPOSALS_LIMIT))).length, 1);
  const chained = chainOf(
    bodyOf(`${head} ${`02${proposal.slice(2)} ${transform}`.repeat(PROPOSALS_LIMIT)} ${proposal} ${transform}`),
  );
  assert.throws(() => decodeChain(SA, chained), { name: "WireError", message: /^number of proposals/ });
  const all = [255, 255, 255, 255, 4].map((count) => proposalOf(count));
  assert.equal(TRANSFORMS_LIMIT, 1024);
  assert.equal(read(sa(all)).length, 1);
  assert.throws(() => read(sa([...all, proposalOf(1)])), { message: /^number of transforms/ });
  const attributes = (count: number) => Array.from({ length: count }, () => attribute(1, 1));
  assert.equal(read(sa([proposalOf(1, attributes(ATTRIBUTES_LIMIT))])).length, 1);
  assert.throws(() => read(sa([proposalOf(1, attributes(ATTRIBUTES_LIMIT + 1))])), {
    message: /^number of attributes/,
  });
});

test("values of attributes: short where they fit, numbers up to 6 octets (RFC 2408 §3.3)", () => {
  assert.deepEqual(attribute(12, 0xffff), { type: 12, short: true, value: bodyOf("ffff") });
  assert.deepEqual(attribute(12, 0x10000), { type: 12, short: false, value: bodyOf("00010000") });
  const value = (octets: string) => attributeValue({ type: 12, short: false, value: bodyOf(octets) });
  assert.equal(value("0102"), 258);
  assert.equal(value("ffffffffffff"), 2 ** 48 - 1);
  assert.equal(value("0000 0000 000000007080"), 28800);
  assert.equal(value("00"), 0);
  assert.equal(value("01 000000000000"), undefined);
  assert.equal(value(""), undefined);
});
