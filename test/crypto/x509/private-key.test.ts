// Files of keys, certificates and CRLs, as OpenSSL and strongSwan write them.
import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { type KeyKind, makeCrl, makeKey } from "#crypto/x509/certificate-maker";
import { CredentialError } from "#crypto/x509/credential-error";
import { decodePem, encodePem } from "#crypto/x509/pem";
import { keyFits, readCertificates, readCrls, readPrivateKey, readPublicKey } from "#crypto/x509/private-key";
import { authority, DAY, gateway, NOW } from "./pki.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const KINDS: readonly KeyKind[] = ["rsa2048", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519", "ed448"];
const root = authority("Root");
const gw = gateway(root);

for (const kind of KINDS) {
  test(`${kind}: PKCS #8, PKCS #1 and SEC 1, PEM and DER, give the same key`, () => {
    const key = makeKey(kind);
    const object = createPrivateKey({ key: Buffer.from(key.pkcs8), format: "der", type: "pkcs8" });
    const types = kind.startsWith("rsa")
      ? (["pkcs8", "pkcs1"] as const)
      : kind.startsWith("ecdsa")
        ? (["pkcs8", "sec1"] as const)
        : (["pkcs8"] as const);
    for (const type of types) {
      assert.deepEqual(readPrivateKey(new Uint8Array(object.export({ format: "der", type }))), key);
      const pem = utf8(`some text before\n${object.export({ format: "pem", type })}`);
      assert.deepEqual(readPrivateKey(pem), key);
    }
    assert.deepEqual(readPrivateKey(encodePem({ label: "PRIVATE KEY", octets: key.pkcs8 })), key);
    assert.deepEqual(readPublicKey(encodePem({ label: "PUBLIC KEY", octets: key.spki })), key.spki);
    assert.deepEqual(readPublicKey(key.spki), key.spki);
  });
}

function refusal(octets: Uint8Array, read: (octets: Uint8Array) => unknown = readPrivateKey): string {
  try {
    read(octets);
  } catch (error) {
    assert.ok(error instanceof CredentialError, String(error));
    return error.message;
  }
  return "accepted";
}

test("encrypted keys are refused with the command that decrypts them", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const cipher = { cipher: "aes-256-cbc", passphrase: "x" };
  const message =
    "the private key is encrypted, and nobody is there to type its password; decrypt it once: openssl pkey -in key.pem -out plain.pem, and let only its owner read that file (chmod 600)";
  assert.equal(refusal(utf8(String(privateKey.export({ format: "pem", type: "pkcs8", ...cipher })))), message);
  assert.equal(refusal(utf8(String(privateKey.export({ format: "pem", type: "sec1", ...cipher })))), message);
  assert.equal(refusal(new Uint8Array(privateKey.export({ format: "der", type: "pkcs8", ...cipher }))), message);
});

test("weak keys, other curves and other kinds are refused by name", () => {
  const der = (pair: { privateKey: import("node:crypto").KeyObject }) =>
    new Uint8Array(pair.privateKey.export({ format: "der", type: "pkcs8" }));
  const remedy = "; make a new key and certificate";
  assert.equal(
    refusal(der(generateKeyPairSync("rsa", { modulusLength: 1024 }))),
    `the private key is refused: its RSA key has 1024 bits, fewer than 2048${remedy}`,
  );
  assert.equal(
    refusal(der(generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent: 3 }))),
    `the private key is refused: its RSA key's public exponent is 3, not 65537${remedy}`,
  );
  assert.equal(
    refusal(der(generateKeyPairSync("ec", { namedCurve: "secp256k1" }))),
    `the private key is refused: its key is on the curve secp256k1, not on P-256, P-384 or P-521${remedy}`,
  );
  assert.equal(
    refusal(der(generateKeyPairSync("x25519"))),
    `the private key is refused: its key is of the type x25519, not RSA, ECDSA, Ed25519 or Ed448${remedy}`,
  );
});

test("files that are something else say what they are", () => {
  const certificate = encodePem({ label: "CERTIFICATE", octets: gw.certificate });
  const key = encodePem({ label: "PRIVATE KEY", octets: gw.key.pkcs8 });
  assert.match(refusal(certificate), /^the file has no private key but CERTIFICATE; give a key as PKCS #8/);
  assert.match(refusal(key, readCertificates), /^the file has no certificate but PRIVATE KEY; give a certificate/);
  assert.match(refusal(key, readPublicKey), /^the file has no public key;/);
  assert.match(refusal(utf8("hello"), readPublicKey), /^the file has no public key;/);
  assert.match(refusal(utf8("hello")), /^the file has no private key;/);
  assert.match(refusal(utf8("hello"), readCertificates), /^the certificate cannot be read \(/);
  assert.match(refusal(utf8("hello"), readCrls), /^the CRL cannot be read \(/);
  assert.match(refusal(new Uint8Array(0), readCertificates), /^the certificate cannot be read \(/);
  assert.match(refusal(key.subarray(0, 60)), /^the PEM file is broken: a BEGIN without its END; copy it again, whole/);
  assert.match(
    refusal(utf8("-----BEGIN PRIVATE KEY-----\nAA*A\n-----END PRIVATE KEY-----\n")),
    /octets that are no base64/,
  );
  assert.match(
    refusal(utf8("-----BEGIN PRIVATE KEY-----\nAAA\n-----END PRIVATE KEY-----\n")),
    /base64 that is cut short/,
  );
});

test("no message about a private key has anything of it", () => {
  const pem = encodePem({ label: "PRIVATE KEY", octets: gw.key.pkcs8 });
  const text = new TextDecoder().decode(pem);
  const secret = /[A-Za-z0-9+/]{20}/;
  for (let cut = 40; cut < pem.length; cut += 7) assert.doesNotMatch(refusal(pem.subarray(0, cut)), secret);
  const broken = utf8(text.replace("MI", "MJ"));
  assert.equal(refusal(broken), "the private key cannot be read; give one that openssl pkey -check finds valid");
});

test("several certificates of one file, with text and keys between them", () => {
  const parts = [
    utf8("subject=CN = gw-b\n"),
    encodePem({ label: "CERTIFICATE", octets: gw.certificate }),
    encodePem({ label: "PRIVATE KEY", octets: gw.key.pkcs8 }),
    encodePem({ label: "CERTIFICATE", octets: root.certificate }),
  ];
  const bundle = Uint8Array.from(parts.flatMap((part) => [...part]));
  assert.deepEqual(readCertificates(bundle), [gw.certificate, root.certificate]);
  assert.deepEqual(readPrivateKey(bundle), gw.key);
  assert.deepEqual(readCertificates(gw.certificate), [gw.certificate]);
  assert.ok(keyFits(gw.key, gw.certificate));
  assert.ok(!keyFits(gw.key, root.certificate));
  const spoiled = encodePem({ label: "CERTIFICATE", octets: root.certificate.subarray(0, 100) });
  assert.match(
    refusal(Uint8Array.of(...bundle, ...spoiled), readCertificates),
    /^certificate 3 of the file cannot be read/,
  );
});

test("CRLs, PEM and DER", () => {
  const revoked = [{ certificate: gw.certificate, at: NOW }];
  const crl = makeCrl({ issuer: root, thisUpdate: NOW, nextUpdate: NOW + DAY, number: 1, revoked });
  assert.deepEqual(readCrls(crl), [crl]);
  assert.deepEqual(readCrls(encodePem({ label: "X509 CRL", octets: crl })), [crl]);
});

test("PEM: every length survives, lines are of 64 characters, and Node agrees", () => {
  for (let length = 0; length < 200; length++) {
    const octets = Uint8Array.from({ length }, (_, i) => (i * 37) & 0xff);
    const pem = encodePem({ label: "X", octets });
    assert.deepEqual(decodePem(pem), [{ label: "X", octets }]);
    const lines = new TextDecoder().decode(pem).trim().split("\n").slice(1, -1);
    assert.equal(lines.join(""), Buffer.from(octets).toString("base64"));
    assert.ok(lines.every((line, i) => line.length === 64 || i === lines.length - 1));
    assert.deepEqual(decodePem(utf8(new TextDecoder().decode(pem).replaceAll("\n", "\r\n"))), [{ label: "X", octets }]);
  }
});
