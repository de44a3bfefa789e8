// Which method the AUTH payload gets (RFC 7296 §3.8, RFC 4754, RFC 7427, RFC 8420), and that both ends agree on it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_HASHES, SignatureError, type SignRequest, signAuth, verifyAuth } from "#crypto/signature";
import { algorithmToString, SignatureHash } from "#crypto/signature-algorithm";
import { type KeyKind, makeKey } from "#crypto/x509/certificate-maker";
import { toHex } from "#test/vectors/load";

const OCTETS = Uint8Array.of(1, 2, 3);
const { SHA1, SHA2_256, SHA2_384, SHA2_512, IDENTITY } = SignatureHash;
const KEYS = new Map(
  (["rsa2048", "rsa3072", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519", "ed448"] as const).map((kind) => [
    kind,
    makeKey(kind),
  ]),
);

function keyOf(kind: KeyKind): ReturnType<typeof makeKey> {
  const key = KEYS.get(kind === "rsa4096" ? "rsa3072" : kind);
  assert.ok(key !== undefined);
  return key;
}

function sign(kind: KeyKind, over: Partial<SignRequest>): ReturnType<typeof signAuth> {
  const { pkcs8 } = keyOf(kind);
  return signAuth({ pkcs8, octets: OCTETS, peerHashes: DEFAULT_HASHES, ownHashes: [], rsaPss: false, ...over });
}

function named(data: Uint8Array): string {
  return algorithmToString(data.subarray(1, 1 + (data[0] ?? 0)));
}

interface Row {
  readonly kind: KeyKind;
  readonly over: Partial<SignRequest>;
  readonly method: number;
  readonly algorithm: string;
}
const ROWS: readonly Row[] = [
  { kind: "rsa2048", over: {}, method: 14, algorithm: "RSA with SHA-256" },
  { kind: "rsa3072", over: {}, method: 14, algorithm: "RSA with SHA-256" },
  { kind: "rsa2048", over: { rsaPss: true }, method: 14, algorithm: "RSA-PSS with SHA-256" },
  { kind: "rsa2048", over: { rsaPss: true, ownHashes: [SHA2_512] }, method: 14, algorithm: "RSA-PSS with SHA-512" },
  { kind: "rsa2048", over: { peerHashes: [SHA1, SHA2_384] }, method: 14, algorithm: "RSA with SHA-384" },
  {
    kind: "rsa2048",
    over: { ownHashes: [SHA2_512, SHA2_256], peerHashes: [2, 4] },
    method: 14,
    algorithm: "RSA with SHA-512",
  },
  { kind: "ecdsa256", over: {}, method: 14, algorithm: "ECDSA with SHA-256" },
  { kind: "ecdsa384", over: {}, method: 14, algorithm: "ECDSA with SHA-384" },
  { kind: "ecdsa521", over: {}, method: 14, algorithm: "ECDSA with SHA-512" },
  { kind: "ecdsa256", over: { peerHashes: [SHA2_512] }, method: 14, algorithm: "ECDSA with SHA-512" },
  { kind: "ed25519", over: {}, method: 14, algorithm: "Ed25519" },
  { kind: "ed448", over: {}, method: 14, algorithm: "Ed448" },
  { kind: "ecdsa256", over: { peerHashes: [] }, method: 9, algorithm: "64 octets" },
  { kind: "ecdsa384", over: { peerHashes: [] }, method: 10, algorithm: "96 octets" },
  { kind: "ecdsa521", over: { peerHashes: [] }, method: 11, algorithm: "132 octets" },
];

for (const { kind, over, method, algorithm } of ROWS) {
  test(`${kind} ${JSON.stringify(over)} signs by method ${method}, ${algorithm}, and it verifies`, () => {
    const auth = sign(kind, over);
    assert.equal(auth.method, method);
    assert.equal(method === 14 ? named(auth.signature) : `${auth.signature.length} octets`, algorithm);
    const { spki } = keyOf(kind);
    verifyAuth({ ...auth, octets: OCTETS, spki, acceptedHashes: [] });
    const refuses = (request: Parameters<typeof verifyAuth>[0]) =>
      assert.throws(() => verifyAuth(request), SignatureError);
    refuses({ ...auth, octets: Uint8Array.of(1, 2, 4), spki, acceptedHashes: [] });
    refuses({ ...auth, signature: auth.signature.subarray(0, -1), octets: OCTETS, spki, acceptedHashes: [] });
    refuses({ ...auth, signature: Uint8Array.of(...auth.signature, 0), octets: OCTETS, spki, acceptedHashes: [] });
    refuses({
      ...auth,
      octets: OCTETS,
      spki: keyOf(kind === "ed25519" ? "ed448" : "ed25519").spki,
      acceptedHashes: [],
    });
  });
}

test("AlgorithmIdentifiers are those of RFC 7427 appendix A and RFC 8420 appendix A", () => {
  const identifier = (kind: KeyKind, over: Partial<SignRequest> = {}) => {
    const { signature } = sign(kind, over);
    return toHex(signature.subarray(1, 1 + (signature[0] ?? 0)));
  };
  assert.equal(identifier("rsa2048"), "300d06092a864886f70d01010b0500");
  assert.equal(identifier("rsa2048", { peerHashes: [SHA2_512] }), "300d06092a864886f70d01010d0500");
  assert.equal(identifier("ecdsa256"), "300a06082a8648ce3d040302");
  assert.equal(identifier("ecdsa384"), "300a06082a8648ce3d040303");
  assert.equal(
    identifier("rsa2048", { rsaPss: true }),
    "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120",
  );
  assert.equal(identifier("ed25519"), "300506032b6570");
  assert.equal(identifier("ed448"), "300506032b6571");
});

test("row 4: SHA-1 signs and verifies only where it is configured by name (SLOTH; RFC 8247 §4.2)", () => {
  const old = { peerHashes: [], ownHashes: [] };
  assert.throws(() => sign("rsa2048", old), {
    message:
      "the peer announces no signature hash algorithms (RFC 7427), so RSA could only sign with SHA-1; update the peer, use an ECDSA key, or allow SHA-1 by name",
  });
  const auth = sign("rsa2048", { ...old, ownHashes: [SHA1] });
  assert.equal(auth.method, 1);
  const { spki } = keyOf("rsa2048");
  assert.throws(() => verifyAuth({ ...auth, octets: OCTETS, spki, acceptedHashes: [] }), {
    message:
      "the peer signed by RSA with SHA-1, which is not accepted here (SHA-256, SHA-384, SHA-512, identity); allow it by name or change the peer",
  });
  verifyAuth({ ...auth, octets: OCTETS, spki, acceptedHashes: [SHA1] });
  assert.throws(
    () => sign("rsa2048", { peerHashes: [SHA1] }),
    /no signature hash in common: ours SHA-256, SHA-384, SHA-512, the peer's SHA-1/,
  );
});

test("EdDSA needs the hash IDENTITY of the peer (RFC 8420 §2)", () => {
  assert.throws(() => sign("ed25519", { peerHashes: [SHA2_256] }), /does not accept Ed25519 signatures/);
  assert.throws(() => sign("ed448", { peerHashes: [] }), /our Ed448 key needs them/);
  const auth = sign("ed25519", { peerHashes: [IDENTITY] });
  const { spki } = keyOf("ed25519");
  assert.throws(
    () => verifyAuth({ ...auth, octets: OCTETS, spki, acceptedHashes: [SHA2_384] }),
    /Ed25519, which is not accepted/,
  );
});

test("a method that is no signature, or one of another curve, is refused", () => {
  const { spki } = keyOf("ecdsa384");
  const request = {
    octets: OCTETS,
    spki,
    acceptedHashes: [],
    signature: sign("ecdsa256", { peerHashes: [] }).signature,
  };
  assert.throws(() => verifyAuth({ ...request, method: 2 }), /authentication method 2, which is no signature/);
  assert.throws(() => verifyAuth({ ...request, method: 9 }), /does not hold/);
  assert.throws(() => verifyAuth({ ...request, method: 10 }), /64 octets long instead of 96/);
});
