import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "#test/vectors/load";
import { bodyOf, typeOf } from "#test/wire/ike/codec-rows";
import { decodeChain, encodeChain } from "#wire/ike/chain";

test("an SK ends the chain, tells the first payload inside and shows its body without a copy (RFC 7296 §3.14)", () => {
  const octets = bodyOf("2c 00 0007 aabbcc");
  const [payload, ...more] = decodeChain(typeOf("SK"), octets);
  assert.deepEqual(payload, { kind: "SK", firstType: typeOf("TSi"), body: bodyOf("aabbcc") });
  assert.equal(more.length, 0);
  assert.ok(payload?.kind === "SK" && payload.body.buffer === octets.buffer && payload.body.byteOffset === 4);
  assert.equal(toHex(encodeChain([payload]).octets), toHex(octets));
});

test("an SK around nothing has first type 0 (RFC 7296 §1.4)", () => {
  assert.deepEqual(decodeChain(typeOf("SK"), bodyOf("00 00 0005 01")), [
    { kind: "SK", firstType: 0, body: bodyOf("01") },
  ]);
});

test("nothing may stand behind an SK, before or after decoding (RFC 7296 §3.14)", () => {
  assert.throws(() => decodeChain(typeOf("SK"), bodyOf("2b 00 0005 01  00 00 0004")), {
    message: "octets after the last payload at octet 5",
  });
  const sk = { kind: "SK", firstType: 0, body: bodyOf("01") } as const;
  assert.throws(() => encodeChain([sk, { kind: "V", data: bodyOf("01") }]), { code: "BUG" });
});
