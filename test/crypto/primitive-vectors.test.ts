// The algorithms alone, by published vectors, on every provider that offers them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Encryption, Integrity } from "#crypto/transforms";
import { hex, responseRecords, sharedJson, skipShared, toHex, vectorJson } from "#test/vectors/load";
import { PROVIDERS } from "./providers.ts";

interface WycheproofTest {
  readonly tcId: number;
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
  readonly result: "valid" | "invalid" | "acceptable";
}
interface Wycheproof {
  readonly testGroups: readonly {
    readonly ivSize?: number;
    readonly tagSize?: number;
    readonly tests: readonly WycheproofTest[];
  }[];
}

function wycheproof(name: string): Wycheproof {
  return vectorJson<Wycheproof>(`wycheproof/${name}_test.json.gz`);
}

const NO_NONCE = new Uint8Array(0);

interface AeadRow {
  readonly file: string;
  readonly id: number;
  readonly nonceBits: number;
  /** Cases of that nonce and tag size in the file. */
  readonly cases: number;
}
// The packets' nonces are salt and IV: 96 bits, with CCM 88 (RFC 4309 §4).
const AEAD_ROWS: readonly AeadRow[] = [
  { file: "aes_gcm", id: Encryption.AES_GCM_16, nonceBits: 96, cases: 197 },
  { file: "aes_ccm", id: Encryption.AES_CCM_16, nonceBits: 88, cases: 18 },
  { file: "chacha20_poly1305", id: Encryption.CHACHA20_POLY1305, nonceBits: 96, cases: 316 },
];

for (const { name, primitives } of PROVIDERS) {
  for (const { file, id, nonceBits, cases } of AEAD_ROWS) {
    test(`${name}: wycheproof ${file}, ${nonceBits}-bit nonces`, () => {
      let run = 0;
      for (const group of wycheproof(file).testGroups) {
        if (group.ivSize !== nonceBits || group.tagSize !== 128) continue;
        for (const vector of group.tests) {
          const aead = primitives.aead(id, hex(vector.key));
          assert.ok(aead !== undefined);
          const sealed = hex(vector.ct + vector.tag);
          const opened = aead.open(hex(vector.iv), hex(vector.aad), sealed);
          if (vector.result === "valid") {
            assert.equal(toHex(opened), vector.msg, `tcId ${vector.tcId} opens`);
            const again = aead.seal(hex(vector.iv), hex(vector.aad), hex(vector.msg));
            assert.equal(toHex(again), toHex(sealed), `tcId ${vector.tcId} seals`);
          } else {
            assert.equal(opened, undefined, `tcId ${vector.tcId} is refused`);
          }
          run++;
        }
      }
      assert.equal(run, cases);
    });
  }

  for (const [file, id] of [
    ["aes_cmac", Integrity.AES_CMAC_96],
    ["hmac_sha1", Integrity.HMAC_SHA1_96],
    ["hmac_sha256", Integrity.HMAC_SHA2_256_128],
  ] as const) {
    test(`${name}: wycheproof ${file}`, () => {
      for (const group of wycheproof(file).testGroups) {
        for (const vector of group.tests) {
          const key = hex(vector.key);
          const mac = primitives.mac(id, key);
          if (mac === undefined) {
            assert.equal(id, Integrity.AES_CMAC_96, "only CMAC minds the key's length");
            assert.ok(
              ![16, 24, 32].includes(key.length),
              `tcId ${vector.tcId}: a key of ${key.length} octets is refused`,
            );
            continue;
          }
          const tag = mac.compute(NO_NONCE, [hex(vector.msg)]).subarray(0, vector.tag.length / 2);
          assert.equal(toHex(tag) === vector.tag, vector.result === "valid", `tcId ${vector.tcId}`);
        }
      }
    });
  }

  test(`${name}: wycheproof aes_cbc_pkcs5 as plain CBC of padded messages`, () => {
    for (const group of wycheproof("aes_cbc_pkcs5").testGroups) {
      for (const vector of group.tests) {
        // Without the padding's check a refused case is not a case for us.
        if (vector.result !== "valid") continue;
        const mode = primitives.blockMode(Encryption.AES_CBC, hex(vector.key));
        assert.ok(mode !== undefined);
        const fill = 16 - ((vector.msg.length / 2) % 16);
        const padded = vector.msg + fill.toString(16).padStart(2, "0").repeat(fill);
        assert.equal(toHex(mode.encrypt(hex(vector.iv), hex(padded))), vector.ct, `tcId ${vector.tcId}`);
        assert.equal(toHex(mode.decrypt(hex(vector.iv), hex(vector.ct))), padded, `tcId ${vector.tcId}`);
      }
    }
  });

  for (const [file, id] of [
    ["CBCMMT128.rsp", Encryption.AES_CBC],
    ["CBCMMT256.rsp", Encryption.AES_CBC],
    ["aes-128-ctr.txt", Encryption.AES_CTR],
    ["TCBCMMT3.rsp", Encryption.TRIPLE_DES],
  ] as const) {
    const offered = primitives.blockMode(id, new Uint8Array(id === Encryption.TRIPLE_DES ? 24 : 16)) !== undefined;
    test(`${name}: NIST and RFC 3686 ${file}`, { skip: !offered && "not offered by this provider" }, () => {
      const records = responseRecords(`nist-rfc/${file}`).filter((record) => record.has("CIPHERTEXT"));
      assert.ok(records.length >= 3);
      for (const record of records) {
        const threeKeys = `${record.get("KEY1") ?? ""}${record.get("KEY2") ?? ""}${record.get("KEY3") ?? ""}`;
        const mode = primitives.blockMode(id, hex(record.get("KEY") ?? threeKeys));
        assert.ok(mode !== undefined);
        const iv = hex(record.get("IV"));
        const plaintext = (record.get("PLAINTEXT") ?? "").toLowerCase();
        const ciphertext = (record.get("CIPHERTEXT") ?? "").toLowerCase();
        assert.equal(toHex(mode.encrypt(iv, hex(plaintext))), ciphertext);
        assert.equal(toHex(mode.decrypt(iv, hex(ciphertext))), plaintext);
      }
    });
  }

  // FIPS 46-3 §4: 3DES under three equal keys is DES.
  test(`${name}: own DES equals 3DES of three equal keys, on every provider's 3DES`, () => {
    for (let seed = 0; seed < 40; seed++) {
      const octets = Uint8Array.from(
        { length: 8 + 8 + 8 * (1 + (seed % 9)) },
        (_, i) => (seed * 167 + i * i * 13) & 0xff,
      );
      const [key, iv, data] = [octets.subarray(0, 8), octets.subarray(8, 16), octets.subarray(16)];
      const des = primitives.blockMode(Encryption.DES, key);
      assert.ok(des !== undefined);
      const sealed = toHex(des.encrypt(iv, data));
      assert.equal(toHex(des.decrypt(iv, hex(sealed))), toHex(data));
      for (const other of PROVIDERS) {
        const triple = other.primitives.blockMode(Encryption.TRIPLE_DES, hex(toHex(key).repeat(3)));
        if (triple !== undefined) assert.equal(sealed, toHex(triple.encrypt(iv, data)), other.name);
      }
    }
  });

  for (const [file, id, digest] of [
    ["rfc-2202-md5.txt", Integrity.HMAC_MD5_96, "MD"],
    ["rfc-2202-sha1.txt", Integrity.HMAC_SHA1_96, "MD"],
    ["rfc-4231-sha256.txt", Integrity.HMAC_SHA2_256_128, "MD"],
    ["rfc-4231-sha512.txt", Integrity.HMAC_SHA2_512_256, "MD"],
    ["nist-800-38b-aes128.txt", Integrity.AES_CMAC_96, "OUTPUT"],
  ] as const) {
    test(`${name}: ${file}`, () => {
      const records = responseRecords(`nist-rfc/${file}`).filter((record) => record.has(digest));
      assert.ok(records.length >= 4);
      for (const record of records) {
        const mac = primitives.mac(id, hex(record.get("Key") ?? record.get("KEY")));
        assert.ok(mac !== undefined);
        const message = hex(record.get("Msg") ?? record.get("MESSAGE"));
        // In one part, and cut: chained parts must not change the answer.
        for (const cut of [0, 1, 15, 17]) {
          const parts = [message.subarray(0, cut), message.subarray(cut)];
          assert.equal(toHex(mac.compute(NO_NONCE, parts)), record.get(digest)?.toLowerCase());
        }
      }
    });
  }

  const macs = "mac-prf/strongswan-xcbc-cmac.json";
  test(`${name}: AES-XCBC (RFC 3566) and AES-CMAC (RFC 4493)`, { skip: skipShared(macs) }, () => {
    interface Vectors {
      readonly vectors: readonly { name: string; alg: string; key: string; data: string; out: string }[];
    }
    const vectors = sharedJson<Vectors>(macs)?.vectors ?? [];
    // PRFs with keys of other lengths (RFC 4434, 4615) derive a key first: IKE's matter.
    const plain = vectors.filter((vector) => vector.key.length === 32);
    assert.equal(plain.length, 19);
    for (const { name: label, alg, key, data, out } of plain) {
      const mac = primitives.mac(alg.includes("XCBC") ? Integrity.AES_XCBC_96 : Integrity.AES_CMAC_96, hex(key));
      assert.ok(mac !== undefined);
      const tag = mac.compute(NO_NONCE, [hex(data)]);
      assert.equal(toHex(tag.subarray(0, out.length / 2)), out, label);
    }
  });
}
