import assert from "node:assert/strict";
import { test } from "node:test";
import { Writer } from "#core/writer";
import { bodyOf, decodeBody, proveCodec, range, refused, typeOf } from "#test/wire/ike/codec-rows";
import { encodeNonce } from "#wire/ike/v2/nonce";

proveCodec(typeOf("Nonce"), "RFC 7296 §3.9", [
  {
    what: "a nonce of 18 octets",
    body: "00".repeat(17).concat("01"),
    value: { kind: "Nonce", data: bodyOf("00".repeat(17).concat("01")) },
    validCuts: range(16, 17),
    lengths: [],
  },
]);

test("nonces are 16 to 256 octets (RFC 7296 §3.9)", () => {
  for (const length of [16, 256]) {
    assert.deepEqual(decodeBody(typeOf("Nonce"), new Uint8Array(length)), {
      kind: "Nonce",
      data: new Uint8Array(length),
    });
  }
  for (const length of [0, 15, 257, 1000]) refused(typeOf("Nonce"), "00".repeat(length), "nonce length at octet 4");
  assert.throws(() => encodeNonce({ kind: "Nonce", data: new Uint8Array(15) }, new Writer()), { code: "BUG" });
});
