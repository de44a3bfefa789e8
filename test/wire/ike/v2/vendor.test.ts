import { bodyOf, proveCodec, range, typeOf } from "#test/wire/ike/codec-rows";

proveCodec(typeOf("V"), "RFC 7296 §3.12", [
  {
    what: "a vendor ID",
    body: "4048b7d56ebce885",
    value: { kind: "V", data: bodyOf("4048b7d56ebce885") },
    validCuts: range(0, 7),
    lengths: [],
  },
]);
