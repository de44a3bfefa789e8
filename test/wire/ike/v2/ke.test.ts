import { bodyOf, proveCodec, range, typeOf } from "#test/wire/ike/codec-rows";

proveCodec(typeOf("KE"), "RFC 7296 §3.4", [
  {
    what: "a public value of group 31",
    body: "001f 0000 0102030405",
    value: { kind: "KE", method: 31, data: bodyOf("0102030405") },
    validCuts: range(4, 8),
    lengths: [],
  },
  {
    what: "group 1025, which nobody has (CVE-2015-3991)",
    body: "0401 0000 ff",
    value: { kind: "KE", method: 1025, data: bodyOf("ff") },
    validCuts: [4],
    lengths: [],
  },
]);
