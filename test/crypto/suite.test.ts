import assert from "node:assert/strict";
import { test } from "node:test";
import { wipe } from "#crypto/octets";
import { cipherKeyProblem, keyLengthProblem, suiteFault, suiteName, weakTransforms } from "#crypto/suite";
import { ENCRYPTION_TRANSFORMS, encryptionByName, INTEGRITY_TRANSFORMS, integrityByName } from "#crypto/transforms";

function suite(encryption: string | undefined, integrity: string | undefined) {
  const found = {
    encryption: encryption === undefined ? undefined : encryptionByName(encryption),
    integrity: integrity === undefined ? undefined : integrityByName(integrity),
  };
  assert.equal(found.encryption?.name, encryption);
  assert.equal(found.integrity?.name, integrity);
  return found;
}

const REFUSED: readonly (readonly [string | undefined, string | undefined, "esp" | "ah", RegExp])[] = [
  ["aes128", undefined, "esp", /aes128 without integrity can be forged.*; write "aes128-sha256"/],
  ["aes128ctr", undefined, "esp", /without integrity/],
  ["null", undefined, "esp", /null without integrity/],
  ["aes128gcm16", "sha256", "esp", /has integrity of its own .*; write "aes128gcm16" alone/],
  ["aes128gmac", "sha256", "esp", /has integrity of its own/],
  [undefined, "sha256", "esp", /no encryption algorithm; give one, for example "aes128gcm16"/],
  ["aes128", "aes128gmac", "esp", /not defined for ESP; write "aes128gmac" alone/],
  ["aes128", "sha256", "ah", /AH does not encrypt/],
  [undefined, undefined, "ah", /AH has no integrity algorithm; give one, for example "sha256"/],
];

for (const [encryption, integrity, protocol, expected] of REFUSED) {
  test(`${protocol} with ${encryption ?? "no encryption"} and ${integrity ?? "no integrity"} is refused`, () => {
    const fault = suiteFault(suite(encryption, integrity), protocol);
    assert.match(`${fault?.problem}; ${fault?.remedy}`, expected);
  });
}

test("a weak algorithm passes when it is allowed by name, and only that one", () => {
  assert.deepEqual(weakTransforms(suite("3des", "sha1"), ["3des"]), []);
  assert.match(weakTransforms(suite("3des", "sha1"), [])[0]?.problem ?? "", /3des is weak/);
  assert.match(weakTransforms(suite("3des", "md5"), ["3des"])[0]?.problem ?? "", /md5 is weak/);
  assert.equal(weakTransforms(suite("des", "md5"), []).length, 2);
});

test("every other pair of the registry is taken", () => {
  for (const encryption of ENCRYPTION_TRANSFORMS) {
    for (const integrity of INTEGRITY_TRANSFORMS) {
      const beside = encryption.aead ? undefined : integrity.ahOnly ? integrityByName("sha256") : integrity;
      assert.equal(suiteFault({ encryption, integrity: beside }, "esp"), undefined);
      assert.equal(suiteFault({ encryption: undefined, integrity }, "ah"), undefined);
    }
  }
});

test("a key of wrong length is named with what is needed, in octets and hex digits", () => {
  const gcm = suite("aes128gcm16", undefined).encryption;
  assert.ok(gcm !== undefined);
  assert.deepEqual(keyLengthProblem(15, gcm), {
    problem: "key is 15 octets, aes128gcm16 needs 20 (16 key + 4 salt)",
    remedy: "give 40 hex digits",
  });
  assert.equal(keyLengthProblem(20, gcm), undefined);
  const none = suite("null", undefined).encryption;
  assert.ok(none !== undefined);
  assert.equal(keyLengthProblem(1, none)?.remedy, "remove it");
});

test("a cipher's key by IDs: AES's sizes are all named, unknown IDs are refused", () => {
  const key = {
    encryption: 20,
    integrity: 0,
    encryptionKey: new Uint8Array(19),
    integrityKey: new Uint8Array(0),
    esn: false,
    direction: "seal",
  } as const;
  const problem = cipherKeyProblem(key)?.problem;
  assert.equal(problem, "key is 19 octets, the algorithm needs 20 (aes128gcm16), 28 (aes192gcm16), 36 (aes256gcm16)");
  assert.match(cipherKeyProblem({ ...key, encryption: 1 })?.problem ?? "", /transform 1 is unknown/);
  assert.match(cipherKeyProblem({ ...key, integrity: 99 })?.problem ?? "", /transform 99 is unknown/);
  const gcmWithMacKey = { ...key, encryptionKey: new Uint8Array(20), integrityKey: new Uint8Array(1) };
  assert.match(cipherKeyProblem(gcmWithMacKey)?.problem ?? "", /needs 0/);
});

test("names and wiping", () => {
  assert.equal(suiteName(suite("aes256", "sha384")), "aes256-sha384");
  assert.equal(suiteName(suite("aes128gcm16", undefined)), "aes128gcm16");
  assert.equal(suiteName({ encryption: undefined, integrity: undefined }), "none");
  const secret = Uint8Array.of(1, 2, 3);
  wipe(secret);
  assert.deepEqual(secret, new Uint8Array(3));
});
