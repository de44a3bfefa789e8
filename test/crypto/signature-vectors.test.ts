// Wycheproof's signatures through the AUTH payload's verification (RFC 7427 §3): trailing octets, shorter hashes, missing
// NULLs, r and s out of range, and what else forgers try.
import assert from "node:assert/strict";
import { test } from "node:test";
import { joinOctets } from "#crypto/octets";
import { SignatureError, SignatureMethod, verifyAuth } from "#crypto/signature";
import { derSignatureAlgorithm, type SignatureAlgorithm, SignatureHash } from "#crypto/signature-algorithm";
import { hex, vectorJson } from "#test/vectors/load";

interface Group {
  readonly type: string;
  readonly sha?: string;
  readonly mgfSha?: string;
  readonly sLen?: number;
  readonly publicKeyDer: string;
  readonly tests: readonly {
    readonly tcId: number;
    readonly comment: string;
    readonly flags: readonly string[];
    readonly msg: string;
    readonly sig: string;
    readonly result: "valid" | "acceptable" | "invalid";
  }[];
}

const HASHES: ReadonlyMap<string | undefined, number> = new Map([
  ["SHA-1", SignatureHash.SHA1],
  ["SHA-256", SignatureHash.SHA2_256],
  ["SHA-384", SignatureHash.SHA2_384],
  ["SHA-512", SignatureHash.SHA2_512],
]);
const ALL_HASHES = [1, 2, 3, 4, 5];

function algorithmOf(group: Group): SignatureAlgorithm | undefined {
  const hash = HASHES.get(group.sha);
  switch (group.type) {
    case "RsassaPkcs1Verify":
      return hash === undefined ? undefined : { kind: "rsa", hash };
    case "RsassaPssVerify":
      // One hash for message and mask, as RFC 4055 §3.1 recommends and all IKE implementations do.
      return hash === undefined || group.mgfSha !== group.sha
        ? undefined
        : { kind: "rsa-pss", hash, saltLength: group.sLen ?? 0 };
    case "EcdsaVerify":
      return hash === undefined ? undefined : { kind: "ecdsa", hash };
    case "EddsaVerify":
      return { kind: "ed25519", hash: SignatureHash.IDENTITY };
    default:
      return undefined;
  }
}

function holds(algorithm: SignatureAlgorithm, group: Group, vector: Group["tests"][number]): boolean {
  const identifier = derSignatureAlgorithm(algorithm);
  try {
    verifyAuth({
      method: SignatureMethod.DIGITAL_SIGNATURE,
      signature: joinOctets([Uint8Array.of(identifier.length), identifier, hex(vector.sig)]),
      octets: hex(vector.msg),
      spki: hex(group.publicKeyDer),
      acceptedHashes: ALL_HASHES,
    });
    return true;
  } catch (error) {
    assert.ok(error instanceof SignatureError, `tcId ${vector.tcId}: ${error}`);
    return false;
  }
}

const FILES: readonly { readonly file: string; readonly valid: number; readonly invalid: number }[] = [
  { file: "rsa_signature_2048_sha256", valid: 7, invalid: 252 },
  { file: "rsa_signature_2048_sha512", valid: 7, invalid: 252 },
  { file: "rsa_signature_3072_sha384", valid: 7, invalid: 252 },
  { file: "rsa_pss_2048_sha256_mgf1_32", valid: 63, invalid: 45 },
  { file: "rsa_pss_3072_sha256_mgf1_32", valid: 63, invalid: 45 },
  { file: "rsa_pss_misc", valid: 24, invalid: 0 },
  { file: "ecdsa_secp256r1_sha256", valid: 174, invalid: 310 },
  { file: "ecdsa_secp384r1_sha384", valid: 194, invalid: 310 },
  { file: "ed25519", valid: 88, invalid: 63 },
];

for (const { file, valid, invalid } of FILES) {
  test(`row 24: wycheproof ${file}: valid signatures hold, forged and merely acceptable ones do not`, () => {
    const counts = { valid: 0, invalid: 0 };
    for (const group of vectorJson<{ testGroups: Group[] }>(`wycheproof/${file}_test.json.gz`).testGroups) {
      const algorithm = algorithmOf(group);
      if (algorithm === undefined) continue;
      for (const vector of group.tests) {
        // Public exponent 3: refused whatever is signed with it.
        const expected = vector.result === "valid" && !vector.flags.includes("SmallPublicKey");
        assert.equal(
          holds(algorithm, group, vector),
          expected,
          `tcId ${vector.tcId} ${vector.comment} ${vector.flags}`,
        );
        counts[expected ? "valid" : "invalid"]++;
      }
    }
    assert.deepEqual(counts, { valid, invalid });
  });
}
