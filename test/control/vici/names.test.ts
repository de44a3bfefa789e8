// Words as strongSwan 5.9.8 prints them: what swanctl's users read, and their scripts.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  childSuiteKeys,
  cipherName,
  ikeSuiteKeys,
  integrityName,
  keyExchangeName,
  prfName,
} from "#control/vici/algorithm-names";
import { uptimeText } from "#control/vici/daemon";
import { hostText, selectorConfigText, selectorText } from "#control/vici/selector-text";
import { parseAddress } from "#core/address";
import type { TrafficSelector } from "#core/selector";
import { KEY_EXCHANGES } from "#crypto/key-exchange";
import { PRFS } from "#crypto/prf";
import { ENCRYPTION_TRANSFORMS, INTEGRITY_TRANSFORMS } from "#crypto/transforms";
import { plain } from "./client.ts";

const IKE_SUITES: readonly (readonly [string, Record<string, string>])[] = [
  [
    "aes256-sha256-modp2048",
    {
      "encr-alg": "AES_CBC",
      "encr-keysize": "256",
      "integ-alg": "HMAC_SHA2_256_128",
      "prf-alg": "PRF_HMAC_SHA2_256",
      "dh-group": "MODP_2048",
    },
  ],
  [
    "aes128gcm16-prfsha384-x25519-ke1_mlkem768",
    {
      "encr-alg": "AES_GCM_16",
      "encr-keysize": "128",
      "prf-alg": "PRF_HMAC_SHA2_384",
      "dh-group": "CURVE_25519",
      ake1: "ML_KEM_768",
    },
  ],
  [
    "3des-sha1-prfmd5-ecp256bp",
    {
      "encr-alg": "3DES_CBC",
      "integ-alg": "HMAC_SHA1_96",
      "prf-alg": "PRF_HMAC_MD5",
      "dh-group": "ECP_256_BP",
    },
  ],
  [
    "chacha20poly1305-prfaesxcbc-x448",
    { "encr-alg": "CHACHA20_POLY1305", "prf-alg": "PRF_AES128_XCBC", "dh-group": "CURVE_448" },
  ],
];

for (const [suite, keys] of IKE_SUITES)
  test(`an IKE SA of ${suite}`, () => assert.deepEqual(plain(ikeSuiteKeys(suite)), keys));

const CHILD_SUITES: readonly (readonly [string, "esp" | "ah", Record<string, string>])[] = [
  ["aes128gcm16", "esp", { "encr-alg": "AES_GCM_16", "encr-keysize": "128" }],
  [
    "aes192ctr-sha512-ecp521-esn",
    "esp",
    {
      "encr-alg": "AES_CTR",
      "encr-keysize": "192",
      "integ-alg": "HMAC_SHA2_512_256",
      "dh-group": "ECP_521",
      esn: "1",
    },
  ],
  ["null-aescmac", "esp", { "encr-alg": "NULL", "integ-alg": "AES_CMAC_96" }],
  // The same word is a cipher of ESP and an integrity algorithm of AH (RFC 4543).
  ["aes256gmac", "esp", { "encr-alg": "NULL_AES_GMAC", "encr-keysize": "256" }],
  ["aes256gmac", "ah", { "integ-alg": "AES_256_GMAC" }],
  ["sha384-modp3072", "ah", { "integ-alg": "HMAC_SHA2_384_192", "dh-group": "MODP_3072" }],
  ["ah:sha256+esp:aes128-sha1", "esp", { "encr-alg": "AES_CBC", "encr-keysize": "128", "integ-alg": "HMAC_SHA1_96" }],
];

for (const [suite, protocol, keys] of CHILD_SUITES)
  test(`a pair of ${protocol} with ${suite}`, () => assert.deepEqual(plain(childSuiteKeys(suite, protocol)), keys));

test("every transform that is implemented has a name of strongSwan's", () => {
  for (const { name } of ENCRYPTION_TRANSFORMS) assert.ok(cipherName(name), name);
  for (const { name } of INTEGRITY_TRANSFORMS) assert.ok(integrityName(name), name);
  for (const { name } of PRFS) assert.ok(prfName(name), name);
  for (const { name } of KEY_EXCHANGES)
    assert.match(keyExchangeName(name) ?? "", /^(CURVE|ECP|MODP|ML_KEM)_\d+(_BP)?$/);
});

function ip(text: string) {
  const address = parseAddress(text);
  assert.ok(address, text);
  return address;
}

function selector(first: string, last: string, protocol = 0, firstPort = 0, lastPort = 65_535): TrafficSelector {
  return { first: ip(first), last: ip(last), protocol, firstPort, lastPort };
}

const SELECTORS: readonly (readonly [TrafficSelector, string])[] = [
  [selector("10.1.0.0", "10.1.255.255"), "10.1.0.0/16"],
  [selector("10.1.0.1", "10.1.0.1"), "10.1.0.1/32"],
  [selector("0.0.0.0", "255.255.255.255"), "0.0.0.0/0"],
  [selector("2001:db8::", "2001:db8::ffff"), "2001:db8::/112"],
  [selector("10.3.0.1", "10.3.0.9", 17, 1000, 2000), "10.3.0.1..10.3.0.9[udp/1000-2000]"],
  [selector("10.1.0.0", "10.1.0.255", 6, 80, 80), "10.1.0.0/24[tcp/80]"],
  [selector("10.1.0.0", "10.1.0.255", 6), "10.1.0.0/24[tcp]"],
  [selector("10.1.0.0", "10.1.0.255", 0, 53, 53), "10.1.0.0/24[0/53]"],
  [selector("10.1.0.0", "10.1.0.255", 250), "10.1.0.0/24[250]"],
  [selector("10.1.0.0", "10.1.0.255", 1, 8 << 8, 8 << 8), "10.1.0.0/24[icmp/8]"],
  [selector("10.1.0.0", "10.1.0.255", 1, (3 << 8) | 4, (3 << 8) | 4), "10.1.0.0/24[icmp/3(4)]"],
  [selector("10.1.0.0", "10.1.0.255", 17, 65_535, 0), "10.1.0.0/24[udp/OPAQUE]"],
];

test("selectors", () => {
  for (const [given, text] of SELECTORS) assert.equal(selectorText(given), text);
  assert.equal(selectorConfigText({ kind: "dynamic", protocol: 0, firstPort: 0, lastPort: 65_535 }), "dynamic");
  const echo = { kind: "dynamic", protocol: 1, firstPort: 8 << 8, lastPort: 8 << 8 } as const;
  assert.equal(selectorConfigText(echo), "dynamic[icmp/8]");
});

test("hosts", () => {
  assert.equal(hostText({ kind: "any" }), "%any");
  assert.equal(hostText({ kind: "address", address: ip("192.0.2.2") }), "192.0.2.2");
  assert.equal(hostText({ kind: "name", name: "host.example" }), "host.example");
  assert.equal(hostText({ kind: "range", first: ip("198.51.100.0"), last: ip("198.51.100.255") }), "198.51.100.0/24");
  assert.equal(
    hostText({ kind: "range", first: ip("203.0.113.1"), last: ip("203.0.113.9") }),
    "203.0.113.1-203.0.113.9",
  );
});

test("uptimes", () => {
  assert.equal(uptimeText(0), "0 seconds");
  assert.equal(uptimeText(1999), "1 second");
  assert.equal(uptimeText(119_999), "119 seconds");
  assert.equal(uptimeText(120_000), "2 minutes");
  assert.equal(uptimeText(3 * 86_400_000 + 5), "3 days");
});
