import assert from "node:assert/strict";
import test from "node:test";
import { isSuite, parseSuite } from "#config/suite";
import { ENCRYPTION_TRANSFORMS, INTEGRITY_TRANSFORMS } from "#crypto/transforms";
import { complaintsOf, type JsonObject, read, withSa } from "#test/config/sample";

const name = (text: string, protocol: "esp" | "ah") => {
  const suite = parseSuite(text, protocol);
  return isSuite(suite) ? [suite.encryption?.name, suite.integrity?.name] : suite.problem;
};

test("every transform of the registry can be named in a suite", () => {
  for (const { name: encryption, aead } of ENCRYPTION_TRANSFORMS)
    if (aead) assert.deepEqual(name(encryption, "esp"), [encryption, undefined]);
    else
      for (const { name: integrity, ahOnly } of INTEGRITY_TRANSFORMS)
        if (!ahOnly) assert.deepEqual(name(`${encryption}-${integrity}`, "esp"), [encryption, integrity]);
  for (const { name: integrity } of INTEGRITY_TRANSFORMS)
    assert.deepEqual(name(integrity, "ah"), [undefined, integrity]);
});

test("every key length of every transform is exact: one octet less or more is refused", () => {
  for (const { name: encryption, aead, keyOctets } of ENCRYPTION_TRANSFORMS)
    for (const octets of [keyOctets - 1, keyOctets, keyOctets + 1].filter((n) => n > 0)) {
      const key = Array.from({ length: octets }, (_, i) => (32 + 2 * i).toString(16)).join("");
      const keys = aead ? { key } : { key, integrityKey: "01".repeat(32) };
      const value = withSa(
        { suite: aead ? encryption : `${encryption}-sha256`, inbound: { spi: 4097, ...keys } },
        { allowWeak: ["des", "3des"] },
      );
      const wrong = complaintsOf(value).filter((line) => line.includes("inbound.key: key is"));
      assert.equal(wrong.length, octets === keyOctets ? 0 : 1, `${encryption} with ${octets} octets`);
    }
});

const hex = (octet: string, count: number) => octet.repeat(count);
const espKeys = (key: string) => ({ key, integrityKey: hex("0a", 32) });

test("S35: a configured SA is an SPI, a protocol and keys, and none of the three can be left out", () => {
  const [sa] = read(withSa({})).config.sas;
  assert.equal(sa?.protocol, "esp");
  assert.equal(sa?.inbound.spi, 0x1001);
  assert.equal(sa?.inbound.encryptionKey.length, 20);
  assert.match(complaintsOf(withSa({ inbound: { key: hex("01", 20) } })).join(), /inbound\.spi: is missing/);
  assert.match(complaintsOf(withSa({ inbound: { spi: 4097 } })).join(), /inbound\.key: is missing/);
  assert.match(complaintsOf(withSa({ suite: "aes128" })).join(), /without integrity/);
});

test("S58: ESP, AH and AH over ESP can be configured", () => {
  const ah = { spi: "0x3001", integrityKey: hex("0b", 32) };
  const ahOut = { spi: "0x4001", integrityKey: hex("0c", 32) };
  const rows: readonly (readonly [JsonObject, string, string | undefined])[] = [
    [{}, "esp", undefined],
    [{ protocol: "ah", suite: "sha256", inbound: ah, outbound: ahOut }, "ah", undefined],
    [{ encapsulation: "none", bundle: { suite: "sha256", inbound: ah, outbound: ahOut } }, "esp", "ah"],
  ];
  for (const [changes, protocol, outer] of rows) {
    const [sa] = read(withSa(changes)).config.sas;
    assert.deepEqual([sa?.protocol, sa?.outerAh?.protocol], [protocol, outer]);
  }
});

test("S59: MD5 and SHA-1 are there for old peers, MD5 only by name, SHA-2 for all", () => {
  for (const integrity of ["md5", "sha1", "sha256", "sha384", "sha512"])
    assert.deepEqual(name(integrity, "ah"), [undefined, integrity]);
  assert.match(complaintsOf(withSa({ suite: "aes128-md5" })).join(), /add "md5" to allowWeak/);
  assert.ok(
    !complaintsOf(withSa({ suite: "aes128-sha1" }))
      .join()
      .includes("allowWeak"),
  );
});

test("S60: encryption is DES or 3DES by name, better, or none (NULL, RFC 2410)", () => {
  for (const encryption of ["des", "3des"]) {
    assert.deepEqual(name(`${encryption}-sha1`, "esp"), [encryption, "sha1"]);
    assert.match(
      complaintsOf(withSa({ suite: `${encryption}-sha1` })).join(),
      new RegExp(`add "${encryption}" to allowWeak`),
    );
  }
  const none = { spi: 4097, integrityKey: hex("0a", 32) };
  const [sa] = read(withSa({ suite: "null-sha256", inbound: none, outbound: { ...none, spi: 8193 } })).config.sas;
  assert.equal(sa?.inbound.encryptionKey.length, 0);
});

test("S61: an SA is a pair: each direction needs an SPI and, where its sharing would break the cipher, a key of its own", () => {
  assert.match(complaintsOf(withSa({ outbound: {} })).join(), /outbound\.spi: is missing/);
  const counter = { suite: "aes128ctr-sha256", inbound: { spi: 4097, ...espKeys(hex("01", 20)) } };
  assert.deepEqual(complaintsOf(withSa({ ...counter, outbound: { spi: 8193, ...espKeys(hex("02", 20)) } })), []);
  assert.match(
    complaintsOf(withSa({ ...counter, outbound: { spi: 8193, ...espKeys(hex("01", 20)) } })).join(),
    /share a nonce/,
  );
});
