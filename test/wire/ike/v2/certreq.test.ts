import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, proveCodec, range, typeOf } from "#test/wire/ike/codec-rows";
import { authorityHashes } from "#wire/ike/v2/certreq";

const A = "00".repeat(20);
const B = "11".repeat(20);

proveCodec(typeOf("CERTREQ"), "RFC 7296 §3.7", [
  {
    what: "a request with two authorities",
    body: `04 ${A}${B}`,
    value: { kind: "CERTREQ", encoding: 4, authority: bodyOf(A + B) },
    validCuts: range(1, 40),
    lengths: [],
  },
]);

test("authorities are SHA-1 hashes one behind the other; what is over is none (RFC 7296 §3.7)", () => {
  const hashes = (authority: string) => authorityHashes({ kind: "CERTREQ", encoding: 4, authority: bodyOf(authority) });
  assert.deepEqual(hashes(A + B), [bodyOf(A), bodyOf(B)]);
  assert.deepEqual(hashes(`${A}0102`), [bodyOf(A)]);
  assert.deepEqual(hashes("11".repeat(19)), []);
  assert.deepEqual(hashes(""), []);
});
