import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "#test/vectors/load";
import { bodyOf, typeOf } from "#test/wire/ike/codec-rows";
import { decodeChain, encodeChain } from "#wire/ike/chain";

test("an SKF ends the chain and tells its number, the total and, in the first, the first type (RFC 7383 §2.5)", () => {
  const first = bodyOf("23 00 000b 0001 0003 aabbcc");
  const last = bodyOf("00 00 0009 0003 0003 dd");
  for (const [octets, firstType, number, body] of [
    [first, typeOf("IDi"), 1, "aabbcc"],
    [last, 0, 3, "dd"],
  ] as const) {
    const payloads = decodeChain(typeOf("SKF"), octets);
    assert.deepEqual(payloads, [{ kind: "SKF", firstType, number, total: 3, body: bodyOf(body) }]);
    assert.equal(toHex(encodeChain(payloads).octets), toHex(octets));
  }
});

test("fragment numbers are 1 to the total (RFC 7383 §2.5)", () => {
  const message = "fragment number at octet 4";
  for (const numbers of ["0000 0003", "0004 0003", "0000 0000", "0001 0000", "ffff 0001"]) {
    assert.throws(() => decodeChain(typeOf("SKF"), bodyOf(`00 00 0009 ${numbers} dd`)), { message });
  }
  const beyond = { kind: "SKF", firstType: 0, number: 4, total: 3, body: bodyOf("01") } as const;
  assert.throws(() => encodeChain([beyond]), { code: "BUG" });
});

test("an SKF is refused wherever its header is cut", () => {
  for (let length = 0; length < 4; length++) {
    const body = bodyOf("00010003").subarray(0, length);
    const octets = Uint8Array.of(0, 0, 0, 4 + length, ...body);
    assert.throws(() => decodeChain(typeOf("SKF"), octets), { name: "WireError" });
  }
});
