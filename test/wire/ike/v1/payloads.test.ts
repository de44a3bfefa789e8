// Every payload of IKEv1 but SA: octets and value, cut at every octet, each length one off.
import { test } from "node:test";
import { parseAddress } from "#core/address";
import { IdType } from "#core/identity";
import { bodyOf, range } from "#test/wire/ike/codec-rows";
import { prove, refused } from "#test/wire/ike/v1/chains";
import { deletePayload } from "#wire/ike/v1/delete";
import { idPayload } from "#wire/ike/v1/id";
import { notify } from "#wire/ike/v1/notify";
import { NotifyType, PayloadType, Protocol } from "#wire/ike/v1/numbers";

const data = bodyOf("a1a2a3a4 a5a6a7a8");
const address = (text: string) => parseAddress(text) ?? { family: 4, octets: new Uint8Array(4) };

for (const kind of ["KE", "HASH", "SIG", "VID"] as const) {
  prove(PayloadType[kind], "RFC 2408 §3.7, §3.11, §3.12, §3.16", [
    { what: kind, body: "a1a2a3a4 a5a6a7a8", value: { kind, data }, validCuts: range(0, 7), lengths: [] },
  ]);
}

prove(PayloadType.NONCE, "RFC 2408 §3.13", [
  { what: "the shortest nonce", body: "a1a2a3a4 a5a6a7a8", value: { kind: "NONCE", data }, validCuts: [], lengths: [] },
]);

test("nonces below 8 and above 256 octets are refused (RFC 2409 §5)", () => {
  refused(PayloadType.NONCE, "00".repeat(7), "nonce length at octet 4");
  refused(PayloadType.NONCE, "00".repeat(257), "nonce length at octet 4");
});

prove(PayloadType.ID, "RFC 2407 §4.6.2", [
  {
    what: "an address, UDP 500",
    body: "01 11 01f4 0a000001",
    value: idPayload({ type: IdType.ID_IPV4_ADDR, data: bodyOf("0a000001") }, 17, 500),
    validCuts: range(4, 7),
    lengths: [],
  },
]);

prove(PayloadType.CERT, "RFC 2408 §3.9", [
  {
    what: "CERT",
    body: "04 3082",
    value: { kind: "CERT", encoding: 4, data: bodyOf("3082") },
    validCuts: [1, 2],
    lengths: [],
  },
]);

prove(PayloadType.CR, "RFC 2408 §3.10", [
  {
    what: "CR",
    body: "04 3000",
    value: { kind: "CR", encoding: 4, authority: bodyOf("3000") },
    validCuts: [1, 2],
    lengths: [],
  },
]);

prove(PayloadType.N, "RFC 2408 §3.14", [
  {
    what: "R-U-THERE with the cookie pair and a sequence number",
    body: "00000001 01 10 8d28 01020304050607081112131415161718 0000002a",
    value: notify(
      NotifyType.R_U_THERE,
      Protocol.ISAKMP,
      bodyOf("01020304050607081112131415161718"),
      bodyOf("0000002a"),
    ),
    validCuts: range(24, 27),
    lengths: [],
  },
  {
    what: "an error of another DOI",
    body: "00000002 00 00 000e",
    value: { kind: "N", doi: 2, protocol: 0, spi: new Uint8Array(0), type: 14, data: new Uint8Array(0) },
    validCuts: [],
    lengths: [],
  },
]);

test("an SPI that is longer than the notification is refused (RFC 2408 §3.14)", () => {
  refused(PayloadType.N, "00000001 03 05 000e 01020304", "notify SPI at octet 12");
});

prove(PayloadType.D, "RFC 2408 §3.15", [
  {
    what: "a delete of two ESP SAs",
    body: "00000001 03 04 0002 01020304 11121314",
    value: deletePayload(Protocol.IPSEC_ESP, [bodyOf("01020304"), bodyOf("11121314")]),
    validCuts: [],
    lengths: [5, 7],
  },
  {
    what: "a delete of an ISAKMP SA",
    body: "00000001 01 10 0001 01020304050607081112131415161718",
    value: deletePayload(Protocol.ISAKMP, [bodyOf("01020304050607081112131415161718")]),
    validCuts: [],
    lengths: [5, 7],
  },
]);

test("a delete of nothing, and one whose SPIs are not of its protocol, are refused (RFC 2408 §3.15)", () => {
  refused(PayloadType.D, "00000001 03 04 0000", "number of SPIs at octet 10");
  refused(PayloadType.D, "00000001 03 08 0001 0102030405060708", "delete SPI size at octet 9");
  refused(PayloadType.D, "00000001 01 00 0001", "delete SPI size at octet 9");
  refused(PayloadType.D, "00000001 04 00 0001", "delete SPI size at octet 9");
});

for (const [type, version] of [
  [PayloadType["NAT-D"], "rfc3947"],
  [PayloadType["NAT-D-DRAFT"], "draft"],
] as const) {
  prove(type, "RFC 3947 §3.2", [
    {
      what: `NAT-D of ${version}`,
      body: "a1a2a3a4 a5a6a7a8",
      value: { kind: "NAT-D", version, hash: data },
      validCuts: range(0, 7),
      lengths: [],
    },
  ]);
}

for (const [type, version] of [
  [PayloadType["NAT-OA"], "rfc3947"],
  [PayloadType["NAT-OA-DRAFT"], "draft"],
] as const) {
  prove(type, "RFC 3947 §5.2", [
    {
      what: `NAT-OA of ${version}, IPv4`,
      body: "01 000000 0a000001",
      value: { kind: "NAT-OA", version, address: address("10.0.0.1") },
      validCuts: [],
      lengths: [],
    },
    {
      what: `NAT-OA of ${version}, IPv6`,
      body: "05 000000 20010db8000000000000000000000001",
      value: { kind: "NAT-OA", version, address: address("2001:db8::1") },
      validCuts: [],
      lengths: [],
    },
  ]);
}

test("an original address that is none is refused (RFC 3947 §5.2)", () => {
  refused(PayloadType["NAT-OA"], "02 000000 0a000001", "NAT-OA type at octet 4");
  refused(PayloadType["NAT-OA"], "01 000000 0a00000100", "octets after the NAT-OA address at octet 12");
});

prove(PayloadType.FRAG, "MS-IKEE §2.2.3.1", [
  {
    what: "the last fragment",
    body: "0007 02 01 a1a2a3a4",
    value: { kind: "FRAG", id: 7, number: 2, last: true, data: bodyOf("a1a2a3a4") },
    validCuts: range(4, 7),
    lengths: [],
  },
]);

test("fragments are numbered from 1 (MS-IKEE §2.2.3.1)", () => {
  refused(PayloadType.FRAG, "0007 00 01 a1", "fragment number at octet 6");
});
