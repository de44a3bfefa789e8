import { bodyOf, proveCodec, range, typeOf } from "#test/wire/ike/codec-rows";

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
