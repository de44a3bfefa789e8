import assert from "node:assert/strict";
import test from "node:test";
import { DEFAULT_PROPOSALS } from "#config/swanctl/default-proposals";
import { offeredProposals, parseProposal } from "#config/swanctl/proposals";
import { ProtocolId, type Transform, TransformType } from "#core/proposal";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { Encryption, Integrity } from "#crypto/transforms";

const { ENCR, PRF, INTEG, KE, ESN, ADDKE1, ADDKE2 } = TransformType;
type Short = readonly [type: number, id: number, keyBits?: number];

const ROWS: readonly (readonly [protocol: keyof typeof ProtocolId, text: string, transforms: readonly Short[]])[] = [
  [
    "IKE",
    "aes256-sha256-modp2048-x25519",
    [
      [ENCR, Encryption.AES_CBC, 256],
      [INTEG, Integrity.HMAC_SHA2_256_128],
      [KE, KeMethod.MODP_2048],
      [KE, KeMethod.CURVE25519],
      [PRF, PrfId.HMAC_SHA2_256],
    ],
  ],
  [
    "IKE",
    "aes256gcm16-prfsha384-ecp384",
    [
      [ENCR, Encryption.AES_GCM_16, 256],
      [PRF, PrfId.HMAC_SHA2_384],
      [KE, KeMethod.ECP_384],
    ],
  ],
  [
    "IKE",
    "aes128gcm16-prfsha256-x25519-ke1_mlkem768-ke2_none",
    [
      [ENCR, Encryption.AES_GCM_16, 128],
      [PRF, PrfId.HMAC_SHA2_256],
      [KE, KeMethod.CURVE25519],
      [ADDKE1, KeMethod.ML_KEM_768],
      [ADDKE2, KeMethod.NONE],
    ],
  ],
  [
    "IKE",
    "aes256-aesxcbc-curve448",
    [
      [ENCR, Encryption.AES_CBC, 256],
      [INTEG, Integrity.AES_XCBC_96],
      [KE, KeMethod.CURVE448],
      [PRF, PrfId.AES128_XCBC],
    ],
  ],
  [
    "IKE",
    "AES192CTR-SHA2_512-prfsha2_384-ecp256bp",
    [
      [ENCR, Encryption.AES_CTR, 192],
      [INTEG, Integrity.HMAC_SHA2_512_256],
      [PRF, PrfId.HMAC_SHA2_384],
      [KE, KeMethod.BRAINPOOL_P256R1],
    ],
  ],
  // RFC 7296 §3.3.5: no Key Length attribute for ciphers of one length.
  [
    "ESP",
    "chacha20poly1305-curve25519",
    [
      [ENCR, Encryption.CHACHA20_POLY1305],
      [KE, KeMethod.CURVE25519],
      [ESN, 1],
      [ESN, 0],
    ],
  ],
  [
    "ESP",
    "3des-md5-modp1024-noesn",
    [
      [ENCR, Encryption.TRIPLE_DES],
      [INTEG, Integrity.HMAC_MD5_96],
      [KE, KeMethod.MODP_1024],
      [ESN, 0],
    ],
  ],
  [
    "ESP",
    "null-sha1-esn",
    [
      [ENCR, Encryption.NULL],
      [INTEG, Integrity.HMAC_SHA1_96],
      [ESN, 1],
    ],
  ],
  [
    "ESP",
    "aes128gmac-esn-noesn",
    [
      [ENCR, Encryption.NULL_AUTH_AES_GMAC, 128],
      [ESN, 1],
      [ESN, 0],
    ],
  ],
  [
    "AH",
    "aes256gmac-sha256-noesn",
    [
      [INTEG, Integrity.AES_256_GMAC],
      [INTEG, Integrity.HMAC_SHA2_256_128],
      [ESN, 0],
    ],
  ],
];

for (const [protocol, text, transforms] of ROWS)
  test(`${protocol}: ${text}`, () => {
    const { proposals, errors } = parseProposal(text, ProtocolId[protocol]);
    assert.deepEqual(errors, []);
    assert.deepEqual(proposals, [
      {
        protocol: ProtocolId[protocol],
        transforms: transforms.map(([type, id, keyBits = 0]) => ({ type, id, keyBits })),
      },
    ]);
  });

test("an AEAD's tag is written in octets, in bits or not at all, as strongSwan takes it", () => {
  for (const [names, id] of [
    [["aes128gcm16", "aes128gcm128", "aes128gcm"], Encryption.AES_GCM_16],
    [["aes128gcm12", "aes128gcm96"], Encryption.AES_GCM_12],
    [["aes128gcm8", "aes128gcm64"], Encryption.AES_GCM_8],
    [["aes128ccm16", "aes128ccm128", "aes128ccm"], Encryption.AES_CCM_16],
  ] as const)
    for (const name of names)
      assert.deepEqual(parseProposal(name, ProtocolId.ESP).proposals[0]?.transforms[0], {
        type: ENCR,
        id,
        keyBits: 128,
      });
});

/** Debian's strongSwan 5.9.8 negotiated them with itself by IKEv2; Camellia and Blowfish are not built. */
const NEGOTIATED: readonly (readonly [ike: string, esp: string])[] = [
  ["des-md5-modp768", "des-md5-modp768"],
  ["3des-sha1-modp1024", "3des-sha1"],
  ["aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp384"],
  ["aes128gcm16-prfsha256-curve25519", "chacha20poly1305-curve25519"],
  ["chacha20poly1305-prfsha256-curve25519", "aes256ccm16-curve25519"],
  ["aes256-aesxcbc-curve448", "aes256ctr-sha256-curve448"],
  ["aes256-sha512-modp4096", "aes256-sha512"],
  ["aes128-sha256-modp3072", "aes128gcm8"],
  ["aes128-sha256-modp3072", "aes128gmac"],
  ["aes128-sha256-modp3072", "aes128-sha256-esn"],
  ["aes128-sha256-modp3072", "aes128-aescmac"],
];

test("every proposal that the lab's strongSwan negotiates by IKEv2 is read", () => {
  for (const [ike, esp] of NEGOTIATED)
    for (const read of [parseProposal(ike, ProtocolId.IKE), parseProposal(esp, ProtocolId.ESP)]) {
      assert.deepEqual(read.errors, []);
      assert.equal(read.proposals.length, 1);
    }
});

test("defaults have no fault, no surplus and nothing weak (RFC 8221, RFC 8247)", () => {
  for (const protocol of [ProtocolId.IKE, ProtocolId.ESP, ProtocolId.AH]) {
    assert.ok(offeredProposals(DEFAULT_PROPOSALS[protocol], protocol, 0).length > 0);
    for (const text of DEFAULT_PROPOSALS[protocol]) {
      const { errors, warnings, weak } = parseProposal(text, protocol);
      assert.deepEqual([errors, warnings, weak], [[], [], []]);
    }
  }
});

test("defaults meet what nearly every peer has, and ask for PFS without insisting on it", () => {
  const has = (transforms: readonly Transform[], type: number, id: number) =>
    transforms.some((transform) => transform.type === type && transform.id === id);
  const [combined, classic] = offeredProposals(DEFAULT_PROPOSALS[ProtocolId.IKE], ProtocolId.IKE, 0);
  assert.ok(
    combined &&
      has(combined.transforms, ENCR, Encryption.AES_GCM_16) &&
      has(combined.transforms, KE, KeMethod.CURVE25519),
  );
  assert.ok(
    classic &&
      has(classic.transforms, INTEG, Integrity.HMAC_SHA2_256_128) &&
      has(classic.transforms, KE, KeMethod.MODP_2048),
  );
  for (const { transforms } of offeredProposals(DEFAULT_PROPOSALS[ProtocolId.ESP], ProtocolId.ESP, 0)) {
    const methods = transforms.filter(({ type }) => type === KE).map(({ id }) => id);
    assert.equal(methods[0], KeMethod.CURVE25519);
    assert.equal(methods.at(-1), KeMethod.NONE);
    assert.ok(has(transforms, ESN, 0) && has(transforms, ESN, 1));
  }
});

test("the same transform twice is offered once", () => {
  const { proposals } = parseProposal("aes128-aes128-sha256-sha256-x25519-curve25519", ProtocolId.IKE);
  assert.equal(proposals[0]?.transforms.length, 4);
});
