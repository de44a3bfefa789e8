import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolId, TransformType } from "#core/proposal";
import { Writer } from "#core/writer";
import { chooseProposal } from "#ike/proposal";
import { bodyOf, decodeBody, proveCodec, refused, typeOf } from "#test/wire/ike/codec-rows";
import { encodeSa, type SaTransform, TRANSFORMS_LIMIT, UNSELECTABLE } from "#wire/ike/v2/sa";

const NO_SPI = new Uint8Array(0);
const GCM256 = { type: TransformType.ENCR, id: 20, keyBits: 256 };
const SHA256 = { type: TransformType.PRF, id: 5, keyBits: 0 };
const X25519 = { type: TransformType.KE, id: 31, keyBits: 0 };
const NO_ESN = { type: TransformType.ESN, id: 0, keyBits: 0 };

proveCodec(typeOf("SA"), "RFC 7296 §3.3", [
  {
    what: "a proposal for an IKE SA",
    body: `00 00 0024 01 01 00 03
      03 00 000c 01 00 0014 800e 0100
      03 00 0008 02 00 0005
      00 00 0008 04 00 001f`,
    value: {
      kind: "SA",
      proposals: [{ number: 1, protocol: 1, spi: NO_SPI, transforms: [GCM256, SHA256, X25519] }],
    },
    validCuts: [],
    // Proposal length, SPI size, number of transforms, the transforms' lengths.
    lengths: [0, 3, 7, 8, 11, 20, 23, 28, 31],
  },
  {
    what: "two proposals with SPIs, for AH and ESP",
    body: `02 00 0014 01 02 04 01 0000a5f8  00 00 0008 05 00 0000
      00 00 0018 02 03 04 01 0000a5f9  00 00 000c 01 00 0014 800e 0100`,
    value: {
      kind: "SA",
      proposals: [
        { number: 1, protocol: 2, spi: bodyOf("0000a5f8"), transforms: [NO_ESN] },
        { number: 2, protocol: 3, spi: bodyOf("0000a5f9"), transforms: [GCM256] },
      ],
    },
    validCuts: [],
    lengths: [0, 3, 6, 7, 12, 15, 20, 23, 26, 27, 32, 35],
  },
  {
    what: "row 21: a proposal of no transform, which nothing chooses",
    body: "00 00 0008 01 03 00 00",
    value: { kind: "SA", proposals: [{ number: 1, protocol: 3, spi: NO_SPI, transforms: [] }] },
    validCuts: [],
    lengths: [3, 6, 7],
  },
  {
    what: "row 21: a proposal without KE and INTEG",
    body: "00 00 0010 01 01 00 01 00 00 0008 02 00 0005",
    value: { kind: "SA", proposals: [{ number: 1, protocol: 1, spi: NO_SPI, transforms: [SHA256] }] },
    validCuts: [],
    lengths: [3, 7, 11],
  },
]);

function transformOf(attributes: string): SaTransform | undefined {
  const length = bodyOf(attributes).length;
  const head = (n: number) => n.toString(16).padStart(4, "0");
  const body = `00 00 ${head(16 + length)} 01 03 00 01  00 00 ${head(8 + length)} 01 00 000c ${attributes}`;
  const payload = decodeBody(typeOf("SA"), bodyOf(body));
  assert.ok(payload?.kind === "SA");
  const writer = new Writer();
  encodeSa(payload, writer);
  assert.deepEqual(writer.finish(), bodyOf(body));
  return payload.proposals[0]?.transforms[0];
}

test("a transform with attributes we do not understand is kept and cannot be chosen (RFC 7296 §3.3.6)", () => {
  for (const [why, attributes] of [
    ["an unknown short one", "8012 0001"],
    ["an unknown long one", "0012 0003 010203"],
    ["an unknown one behind the key length", "800e 0100 8012 0001"],
    ["the key length twice", "800e 0100 800e 0080"],
    ["row 21: key length 0", "800e 0000"],
    ["the key length in the long form", "000e 0002 0100"],
    ["a long one of nothing", "0012 0000"],
  ] as const) {
    const transform = transformOf(attributes);
    assert.ok(transform !== undefined && "wireId" in transform, why);
    assert.equal(transform.id, UNSELECTABLE, why);
    assert.deepEqual([transform.type, transform.wireId, transform.keyBits], [1, 12, 0], why);
    assert.ok(transform.attributes.length > 0, why);
  }
});

test("a proposal of one that cannot be chosen is passed over, even where its ID is ours (RFC 7296 §3.3.6)", () => {
  const esn = "00 00 0008 05 00 0000";
  const octets = bodyOf(`02 00 0024 01 03 04 02 00000100  03 00 0010 01 00 0014 800e0100 80120001 ${esn}
    00 00 0020 02 03 04 02 00000100  03 00 000c 01 00 0014 800e0100 ${esn}`);
  const payload = decodeBody(typeOf("SA"), octets);
  assert.ok(payload?.kind === "SA");
  const choice = chooseProposal(payload.proposals, [{ protocol: ProtocolId.ESP, transforms: [GCM256, NO_ESN] }]);
  assert.equal(choice?.proposal.number, 2);
  assert.deepEqual(choice?.transforms, [GCM256, NO_ESN]);
  assert.equal(
    chooseProposal(payload.proposals.slice(0, 1), [{ protocol: 3, transforms: [GCM256, NO_ESN] }]),
    undefined,
  );
});

test("row 21: a key length that no cipher has is what it is, and equals nobody's", () => {
  assert.deepEqual(transformOf("800e 0081"), { type: 1, id: 12, keyBits: 129 });
  assert.deepEqual(transformOf("800e ffff"), { type: 1, id: 12, keyBits: 65535 });
});

test("row 21: attributes that do not fit their transform are refused (RFC 7296 §3.3.5)", () => {
  const sa = (length: string, transform: string) => `00 00 ${length} 01 03 00 01  ${transform}`;
  refused(typeOf("SA"), sa("0012", "00 00 000a 01 00 000c 800e"), "attribute value at octet 22");
  refused(typeOf("SA"), sa("0014", "00 00 000c 01 00 000c 000e 0001"), "attribute value at octet 24");
  refused(typeOf("SA"), sa("0014", "00 00 000c 01 00 000c 0012 ffff"), "attribute value at octet 24");
});

test("row 21: counts, lengths and last marks that contradict each other are refused (RFC 7296 §3.3.1, §3.3.2)", () => {
  const esn = "08 05 00 0000";
  // Fewer and more transforms than the count says.
  refused(typeOf("SA"), `00 00 0010 01 03 00 02 03 00 00${esn}`, "last transform substructure at octet 20");
  refused(
    typeOf("SA"),
    `00 00 0018 01 03 00 01 00 00 00${esn} 00 00 00${esn}`,
    "octets after the last transform at octet 20",
  );
  refused(
    typeOf("SA"),
    `00 00 0018 01 03 00 02 00 00 00${esn} 00 00 00${esn}`,
    "last transform substructure at octet 12",
  );
  refused(typeOf("SA"), `00 00 0010 01 03 00 01 03 00 00${esn}`, "last transform substructure at octet 12");
  refused(typeOf("SA"), `00 00 0010 01 03 00 01 02 00 00${esn}`, "last transform substructure at octet 12");
  // Lengths below their own headers.
  refused(typeOf("SA"), "00 00 0007 01 03 00 00", "proposal length at octet 6");
  refused(typeOf("SA"), "00 00 0000 01 03 00 00", "proposal length at octet 6");
  refused(typeOf("SA"), "00 00 0010 01 03 00 01 00 00 0000 05 00 0000", "transform length at octet 14");
  refused(typeOf("SA"), "00 00 0010 01 03 00 01 00 00 0007 05 00 0000", "transform length at octet 14");
  // Beyond the payload.
  refused(typeOf("SA"), "00 00 ffff 01 03 00 00", "proposal length at octet 8");
  refused(typeOf("SA"), "00 00 0008 01 03 ff 00", "proposal SPI at octet 12");
  // Marks of proposals.
  refused(typeOf("SA"), "02 00 0008 01 03 00 00", "last proposal substructure at octet 12");
  refused(typeOf("SA"), "01 00 0008 01 03 00 00", "last proposal substructure at octet 4");
  refused(typeOf("SA"), "00 00 0008 01 03 00 00 00 00 0008 02 03 00 00", "octets after the last proposal at octet 12");
  refused(typeOf("SA"), "", "last proposal substructure at octet 4");
});

test("proposals are numbered in one octet: no more than 255 are read", () => {
  const proposals = (count: number) => `${"02 00 0008 01 03 00 00".repeat(count - 1)} 00 00 0008 01 03 00 00`;
  const most = decodeBody(typeOf("SA"), bodyOf(proposals(255)));
  assert.ok(most?.kind === "SA" && most.proposals.length === 255);
  refused(typeOf("SA"), proposals(256), `number of proposals at octet ${4 + 255 * 8}`);
});

test("an SA without proposals cannot be written", () => {
  assert.throws(() => encodeSa({ kind: "SA", proposals: [] }, new Writer()), { code: "BUG" });
});

test("no more than 1024 transforms are read, however they are spread: each is compared with each of ours", () => {
  const one = "00 00 0008 01 00 0014";
  const transform = (last: boolean) => (last ? one : one.replace("00", "03"));
  const proposal = (last: boolean, count: number) => {
    const transforms = Array.from({ length: count }, (_, i) => transform(i === count - 1)).join(" ");
    return `${last ? "00" : "02"} 00 ${(8 + 8 * count).toString(16).padStart(4, "0")} 01 01 00 ${count.toString(16).padStart(2, "0")} ${transforms}`;
  };
  const whole = (extra: number) =>
    [...Array.from({ length: 8 }, () => proposal(false, 127)), proposal(true, 8 + extra)].join(" ");
  const most = decodeBody(typeOf("SA"), bodyOf(whole(0)));
  assert.ok(most?.kind === "SA");
  assert.equal(most.proposals.flatMap(({ transforms }) => transforms).length, TRANSFORMS_LIMIT);
  refused(typeOf("SA"), whole(1), `number of transforms at octet ${4 + bodyOf(whole(1)).length}`);
});
