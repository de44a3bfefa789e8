// PRFs of IKE: published values of each, keys of any length, prf+ (RFC 7296 §2.13).
import assert from "node:assert/strict";
import { test } from "node:test";
import { PRFS, PrfId, prf, prfById, prfByName, prfPlus } from "#crypto/prf";
import { hex, sharedJson, skipShared, toHex } from "#test/vectors/load";

const XCBC_CMAC = "mac-prf/strongswan-xcbc-cmac.json";
const PRF_OF: Readonly<Record<string, number>> = {
  PRF_AES128_XCBC: PrfId.AES128_XCBC,
  PRF_AES128_CMAC: PrfId.AES128_CMAC,
};
const text = (value: string) => new TextEncoder().encode(value);

test("the registry's names, IDs and sizes are those of IANA and swanctl.conf", () => {
  assert.deepEqual(
    PRFS.map(({ name, id, keyOctets, outputOctets }) => [name, id, keyOctets, outputOctets]),
    [
      ["prfsha256", 5, 32, 32],
      ["prfsha384", 6, 48, 48],
      ["prfsha512", 7, 64, 64],
      ["prfsha1", 2, 20, 20],
      ["prfmd5", 1, 16, 16],
      ["prfaesxcbc", 4, 16, 16],
      ["prfaescmac", 8, 16, 16],
    ],
  );
  assert.equal(prfByName("prfsha1"), prfById(2));
  assert.equal(prfByName("sha1"), undefined);
  assert.equal(prfById(3), undefined);
});

// RFC 2202 §2, §3 and RFC 4231 §4.3: key "Jefe".
const JEFE: readonly (readonly [number, string])[] = [
  [PrfId.HMAC_MD5, "750c783e6ab0b503eaa86e310a5db738"],
  [PrfId.HMAC_SHA1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"],
  [PrfId.HMAC_SHA2_256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"],
  [
    PrfId.HMAC_SHA2_384,
    "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
  ],
  [
    PrfId.HMAC_SHA2_512,
    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
  ],
];

for (const [id, output] of JEFE)
  test(`${prfById(id)?.name}: RFC 2202 and RFC 4231, in one part and in several`, () => {
    assert.equal(toHex(prf(id, text("Jefe"), [text("what do ya want for nothing?")])), output);
    assert.equal(toHex(prf(id, text("Jefe"), [text("what do ya "), text(""), text("want for nothing?")])), output);
  });

test("AES128-XCBC and AES128-CMAC take keys of any length (RFC 4434 §2, RFC 4615 §3)", {
  skip: skipShared(XCBC_CMAC),
}, () => {
  const { vectors } = sharedJson<{ vectors: readonly Readonly<Record<string, string>>[] }>(XCBC_CMAC) ?? {
    vectors: [],
  };
  const lengths = new Map<number, Set<number>>();
  for (const { alg, key, data, out } of vectors) {
    const id = PRF_OF[alg ?? ""];
    if (id === undefined) continue;
    lengths.set(id, (lengths.get(id) ?? new Set()).add(hex(key).length));
    assert.equal(toHex(prf(id, hex(key), [hex(data)])), out);
  }
  for (const id of Object.values(PRF_OF))
    assert.deepEqual(
      [...(lengths.get(id) ?? [])].sort((a, b) => a - b),
      [10, 16, 18],
    );
});

// RFC 4615 §4: the same message under keys of 18, 16 and 10 octets.
test("AES128-CMAC: RFC 4615 §4", () => {
  const message = hex("000102030405060708090a0b0c0d0e0f10111213");
  for (const [key, output] of [
    ["000102030405060708090a0b0c0d0e0fedcb", "84a348a4a45d235babfffc0d2b4da09a"],
    ["000102030405060708090a0b0c0d0e0f", "980ae87b5f4c9c5214f5b6a8455e4c2d"],
    ["00010203040506070809", "290d9e112edb09ee141fcf64c0b72f3d"],
  ] as const)
    assert.equal(toHex(prf(PrfId.AES128_CMAC, hex(key), [message])), output);
});

for (const file of ["sha1", "sha256", "aesxcbc"]) {
  const path = `ike-kdf/nss-ike-${file}.json`;
  test(`prf+ and the seeds of prf${file} (RFC 7296 §2.13, §2.14)`, { skip: skipShared(path) }, () => {
    const id = prfByName(`prf${file}`)?.id ?? 0;
    const { tests } = sharedJson<{ tests: readonly Row[] }>(path) ?? { tests: [] };
    let rows = 0;
    for (const { type, ikm, okm, seed, size, gxykm, Ni, Nr } of tests) {
      const output =
        type === "ikePlus"
          ? prfPlus(id, hex(ikm), [hex(seed)], size)
          : type === "ikeV2Rekey"
            ? prf(id, hex(ikm), [hex(gxykm), hex(Ni), hex(Nr)])
            : undefined;
      if (output === undefined) continue;
      assert.equal(toHex(output), okm);
      rows++;
    }
    assert.equal(rows, 4);
  });
}

interface Row {
  readonly type: string;
  readonly ikm: string;
  readonly okm: string;
  readonly seed: string;
  readonly size: number;
  readonly gxykm: string;
  readonly Ni: string;
  readonly Nr: string;
}

test("prf+ ends after 255 outputs, a longer stream begins with the shorter one", () => {
  const key = hex("0b".repeat(20));
  const whole = prfPlus(PrfId.HMAC_MD5, key, [hex("00")], 255 * 16);
  assert.equal(whole.length, 4080);
  assert.deepEqual(prfPlus(PrfId.HMAC_MD5, key, [hex("00")], 33), whole.subarray(0, 33));
  assert.throws(() => prfPlus(PrfId.HMAC_MD5, key, [hex("00")], 255 * 16 + 1), /prf\+ is asked/);
  assert.equal(prfPlus(PrfId.HMAC_MD5, key, [], 0).length, 0);
});

// The vector file above has this for the PRFs it knows; here it is by its definition, for all.
for (const { id, name, outputOctets } of PRFS)
  test(`${name}: prf+ is T1 = prf(K, S | 1), T2 = prf(K, T1 | S | 2), … and no key is changed`, () => {
    const key = hex("07".repeat(32));
    const seed = text("seed");
    const t1 = prf(id, key, [seed, Uint8Array.of(1)]);
    const t2 = prf(id, key, [t1, seed, Uint8Array.of(2)]);
    assert.equal(toHex(prfPlus(id, key, [seed], 2 * outputOctets)), toHex(t1) + toHex(t2));
    assert.equal(toHex(key), "07".repeat(32));
  });
