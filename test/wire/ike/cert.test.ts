import { bodyOf, proveCodec, range, typeOf } from "#test/wire/ike/codec-rows";
import { CertEncoding } from "#wire/ike/numbers";

proveCodec(typeOf("CERT"), "RFC 7296 §3.6", [
  {
    what: "a certificate",
    body: "04 308201",
    value: { kind: "CERT", encoding: CertEncoding.X509_SIGNATURE, data: bodyOf("308201") },
    validCuts: range(1, 3),
    lengths: [],
  },
]);
