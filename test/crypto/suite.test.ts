import assert from "node:assert/strict";
import { test } from "node:test";
import { wipe } from "#crypto/octets";
import { checkCipherKey, checkKeyLength, checkSuite, suiteName } from "#crypto/suite";
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
  ["aes128", undefined, "esp", /aes128 without integrity protects nothing; add an integrity algorithm/],
  ["aes128ctr", undefined, "esp", /without integrity/],
  ["null", undefined, "esp", /null without integrity/],
  ["aes128gcm16", "sha256", "esp", /has its own integrity, yet sha256 is given; leave integrity out/],
  ["aes128gmac", "sha256", "esp", /has its own integrity/],
  [undefined, "sha256", "esp", /no encryption algorithm; give one, for example aes128gcm16/],
  ["aes128", "aes128gmac", "esp", /is for AH \(RFC 4543 §4\); for ESP use encryption aes128gmac/],
  ["aes128", "sha256", "ah", /AH does not encrypt/],
  [undefined, undefined, "ah", /AH has no integrity algorithm; give one, for example sha256/],
  ["3des", "sha1", "esp", /3des is weak: .*; choose another, or list "3des" in allowWeak/],
  ["des", "sha256", "esp", /des is weak/],
  ["aes128", "md5", "esp", /md5 is weak/],
  [undefined, "md5", "ah", /md5 is weak/],
];

for (const [encryption, integrity, protocol, expected] of REFUSED) {
  test(`${protocol} with ${encryption ?? "no encryption"} and ${integrity ?? "no integrity"} is refused`, () => {
    const complaint = checkSuite(suite(encryption, integrity), protocol, [], "policies[0].suite");
    assert.equal(complaint?.path, "policies[0].suite");
    assert.match(`${complaint?.problem}; ${complaint?.remedy}`, expected);
  });
}

test("a weak algorithm passes when it is allowed by name, and only that one", () => {
  assert.equal(checkSuite(suite("3des", "sha1"), "esp", ["3des"], ""), undefined);
  assert.match(checkSuite(suite("3des", "md5"), "esp", ["3des"], "")?.problem ?? "", /md5 is weak/);
});

test("every other pair of the registry is taken", () => {
  for (const encryption of ENCRYPTION_TRANSFORMS) {
    for (const integrity of INTEGRITY_TRANSFORMS) {
      const allowed = [encryption.name, integrity.name];
      const complaint = encryption.aead
        ? checkSuite({ encryption, integrity: undefined }, "esp", allowed, "")
        : checkSuite(
            { encryption, integrity: integrity.ahOnly ? integrityByName("sha256") : integrity },
            "esp",
            allowed,
            "",
          );
      assert.equal(complaint, undefined);
      assert.equal(checkSuite({ encryption: undefined, integrity }, "ah", allowed, ""), undefined);
    }
  }
});

test("a key of wrong length is named with what is needed, in octets and hex digits", () => {
  const gcm = suite("aes128gcm16", undefined).encryption;
  assert.ok(gcm !== undefined);
  assert.deepEqual(checkKeyLength(gcm, 15, "keys.out"), {
    path: "keys.out",
    problem: "key is 15 octets, aes128gcm16 needs 20 (16 key + 4 salt)",
    remedy: "give 40 hex digits",
  });
  assert.equal(checkKeyLength(gcm, 20, "keys.out"), undefined);
  const none = suite("null", undefined).encryption;
  assert.ok(none !== undefined);
  assert.equal(checkKeyLength(none, 1, "")?.remedy, "leave the key out");
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
  const problem = checkCipherKey(key, "")?.problem;
  assert.equal(problem, "key is 19 octets, the algorithm needs 20 (aes128gcm16), 28 (aes192gcm16), 36 (aes256gcm16)");
  assert.match(checkCipherKey({ ...key, encryption: 1 }, "")?.problem ?? "", /transform 1 is unknown/);
  assert.match(checkCipherKey({ ...key, integrity: 99 }, "")?.problem ?? "", /transform 99 is unknown/);
  const gcmWithMacKey = { ...key, encryptionKey: new Uint8Array(20), integrityKey: new Uint8Array(1) };
  assert.match(checkCipherKey(gcmWithMacKey, "")?.problem ?? "", /needs 0/);
});

test("names and wiping", () => {
  assert.equal(suiteName(suite("aes256", "sha384")), "aes256-sha384");
  assert.equal(suiteName(suite("aes128gcm16", undefined)), "aes128gcm16");
  assert.equal(suiteName({ encryption: undefined, integrity: undefined }), "none");
  const secret = Uint8Array.of(1, 2, 3);
  wipe(secret);
  assert.deepEqual(secret, new Uint8Array(3));
});
