// What people read: names as in swanctl.conf, and the first thing that keeps two offers apart.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Proposal, TransformType } from "#core/proposal";
import { numberProposals } from "#ike/proposal";
import { explainMismatch, suiteToString, transformName } from "#ike/transform-names";
import { ah, esp, ike } from "./transforms.ts";

function explain(offered: readonly Proposal[], configured: readonly Proposal[]): string {
  return explainMismatch(numberProposals(offered), configured);
}

test("names are those of swanctl.conf, numbers where there is no name", () => {
  const name = (type: number, id: number, keyBits = 0) => transformName({ type, id, keyBits });
  assert.equal(name(TransformType.ENCR, 20, 256), "aes256gcm16");
  assert.equal(name(TransformType.ENCR, 12, 192), "aes192");
  assert.equal(name(TransformType.ENCR, 28), "chacha20poly1305");
  assert.equal(name(TransformType.ENCR, 3), "3des");
  assert.equal(name(TransformType.ENCR, 20, 512), "encryption 20 of 512 bits");
  assert.equal(name(TransformType.ENCR, 23, 128), "encryption 23 of 128 bits");
  assert.equal(name(TransformType.ENCR, -1), "encryption with attributes nobody defined");
  assert.equal(name(TransformType.INTEG, 2), "sha1");
  assert.equal(name(TransformType.INTEG, 0), "none");
  assert.equal(name(TransformType.PRF, 5), "prfsha256");
  assert.equal(name(TransformType.KE, 14), "modp2048");
  assert.equal(name(TransformType.KE, 99), "key exchange 99");
  assert.equal(name(TransformType.ADDKE2, 36), "mlkem768");
  assert.equal(name(TransformType.ADDKE2, 99), "additional key exchange 2 99");
  assert.equal(name(TransformType.ESN, 1), "esn");
  assert.equal(name(TransformType.ESN, 0), "noesn");
});

test("a suite reads as it could stand in a configuration", () => {
  for (const text of ["aes128-sha256-prfsha256-x25519", "aes256gcm16-prfsha384-ecp384-ke1_mlkem768"])
    assert.equal(suiteToString(ike(text).transforms), text);
  assert.equal(suiteToString(esp("esn-aes128gcm16-nointeg-none").transforms), "aes128gcm16-esn");
});

const ROWS: readonly (readonly [what: string, offered: Proposal[], configured: Proposal[], text: string])[] = [
  [
    "integrity",
    [ike("aes128-sha1-prfsha256-x25519")],
    [ike("aes128-sha256-sha384-prfsha256-x25519")],
    "no common integrity: we allow sha256, sha384; the peer offers sha1",
  ],
  [
    "encryption",
    [ike("3des-sha1-prfsha1-modp1024")],
    [ike("aes128gcm16-aes256gcm16-prfsha256-x25519")],
    "no common encryption: we allow aes128gcm16, aes256gcm16; the peer offers 3des",
  ],
  [
    "the nearest of several pairs speaks",
    [ike("3des-sha1-prfsha1-modp1024"), ike("aes128-sha256-prfsha256-modp1024-modp2048")],
    [ike("aes128gcm16-prfsha256-x25519"), ike("aes128-sha256-prfsha256-x25519-ecp256")],
    "no common key exchange: we allow x25519, ecp256; the peer offers modp1024, modp2048",
  ],
  [
    "PFS that we demand",
    [esp("aes128gcm16-noesn")],
    [esp("aes128gcm16-x25519-noesn")],
    "no common key exchange: we allow x25519; the peer offers none",
  ],
  [
    "PFS that the peer demands",
    [esp("aes128gcm16-x25519-noesn")],
    [esp("aes128gcm16-noesn")],
    "no common key exchange: we allow none; the peer offers x25519",
  ],
  ["ESN", [esp("aes128gcm16-esn")], [esp("aes128gcm16-noesn")], "no common ESN: we allow noesn; the peer offers esn"],
  [
    "a hybrid",
    [ike("aes128gcm16-prfsha256-x25519")],
    [ike("aes128gcm16-prfsha256-x25519-ke1_mlkem768")],
    "no common additional key exchange 1: we allow mlkem768; the peer offers none",
  ],
  [
    "protocols",
    [ah("sha256-noesn")],
    [esp("null-sha256-noesn")],
    "no common protocol: we allow ESP; the peer offers AH",
  ],
  ["an empty offer", [], [esp("null-sha256-noesn")], "the peer offers no proposal"],
];

for (const [what, offered, configured, text] of ROWS)
  test(`why nothing is common: ${what}`, () => {
    assert.equal(explain(offered, configured), text);
  });

test("a peer's endless list is cut, and its unknown types are named as what they are", () => {
  const many = Array.from({ length: 200 }, (_, i) => ({ type: TransformType.ENCR, id: 100 + i, keyBits: 0 }));
  const { transforms, protocol } = esp("aes128gcm16-noesn");
  const text = explain([{ protocol, transforms: many }], [{ protocol, transforms }]);
  assert.ok(text.endsWith("encryption 111, …") && text.length < 400, text);
  const foreign = [{ type: 77, id: 1, keyBits: 0 }, ...transforms];
  assert.match(
    explain([{ protocol, transforms: foreign }], [{ protocol, transforms }]),
    /transform types that are not defined/,
  );
});
