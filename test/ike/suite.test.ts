// Chosen transforms become suites: sizes, names as swanctl.conf writes them, and what is no suite.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Transform, TransformType } from "#core/proposal";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { ENCRYPTION_TRANSFORMS, Encryption, Integrity } from "#crypto/transforms";
import { childSuite, childSuiteName, encryptionOf, ikeSuite, ikeSuiteName, suiteIds } from "#ike/suite";

const { ENCR, PRF, INTEG, KE, ESN, ADDKE1, ADDKE3 } = TransformType;

function transform(type: number, id: number, keyBits = 0): Transform {
  return { type, id, keyBits };
}

const GCM = transform(ENCR, Encryption.AES_GCM_16, 256);
const CBC = transform(ENCR, Encryption.AES_CBC, 128);
const SHA256 = transform(INTEG, Integrity.HMAC_SHA2_256_128);
const PRF384 = transform(PRF, PrfId.HMAC_SHA2_384);
const PRF256 = transform(PRF, PrfId.HMAC_SHA2_256);
const ECP384 = transform(KE, KeMethod.ECP_384);
const X25519 = transform(KE, KeMethod.CURVE25519);

test("every encryption of the registry is named by one transform: key length without salt, none for fixed keys", () => {
  const fixed: readonly number[] = [
    Encryption.DES,
    Encryption.TRIPLE_DES,
    Encryption.NULL,
    Encryption.CHACHA20_POLY1305,
  ];
  for (const row of ENCRYPTION_TRANSFORMS) {
    const keyBits = fixed.includes(row.id) ? 0 : 8 * (row.keyOctets - row.saltOctets);
    assert.equal(encryptionOf(transform(ENCR, row.id, keyBits)), row);
  }
});

test("a Key Length where none belongs, a missing one and an odd one are not known (RFC 7296 §3.3.5)", () => {
  for (const [id, keyBits] of [
    [Encryption.AES_CBC, 0],
    [Encryption.AES_CBC, 129],
    [Encryption.AES_GCM_16, 160],
    [Encryption.TRIPLE_DES, 192],
    [Encryption.CHACHA20_POLY1305, 256],
    [99, 0],
  ] as const)
    assert.equal(encryptionOf(transform(ENCR, id, keyBits)), undefined);
});

// Transforms, and the name.
const IKE: readonly (readonly [readonly Transform[], string])[] = [
  [[GCM, PRF384, ECP384], "aes256gcm16-prfsha384-ecp384"],
  [[CBC, SHA256, PRF256, X25519], "aes128-sha256-x25519"],
  [[CBC, SHA256, PRF384, X25519], "aes128-sha256-prfsha384-x25519"],
  [[GCM, transform(INTEG, 0), PRF384, ECP384], "aes256gcm16-prfsha384-ecp384"],
  [
    [GCM, PRF256, X25519, transform(ADDKE1, KeMethod.ML_KEM_768), transform(ADDKE3, KeMethod.CURVE448)],
    "aes256gcm16-prfsha256-x25519-ke1_mlkem768-ke3_x448",
  ],
  [[GCM, PRF256, X25519, transform(ADDKE1, 0)], "aes256gcm16-prfsha256-x25519"],
];

for (const [chosen, name] of IKE)
  test(`IKE suite ${name}`, () => {
    const suite = ikeSuite(chosen);
    assert.ok(suite !== undefined);
    assert.equal(ikeSuiteName(suite), name);
    assert.equal(suite.integrity === undefined, suite.encryption.aead);
  });

test("no IKE suite: a type is missing or twice, unknown, foreign, or AEAD and integrity do not go together", () => {
  for (const chosen of [
    [],
    [GCM, PRF384],
    [GCM, ECP384],
    [PRF384, ECP384],
    [GCM, CBC, PRF384, ECP384],
    [GCM, PRF384, transform(KE, 0)],
    [GCM, PRF384, transform(KE, 22)],
    [GCM, transform(PRF, 3), ECP384],
    [GCM, PRF384, ECP384, transform(ESN, 0)],
    [GCM, PRF384, ECP384, transform(99, 1)],
    [GCM, PRF384, ECP384, transform(ADDKE1, 99)],
    [GCM, SHA256, PRF384, ECP384],
    [CBC, PRF384, ECP384],
    [CBC, transform(INTEG, 99), PRF384, ECP384],
    [CBC, transform(INTEG, Integrity.AES_128_GMAC), PRF384, ECP384],
    [transform(ENCR, Encryption.NULL), SHA256, PRF256, ECP384],
    [transform(ENCR, Encryption.NULL_AUTH_AES_GMAC, 128), PRF256, ECP384],
  ])
    assert.equal(ikeSuite(chosen), undefined, JSON.stringify(chosen));
});

const CHILD: readonly (readonly ["esp" | "ah", readonly Transform[], string, number, number])[] = [
  ["esp", [GCM, transform(ESN, 0)], "aes256gcm16", 20, 0],
  ["esp", [GCM, X25519, transform(ESN, 1)], "aes256gcm16-x25519-esn", 20, 0],
  ["esp", [CBC, SHA256, transform(KE, 0), transform(ESN, 0)], "aes128-sha256", 12, 12],
  ["esp", [transform(ENCR, Encryption.NULL), SHA256], "null-sha256", 11, 12],
  ["esp", [GCM, X25519, transform(ADDKE1, KeMethod.ML_KEM_1024)], "aes256gcm16-x25519-ke1_mlkem1024", 20, 0],
  ["ah", [SHA256, transform(ESN, 1)], "sha256-esn", 0, 12],
  ["ah", [transform(INTEG, Integrity.AES_256_GMAC)], "aes256gmac", 0, 11],
];

for (const [protocol, chosen, name, encryption, integrity] of CHILD)
  test(`${protocol} suite ${name}`, () => {
    const suite = childSuite(protocol, chosen);
    assert.ok(suite !== undefined);
    assert.equal(childSuiteName(suite), name);
    assert.deepEqual(suiteIds(suite), { encryption, integrity });
  });

test("no ESP or AH suite: encryption without integrity, AH with encryption, further key exchanges without a first", () => {
  for (const [protocol, chosen] of [
    ["esp", []],
    ["esp", [SHA256]],
    ["esp", [CBC]],
    ["esp", [transform(ENCR, Encryption.NULL)]],
    ["esp", [GCM, SHA256]],
    ["esp", [GCM, PRF256]],
    ["esp", [GCM, transform(KE, 99)]],
    ["esp", [GCM, transform(ADDKE1, KeMethod.ML_KEM_768)]],
    ["esp", [CBC, transform(INTEG, Integrity.AES_128_GMAC)]],
    ["ah", []],
    ["ah", [GCM]],
    ["ah", [CBC, SHA256]],
  ] as const)
    assert.equal(childSuite(protocol, chosen), undefined, JSON.stringify(chosen));
});
