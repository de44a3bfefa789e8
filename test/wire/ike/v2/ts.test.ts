import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf } from "#core/address";
import { Writer } from "#core/writer";
import { bodyOf, decodeBody, proveCodec, refused, typeOf } from "#test/wire/ike/codec-rows";
import { encodeTs, tsPayload } from "#wire/ike/v2/ts";

const NET = {
  first: addressOf(bodyOf("0a000000")),
  last: addressOf(bodyOf("0a0000ff")),
  protocol: 0,
  firstPort: 0,
  lastPort: 65535,
};
const HOST6 = {
  first: addressOf(bodyOf("20010db8000000000000000000000001")),
  last: addressOf(bodyOf("20010db8000000000000000000000001")),
  protocol: 6,
  firstPort: 443,
  lastPort: 443,
};
const OPAQUE = { ...NET, protocol: 17, firstPort: 65535, lastPort: 0 };
const IPV4 = "07 00 0010 0000 ffff 0a000000 0a0000ff";

proveCodec(typeOf("TSi"), "RFC 7296 §3.13", [
  {
    what: "an IPv4 net and an IPv6 host's port",
    body: `02 000000 ${IPV4}
      08 06 0028 01bb 01bb 20010db8000000000000000000000001 20010db8000000000000000000000001`,
    value: tsPayload("TSi", [NET, HOST6]),
    validCuts: [],
    lengths: [0, 7, 23],
  },
]);

proveCodec(typeOf("TSr"), "RFC 7296 §3.13", [
  {
    what: "OPAQUE ports",
    body: "01 000000 07 11 0010 ffff 0000 0a000000 0a0000ff",
    value: tsPayload("TSr", [OPAQUE]),
    validCuts: [],
    lengths: [7],
  },
  { what: "no selector", body: "00 000000", value: tsPayload("TSr", []), validCuts: [], lengths: [] },
]);

test("selectors of types we do not know are left out and counted (RFC 7296 §2.9, RFC 9478)", () => {
  const label = "0a 00 0008 61626364";
  assert.deepEqual(decodeBody(typeOf("TSi"), bodyOf(`03 000000 ${label} ${IPV4} c8 00 0004`)), {
    kind: "TSi",
    selectors: [NET],
    skipped: 2,
  });
});

test("row 21: selectors whose length is not their type's, ranges that end before they start", () => {
  refused(typeOf("TSi"), "01 000000 07 00 0028 0000 ffff 0a000000 0a0000ff", "traffic selector length at octet 10");
  refused(typeOf("TSi"), "01 000000 08 00 0010 0000 ffff 0a000000 0a0000ff", "traffic selector length at octet 10");
  refused(typeOf("TSi"), "01 000000 0a 00 0003", "traffic selector length at octet 10");
  refused(typeOf("TSi"), "01 000000 0a 00 ffff", "traffic selector length at octet 12");
  refused(typeOf("TSi"), "01 000000 07 00 0010 0000 ffff 0a000001 0a000000", "ending address at octet 20");
  refused(typeOf("TSi"), "01 000000 07 06 0010 0002 0001 0a000000 0a0000ff", "end port at octet 14");
  refused(typeOf("TSi"), `ff 000000 ${IPV4}`, "traffic selector type at octet 24");
});

test("no more selectors are written than the count holds", () => {
  const many = tsPayload("TSi", new Array(256).fill(NET));
  assert.throws(() => encodeTs(many, new Writer()), { code: "BUG" });
});
