// Keying material of IKEv1 (RFC 2409): NIST's 850 cases, NSS's of appendix B and quick mode, directions and lengths.
import assert from "node:assert/strict";
import { test } from "node:test";
import { spi } from "#core/units";
import { joinOctets } from "#crypto/octets";
import { PrfId, prf, prfByName } from "#crypto/prf";
import { encryptionByName, integrityByName } from "#crypto/transforms";
import { type IsakmpKeys, isakmpCipherKey, isakmpKeys, quickModeKeys, wipeIsakmpKeys } from "#ike/v1/keymat";
import { hex, sharedJson, skipShared, toHex, vectorJson } from "#test/vectors/load";

/** In hex; the names are CAVS's. */
interface Row {
  readonly CKY_I: string;
  readonly CKY_R: string;
  readonly Ni: string;
  readonly Nr: string;
  readonly "g^xy": string;
  readonly "pre-shared-key"?: string;
  readonly SKEYID: string;
  readonly SKEYID_d: string;
  readonly SKEYID_a: string;
  readonly SKEYID_e: string;
}

interface Cavs {
  readonly groups: readonly { readonly params: { readonly hash: string }; readonly tests: readonly Row[] }[];
}

for (const file of ["ikev1_psk", "ikev1_dsa"])
  test(`CAVS ${file}: SKEYID, SKEYID_d, SKEYID_a, SKEYID_e (RFC 2409 §5)`, () => {
    let rows = 0;
    for (const { params, tests } of vectorJson<Cavs>(`cavs-ike/${file}.json.gz`).groups)
      for (const row of tests) {
        const psk = row["pre-shared-key"];
        const keys = isakmpKeys({
          prf: prfByName(`prf${params.hash.replace("-", "").toLowerCase()}`)?.id ?? 0,
          initiatorNonce: hex(row.Ni),
          responderNonce: hex(row.Nr),
          initiatorCookie: hex(row.CKY_I),
          responderCookie: hex(row.CKY_R),
          shared: hex(row["g^xy"]),
          preSharedKey: psk === undefined ? undefined : hex(psk),
        });
        const { SKEYID, SKEYID_d, SKEYID_a, SKEYID_e } = keys;
        assert.deepEqual([SKEYID, SKEYID_d, SKEYID_a, SKEYID_e].map(toHex), [
          row.SKEYID,
          row.SKEYID_d,
          row.SKEYID_a,
          row.SKEYID_e,
        ]);
        rows++;
      }
    assert.equal(rows, 425);
  });

interface Nss {
  readonly tests: readonly {
    readonly type: string;
    readonly ikm: string;
    readonly okm: string;
    readonly size: number;
  }[];
}

for (const hash of ["sha1", "sha256", "aesxcbc"]) {
  const path = `ike-kdf/nss-ike-${hash}.json`;
  test(`appendix B with prf${hash}: shorter, as long and longer than SKEYID_e`, { skip: skipShared(path) }, () => {
    const id = prfByName(`prf${hash}`)?.id ?? 0;
    const rows = (sharedJson<Nss>(path)?.tests ?? []).filter(({ type }) => type === "ikeV1AppB");
    for (const { ikm, okm, size } of rows) assert.equal(toHex(isakmpCipherKey(id, hex(ikm), size)), okm);
    assert.equal(rows.length, 3);
  });
}

function isakmp(prfId: number): IsakmpKeys {
  return isakmpKeys({
    prf: prfId,
    initiatorNonce: hex("11".repeat(16)),
    responderNonce: hex("22".repeat(16)),
    initiatorCookie: hex("33".repeat(8)),
    responderCookie: hex("44".repeat(8)),
    shared: hex("55".repeat(128)),
    preSharedKey: hex("6b6579"),
  });
}

test("quick mode: one KEYMAT for each SPI, encryption before integrity, stretched by K1, K2, … (RFC 2409 §5.5)", () => {
  const keys = isakmp(PrfId.HMAC_SHA1);
  const nonces = { initiatorNonce: hex("77".repeat(16)), responderNonce: hex("88".repeat(20)) };
  const suite = { encryption: encryptionByName("3des"), integrity: integrityByName("sha1") };
  for (const shared of [new Uint8Array(0), hex("99".repeat(128))]) {
    const common = { isakmp: keys, suite, protocol: 3, ...nonces, shared };
    const a = quickModeKeys({ ...common, inboundSpi: spi(0x89abcdef), outboundSpi: spi(0x1234) });
    const b = quickModeKeys({ ...common, inboundSpi: spi(0x1234), outboundSpi: spi(0x89abcdef) });
    assert.deepEqual(a, { inbound: b.outbound, outbound: b.inbound });
    const seed = [shared, hex("0389abcdef"), nonces.initiatorNonce, nonces.responderNonce];
    const k1 = prf(PrfId.HMAC_SHA1, keys.SKEYID_d, seed);
    const k2 = prf(PrfId.HMAC_SHA1, keys.SKEYID_d, [k1, ...seed]);
    const k3 = prf(PrfId.HMAC_SHA1, keys.SKEYID_d, [k2, ...seed]);
    const { encryptionKey, integrityKey } = a.inbound;
    assert.deepEqual([encryptionKey.length, integrityKey.length], [24, 20]);
    assert.deepEqual(joinOctets([encryptionKey, integrityKey]), joinOctets([k1, k2, k3]).subarray(0, 44));
  }
});

test("wiping leaves zeros", () => {
  const keys = isakmp(PrfId.HMAC_SHA2_256);
  wipeIsakmpKeys(keys);
  const { SKEYID, SKEYID_d, SKEYID_a, SKEYID_e } = keys;
  for (const key of [SKEYID, SKEYID_d, SKEYID_a, SKEYID_e]) assert.ok(key.every((octet) => octet === 0));
});
