import assert from "node:assert/strict";
import { test } from "node:test";
import { Writer } from "#core/writer";
import { bodyOf, proveCodec, refused, typeOf } from "#test/wire/ike/codec-rows";
import { encodeDelete } from "#wire/ike/v2/delete";

proveCodec(typeOf("D"), "RFC 7296 §3.11", [
  {
    what: "a delete of two ESP SAs",
    body: "03 04 0002 0000a5f8 0000a5f9",
    value: { kind: "D", protocol: 3, spis: [bodyOf("0000a5f8"), bodyOf("0000a5f9")] },
    validCuts: [],
    lengths: [1, 3],
  },
  {
    what: "a delete of the IKE SA",
    body: "01 00 0000",
    value: { kind: "D", protocol: 1, spis: [] },
    validCuts: [],
    lengths: [],
  },
  {
    what: "a delete of no AH SA",
    body: "02 04 0000",
    value: { kind: "D", protocol: 2, spis: [] },
    validCuts: [],
    lengths: [1],
  },
  {
    what: "a delete of a protocol nobody knows",
    body: "09 02 0002 0001 0002",
    value: { kind: "D", protocol: 9, spis: [bodyOf("0001"), bodyOf("0002")] },
    validCuts: [],
    lengths: [1, 3],
  },
]);

test("row 21: a delete whose SPI size is not its protocol's, or whose count is not what follows (RFC 7296 §3.11)", () => {
  refused(typeOf("D"), "01 08 0001 0001020304050607", "delete SPI size at octet 5");
  refused(typeOf("D"), "03 00 ffff", "delete SPI size at octet 5");
  refused(typeOf("D"), "03 03 0001 000000", "delete SPI size at octet 5");
  refused(typeOf("D"), "03 04 ffff 00000001", "number of SPIs at octet 6");
  refused(typeOf("D"), "01 00 0001", "number of SPIs at octet 6");
  refused(typeOf("D"), "01 00 ffff", "number of SPIs at octet 6");
  refused(typeOf("D"), "09 00 ffff", "delete SPI size at octet 5");
  refused(typeOf("D"), "09 04 0000", "delete SPI size at octet 5");
});

test("an SPI of another length cannot be written", () => {
  const writer = new Writer();
  assert.throws(() => encodeDelete({ kind: "D", protocol: 3, spis: [new Uint8Array(8)] }, writer), { code: "BUG" });
  assert.throws(() => encodeDelete({ kind: "D", protocol: 1, spis: [new Uint8Array(8)] }, writer), { code: "BUG" });
});
