import { bodyOf, proveCodec, range, typeOf } from "#test/wire/ike/codec-rows";
import { AuthMethod } from "#wire/ike/numbers";

proveCodec(typeOf("AUTH"), "RFC 7296 §3.8", [
  {
    what: "a shared key's proof",
    body: "02 000000 a1a2a3a4",
    value: { kind: "AUTH", method: AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE, data: bodyOf("a1a2a3a4") },
    validCuts: range(4, 7),
    lengths: [],
  },
]);
