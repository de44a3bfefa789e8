import assert from "node:assert/strict";
import { test } from "node:test";
import { IdType } from "#core/identity";
import { toHex } from "#test/vectors/load";
import { bodyOf, decodeBody, proveCodec, range, typeOf } from "#test/wire/ike/codec-rows";
import { idBody, idPayload } from "#wire/ike/v2/id";

const NAME = bodyOf("67772d612e6578616d706c65");

proveCodec(typeOf("IDi"), "RFC 7296 §3.5", [
  {
    what: "a name",
    body: "02 000000 67772d612e6578616d706c65",
    value: idPayload("IDi", { type: IdType.ID_FQDN, data: NAME }),
    validCuts: range(4, 15),
    lengths: [],
  },
  {
    what: "an identity of a type nobody knows",
    body: "c8 000000 00",
    value: idPayload("IDi", { type: 200, data: Uint8Array.of(0) }),
    validCuts: [4],
    lengths: [],
  },
]);

proveCodec(typeOf("IDr"), "RFC 7296 §3.5", [
  {
    what: "an IPv4 address",
    body: "01 000000 c0000201",
    value: idPayload("IDr", { type: IdType.ID_IPV4_ADDR, data: bodyOf("c0000201") }),
    validCuts: range(4, 7),
    lengths: [],
  },
]);

test("AUTH covers the identification as it came, its reserved octets too (RFC 7296 §2.15)", () => {
  const body = bodyOf("02 0a0b0c 67772d612e6578616d706c65");
  const payload = decodeBody(typeOf("IDi"), body);
  assert.deepEqual(payload, { kind: "IDi", identity: { type: 2, data: NAME }, reserved: 0x0a0b0c });
  assert.ok(payload?.kind === "IDi");
  assert.equal(toHex(idBody(payload)), toHex(body));
  assert.equal(toHex(idBody(idPayload("IDi", { type: 2, data: NAME }))), `02000000${toHex(NAME)}`);
});
