import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, decodeBody, proveCodec, refused, typeOf } from "#test/wire/ike/codec-rows";
import { CfgType, ConfigurationAttribute } from "#wire/ike/numbers";

proveCodec(typeOf("CP"), "RFC 7296 §3.15", [
  {
    what: "a request for an address and DNS",
    body: "01 000000 0001 0004 0a000001 0003 0000",
    value: {
      kind: "CP",
      type: CfgType.CFG_REQUEST,
      attributes: [
        { type: ConfigurationAttribute.INTERNAL_IP4_ADDRESS, value: bodyOf("0a000001") },
        { type: ConfigurationAttribute.INTERNAL_IP4_DNS, value: new Uint8Array(0) },
      ],
    },
    validCuts: [4, 12],
    lengths: [7],
  },
]);

test("the reserved bit of a configuration attribute is not part of its type (RFC 7296 §3.15.1)", () => {
  assert.deepEqual(decodeBody(typeOf("CP"), bodyOf("02 000000 8001 0000")), {
    kind: "CP",
    type: 2,
    attributes: [{ type: 1, value: new Uint8Array(0) }],
  });
});

test("an attribute longer than the payload is refused", () => {
  refused(typeOf("CP"), "01 000000 0001 ffff 0a000001", "attribute value at octet 12");
});
