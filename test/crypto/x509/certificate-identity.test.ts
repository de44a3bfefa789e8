// Which identities a certificate proves: whole names, octet by octet (RFC 4945 §3.1, §5.1.3.6). Twenty pairs that look
// alike and are not the same.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Identity, IdType } from "#core/identity";
import { type Certificate, parseCertificate } from "#crypto/x509/certificate";
import { certificateProves, namesText } from "#crypto/x509/certificate-identity";
import { hex } from "#test/vectors/load";
import { authority, gateway, id } from "./pki.ts";

const root = authority("Root");

function certificate(subject: string, ...names: readonly Identity[]): Certificate {
  return parseCertificate(gateway(root, { subject, alternativeNames: names }).certificate);
}

function text(type: number, value: string): Identity {
  return { type, data: Uint8Array.from(Buffer.from(value, "latin1")) };
}
const fqdn = (value: string) => text(IdType.ID_FQDN, value);

const FULL = certificate(
  "C=CH, O=Example, CN=gw-b",
  id("gw-b.example.org"),
  id("carol@example.org"),
  id("10.0.0.1"),
  id("2001:db8::1"),
);

test("the subject and each alternative name are proven, without regard to case", () => {
  for (const name of [
    "C=CH, O=Example, CN=gw-b",
    "C=CH, O=example, CN=GW-B",
    "gw-b.example.org",
    "GW-B.Example.Org",
    "carol@example.org",
    "10.0.0.1",
    "2001:db8::1",
  ]) {
    assert.ok(certificateProves(FULL, id(name)), name);
  }
  assert.equal(
    namesText(FULL),
    "it is for C=CH, O=Example, CN=gw-b | gw-b.example.org | carol@example.org | 10.0.0.1 and 1 more",
  );
});

const CN_ONLY = certificate("C=CH, O=Example, CN=gw-b.example.org");
const WILD = certificate("CN=wild", fqdn("*.example.org"), text(IdType.ID_RFC822_ADDR, "*@example.org"));
const NUL = certificate("CN=nul", fqdn("gw-b.example.org\0.evil.org"));
const BAD_PAIRS: readonly (readonly [string, Certificate, Identity])[] = [
  ["CN is no host name", CN_ONLY, id("gw-b.example.org")],
  ["CN alone is no DN", CN_ONLY, id("CN=gw-b.example.org")],
  ["a wildcard name proves no host", WILD, id("gw-b.example.org")],
  ["a wildcard name does not prove itself", WILD, fqdn("*.example.org")],
  ["a wildcard mailbox proves nobody", WILD, id("carol@example.org")],
  ["a NUL in the certificate's name ends nothing", NUL, id("gw-b.example.org")],
  ["a NUL in the claim ends nothing", FULL, fqdn("gw-b.example.org\0")],
  ["a name with NUL does not prove itself", NUL, fqdn("gw-b.example.org\0.evil.org")],
  ["a trailing dot", FULL, id("gw-b.example.org.")],
  ["a host below", FULL, id("x.gw-b.example.org")],
  ["a host above", FULL, id("example.org")],
  ["a suffix", FULL, id("evil-gw-b.example.org")],
  ["a host name claimed as mailbox", FULL, text(IdType.ID_RFC822_ADDR, "gw-b.example.org")],
  ["a mailbox claimed as host name", FULL, fqdn("carol@example.org")],
  ["an address claimed as host name", FULL, fqdn("10.0.0.1")],
  ["an IPv4 address mapped to IPv6", FULL, id("::ffff:10.0.0.1")],
  ["a subnet around the address", FULL, { type: IdType.ID_IPV4_ADDR_SUBNET, data: hex("0a000001ffffffff") }],
  ["the DN in another order", FULL, id("CN=gw-b, O=Example, C=CH")],
  ["the DN with one part more", FULL, id("C=CH, O=Example, OU=x, CN=gw-b")],
  ["a DN pattern", FULL, id("C=CH, O=Example, CN=*")],
  ["the DN's octets as key id", FULL, { type: IdType.ID_KEY_ID, data: FULL.subject.der }],
  ["the key id of the certificate", FULL, { type: IdType.ID_KEY_ID, data: FULL.subjectKeyId ?? new Uint8Array(1) }],
  ["a DN that is no DER", FULL, { type: IdType.ID_DER_ASN1_DN, data: hex("3003020100") }],
  ["an empty DN", FULL, { type: IdType.ID_DER_ASN1_DN, data: hex("3000") }],
  ["ID_NULL", FULL, { type: IdType.ID_NULL, data: new Uint8Array(0) }],
  ["an unknown type with the right octets", FULL, { type: 99, data: id("gw-b.example.org").data }],
  ["letters that only look alike", FULL, { type: IdType.ID_FQDN, data: new TextEncoder().encode("gw-b.exаmple.org") }],
];

for (const [what, has, claim] of BAD_PAIRS) {
  test(`not proven: ${what}`, () => {
    assert.equal(certificateProves(has, claim), false);
  });
}
