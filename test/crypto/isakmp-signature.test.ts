// IKEv1's signatures: RSA over the bare hash (RFC 2409 §5.1), ECDSA of RFC 4754, and what is none of them.
import assert from "node:assert/strict";
import { constants, createHash, createPrivateKey, createPublicKey, privateEncrypt, sign, verify } from "node:crypto";
import { test } from "node:test";
import { signHash, verifyHash } from "#crypto/isakmp-signature";
import { SignatureError } from "#crypto/signature";
import { makeKey } from "#crypto/x509/certificate-maker";

const HASH = Uint8Array.from({ length: 20 }, (_, i) => i + 1);
const RSA = 3;
const rsa = makeKey("rsa2048");

function holds(method: number, signature: Uint8Array, hash = HASH, spki = rsa.spki): boolean {
  try {
    verifyHash({ method, signature, hash, spki });
    return true;
  } catch (error) {
    assert.ok(error instanceof SignatureError);
    return false;
  }
}

test("RSA signs HASH_I itself, PKCS #1 padded, without the OID of a hash (RFC 2409 §5.1)", () => {
  const signature = signHash({ pkcs8: rsa.pkcs8, method: RSA, hash: HASH });
  const key = createPrivateKey({ key: Buffer.from(rsa.pkcs8), format: "der", type: "pkcs8" });
  assert.deepEqual(signature, new Uint8Array(privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, HASH)));
  assert.ok(holds(RSA, signature));
});

test("an RSA signature with a DigestInfo, of another hash, of another key or with a bit flipped does not hold", () => {
  const key = createPrivateKey({ key: Buffer.from(rsa.pkcs8), format: "der", type: "pkcs8" });
  assert.ok(!holds(RSA, new Uint8Array(sign("sha1", HASH, key))));
  const signature = signHash({ pkcs8: rsa.pkcs8, method: RSA, hash: HASH });
  assert.ok(
    !holds(
      RSA,
      signature,
      HASH.map((octet) => octet ^ 1),
    ),
  );
  assert.ok(!holds(RSA, signature, HASH.subarray(0, 19)));
  assert.ok(!holds(RSA, signature, HASH, makeKey("rsa2048").spki));
  assert.ok(
    !holds(
      RSA,
      signature.map((octet, i) => (i === 100 ? octet ^ 1 : octet)),
    ),
  );
  assert.ok(!holds(RSA, new Uint8Array(256)));
  assert.ok(!holds(RSA, signature.subarray(1)));
});

for (const [method, name, octets] of [
  [9, "ecdsa256", 64],
  [10, "ecdsa384", 96],
  [11, "ecdsa521", 132],
] as const)
  test(`ECDSA with ${name} signs the hash as it is, r and s side by side (RFC 4754 §3, §7)`, () => {
    const own = makeKey(name);
    const signature = signHash({ pkcs8: own.pkcs8, method, hash: HASH });
    assert.equal(signature.length, octets);
    assert.ok(holds(method, signature, HASH, own.spki));
    assert.ok(
      !holds(
        method,
        signature,
        HASH.map((octet) => octet ^ 1),
        own.spki,
      ),
    );
    assert.ok(
      !holds(
        method,
        signature.map((octet, i) => (i === 40 ? octet ^ 1 : octet)),
        HASH,
        own.spki,
      ),
    );
    // IKEv2's 1 is RSA and IKEv1's is a pre-shared key; 14 is RFC 7427, which IKEv1 does not know.
    for (const other of [1, 2, 3, 14]) assert.ok(!holds(other, signature, HASH, own.spki));
  });

test("a key that is none of the method's signs nothing", () => {
  const p256 = makeKey("ecdsa256");
  assert.throws(() => signHash({ pkcs8: p256.pkcs8, method: RSA, hash: HASH }), SignatureError);
  assert.throws(() => signHash({ pkcs8: p256.pkcs8, method: 10, hash: HASH }), SignatureError);
  assert.throws(() => signHash({ pkcs8: rsa.pkcs8, method: 9, hash: HASH }), SignatureError);
});

for (const [method, name, digest] of [
  [9, "ecdsa256", "sha256"],
  [10, "ecdsa384", "sha384"],
  [11, "ecdsa521", "sha512"],
] as const)
  test(`ECDSA with ${name}: OpenSSL hashes and signs what we verify without hashing, and the other way round`, () => {
    const own = makeKey(name);
    const message = Buffer.from("what the hash is of");
    const hash = new Uint8Array(createHash(digest).update(message).digest());
    const key = createPrivateKey({ key: Buffer.from(own.pkcs8), format: "der", type: "pkcs8" });
    const theirs = sign(digest, message, { key, dsaEncoding: "ieee-p1363" });
    assert.ok(holds(method, new Uint8Array(theirs), hash, own.spki));
    const ours = signHash({ pkcs8: own.pkcs8, method, hash });
    assert.ok(verify(digest, message, { key: createPublicKey(key), dsaEncoding: "ieee-p1363" }, ours));
  });
