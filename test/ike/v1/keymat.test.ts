// Keying material of IKEv1 (RFC 2409): NIST's 850 cases, NSS's of appendix B and quick mode, directions and lengths.
import assert from "node:assert/strict";
import { test } from "node:test";
import { spi } from "#core/units";
import { joinOctets } from "#crypto/octets";
import { PrfId, prf, prfByName } from "#crypto/prf";
import { encryptionByName, integrityByName } from "#crypto/transforms";
import {
  expandKeymat,
  type IsakmpKeys,
  isakmpCipherKey,
  isakmpKeys,
  quickModeKeys,
  wipeIsakmpKeys,
} from "#ike/v1/keymat";
import { phase1Hash } from "#ike/v1/phase1-proof";
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
    readonly gxykm: string;
    /** Cookies in rows of type ikeV1. */
    readonly Ni: string;
    readonly Nr: string;
    readonly seed: string;
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

for (const hash of ["sha1", "sha256", "aesxcbc"]) {
  const path = `ike-kdf/nss-ike-${hash}.json`;
  const id = prfByName(`prf${hash}`)?.id ?? 0;
  const rowsOf = (type: string) => (sharedJson<Nss>(path)?.tests ?? []).filter((row) => row.type === type);

  test(`NSS with prf${hash}: SKEYID for signatures, and SKEYID_d, _a, _e of it (RFC 2409 §5)`, {
    skip: skipShared(path),
  }, () => {
    const [skeyid] = rowsOf("ikeGxy");
    const rows = rowsOf("ikeV1");
    const [first] = rows;
    assert.ok(skeyid && first && rows.length === 3);
    const keys = isakmpKeys({
      prf: id,
      initiatorNonce: hex(skeyid.Ni),
      responderNonce: hex(skeyid.Nr),
      initiatorCookie: hex(first.Ni),
      responderCookie: hex(first.Nr),
      shared: hex(skeyid.ikm),
      preSharedKey: undefined,
    });
    assert.equal(toHex(keys.SKEYID), skeyid.okm);
    assert.deepEqual(
      [keys.SKEYID_d, keys.SKEYID_a, keys.SKEYID_e].map(toHex),
      rows.map(({ okm }) => okm),
    );
  });

  test(`NSS with prf${hash}: SKEYID from a pre-shared key (RFC 2409 §5)`, { skip: skipShared(path) }, () => {
    const [row] = rowsOf("ikeV1Psk");
    assert.ok(row);
    const NOTHING = new Uint8Array(0);
    const { SKEYID } = isakmpKeys({
      prf: id,
      initiatorNonce: hex(row.Ni),
      responderNonce: hex(row.Nr),
      initiatorCookie: NOTHING,
      responderCookie: NOTHING,
      shared: NOTHING,
      preSharedKey: hex(row.ikm),
    });
    assert.equal(toHex(SKEYID), row.okm);
  });

  test(`NSS with prf${hash}: KEYMAT of quick mode, shorter and longer than the PRF's output (RFC 2409 §5.5)`, {
    skip: skipShared(path),
  }, () => {
    const rows = rowsOf("ikeV1AppBQuick");
    assert.equal(rows.length, 3);
    for (const { ikm, seed, okm, size } of rows)
      assert.equal(toHex(expandKeymat(id, hex(ikm), [hex(seed)], size)), okm);
  });
}

interface AggressivePsk {
  readonly vectors: readonly (Readonly<
    Record<"g_xr" | "g_xi" | "cky_r" | "cky_i" | "sai_b" | "idir_b" | "ni_b" | "nr_b" | "hash_r" | "psk", string>
  > & { readonly hash: string; readonly skeyid_here: string })[];
}

const HASH_R = "ike-auth/ikev1-aggressive-psk.json";

test("HASH_R of two Check Point gateways with the pre-shared key that ike-scan found (RFC 2409 §5.4)", {
  skip: skipShared(HASH_R),
}, () => {
  const { vectors } = sharedJson<AggressivePsk>(HASH_R) ?? { vectors: [] };
  assert.equal(vectors.length, 2);
  for (const row of vectors) {
    const id = prfByName(`prf${row.hash}`)?.id ?? 0;
    const { SKEYID } = isakmpKeys({
      prf: id,
      initiatorNonce: hex(row.ni_b),
      responderNonce: hex(row.nr_b),
      initiatorCookie: hex(row.cky_i),
      responderCookie: hex(row.cky_r),
      shared: new Uint8Array(0),
      preSharedKey: new TextEncoder().encode(row.psk),
    });
    assert.equal(toHex(SKEYID), row.skeyid_here);
    const hashed = {
      keys: { prf: id, SKEYID },
      initiatorPublic: hex(row.g_xi),
      responderPublic: hex(row.g_xr),
      saBody: hex(row.sai_b),
    };
    const cookies = { initiatorCookie: BigInt(`0x${row.cky_i}`), responderCookie: BigInt(`0x${row.cky_r}`) };
    assert.equal(toHex(phase1Hash("R", hashed, cookies, hex(row.idir_b))), row.hash_r);
    assert.notEqual(toHex(phase1Hash("I", hashed, cookies, hex(row.idir_b))), row.hash_r);
  }
});

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
