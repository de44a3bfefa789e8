// Identities as text, by strongSwan's rules; comparison and patterns.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IdType } from "#core/identity";
import {
  identitiesEqual,
  identityKey,
  identityMatch,
  identityToString,
  isPattern,
  parseIdentity,
  readIdentity,
} from "#crypto/identity";
import { hex, toHex } from "#test/vectors/load";
import { id } from "./x509/pki.ts";

const ascii = (text: string) => Buffer.from(text, "latin1").toString("hex");
const DN = "302c310b3009060355040613024348310d300b060355040a130441636d65310e300c0603550403130567772d6131";

/** Text, type, data in hex, and how it is printed. */
const ROWS: readonly (readonly [string, number, string, string])[] = [
  ["10.1.2.3", IdType.ID_IPV4_ADDR, "0a010203", "10.1.2.3"],
  ["ipv4:10.1.2.3", IdType.ID_IPV4_ADDR, "0a010203", "10.1.2.3"],
  ["ipv4:#0a010203", IdType.ID_IPV4_ADDR, "0a010203", "10.1.2.3"],
  ["fe80::1", IdType.ID_IPV6_ADDR, `fe80${"00".repeat(13)}01`, "fe80::1"],
  ["10.0.0.0/8", IdType.ID_IPV4_ADDR_SUBNET, "0a000000ff000000", "10.0.0.0/8"],
  [
    "2001:db8::/32",
    IdType.ID_IPV6_ADDR_SUBNET,
    `20010db8${"00".repeat(12)}ffffffff${"00".repeat(12)}`,
    "2001:db8::/32",
  ],
  ["10.0.0.1-10.0.0.9", IdType.ID_IPV4_ADDR_RANGE, "0a0000010a000009", "10.0.0.1-10.0.0.9"],
  ["gw-b.example.org", IdType.ID_FQDN, ascii("gw-b.example.org"), "gw-b.example.org"],
  ["@gw-b.example.org", IdType.ID_FQDN, ascii("gw-b.example.org"), "gw-b.example.org"],
  ["fqdn:10.1.2.3", IdType.ID_FQDN, ascii("10.1.2.3"), "fqdn:10.1.2.3"],
  ["@10.1.2.3", IdType.ID_FQDN, ascii("10.1.2.3"), "fqdn:10.1.2.3"],
  ["moon", IdType.ID_FQDN, ascii("moon"), "moon"],
  ["carol@example.org", IdType.ID_RFC822_ADDR, ascii("carol@example.org"), "carol@example.org"],
  ["@@carol", IdType.ID_RFC822_ADDR, ascii("carol"), "email:carol"],
  ["email:carol@example.org", IdType.ID_RFC822_ADDR, ascii("carol@example.org"), "carol@example.org"],
  ["@#0aFF", IdType.ID_KEY_ID, "0aff", "@#0aff"],
  ["keyid:abc", IdType.ID_KEY_ID, "616263", "@#616263"],
  ["C=CH, O=Acme, CN=gw-a1", IdType.ID_DER_ASN1_DN, DN, "C=CH, O=Acme, CN=gw-a1"],
  ["C=CH,O=Acme,CN=gw-a1", IdType.ID_DER_ASN1_DN, DN, "C=CH, O=Acme, CN=gw-a1"],
  ["/C=CH/O=Acme/CN=gw-a1", IdType.ID_DER_ASN1_DN, DN, "C=CH, O=Acme, CN=gw-a1"],
  ['asn1dn:c = CH , o = "Acme", cn = gw-a1', IdType.ID_DER_ASN1_DN, DN, "C=CH, O=Acme, CN=gw-a1"],
  ["dn:2.5.4.6=CH, O=Acme, 2.5.4.3=gw-a1", IdType.ID_DER_ASN1_DN, DN, "C=CH, O=Acme, CN=gw-a1"],
  [`dn:#${DN}`, IdType.ID_DER_ASN1_DN, DN, "C=CH, O=Acme, CN=gw-a1"],
];

for (const [text, type, data, printed] of ROWS) {
  test(`"${text}" is read, printed and read again`, () => {
    const identity = id(text);
    assert.equal(identity.type, type);
    assert.equal(toHex(identity.data), data);
    assert.equal(identityToString(identity), printed);
    assert.ok(identitiesEqual(id(printed), identity));
  });
}

test("%any and its relatives mean anybody", () => {
  for (const text of ["%any", "%any4", "%any6", "*", "", "0.0.0.0", "::"]) {
    assert.equal(readIdentity(text).kind, "any", text);
    assert.equal(parseIdentity(text), undefined);
  }
});

test("what makes no sense is said, with a remedy, and never becomes another type", () => {
  const problem = (text: string) => {
    const read = readIdentity(text);
    return read.kind === "wrong" ? `${read.problem}; ${read.remedy}` : read.kind;
  };
  assert.match(problem("@#abc"), /^"#abc" is no hexadecimal number of whole octets; give two digits/);
  assert.match(
    problem("CM=gw, O=Acme"),
    /^"CM=gw, O=Acme" is no distinguished name; write it as .* or put keyid: in front/,
  );
  assert.match(problem("ipv4:gw"), /^"gw" is not what its prefix says; leave the prefix away/);
  assert.match(problem("ipv6:10.0.0.1"), /is not what its prefix says/);
  assert.match(problem("dn:#3000ff"), /no DER of a distinguished name/);
  assert.match(problem("fqdn:"), /0 octets; give 1 to 4096/);
  assert.match(problem("C="), /no distinguished name/);
});

test("whatever a peer sends as identity is printed in one bounded line without control characters", () => {
  for (let type = 0; type < 256; type++) {
    for (const length of [0, 1, 3, 4, 5, 8, 16, 32, 5000]) {
      const data = Uint8Array.from({ length }, (_, i) => (i * 7 + type) & 0xff);
      const text = identityToString({ type, data });
      assert.ok(text.length < 1200 && !/\p{Cc}/u.test(text), text);
      assert.ok(identityMatch(undefined, { type, data }) === 1);
    }
  }
});

test("names compare without regard to ASCII case, DNs by RFC 5280 §7.1, key ids by octet", () => {
  const same: readonly (readonly [string, string])[] = [
    ["GW.Example.org", "gw.example.ORG"],
    ["Carol@example.org", "carol@EXAMPLE.org"],
    ["C=ch, O=ACME  Ltd, CN=gw", "C=CH, O= acme ltd , CN=GW"],
    ["/O=Büro/CN=x", "O=BÜRO, CN=x"],
  ];
  for (const [a, b] of same) {
    assert.ok(identitiesEqual(id(a), id(b)), `${a} = ${b}`);
    assert.equal(identityKey(id(a)), identityKey(id(b)));
  }
  const different: readonly (readonly [string, string])[] = [
    ["gw.example.org", "email:gw.example.org"],
    ["fqdn:10.0.0.1", "10.0.0.1"],
    ["@#0a", "@#0b"],
    ["O=Acme, CN=gw", "CN=gw, O=Acme"],
    ["O=Acme, CN=gw", "O=Acme, CN=gw, OU=x"],
    ["O=Acme, OU=gw", "O=Acme, CN=gw"],
    ["gw.example.org", "gw.example.org."],
    [`@#${"ab".repeat(64)}cd`, `@#${"ab".repeat(64)}ce`],
  ];
  for (const [a, b] of different) {
    assert.ok(!identitiesEqual(id(a), id(b)), `${a} ≠ ${b}`);
    assert.notEqual(identityKey(id(a)), identityKey(id(b)));
  }
  const nobody = { type: IdType.ID_NULL, data: new Uint8Array(0) };
  assert.ok(!identitiesEqual(nobody, nobody));
  assert.equal(identityKey(nobody), undefined);
});

test("a pattern is told from somebody whose octets happen to hold a star's number", () => {
  for (const text of ["*.example.org", "*@example.org", "C=CH, O=*", "192.0.2.0/24", "192.0.2.1-192.0.2.9"])
    assert.ok(isPattern(id(text)), text);
  for (const text of ["gw.example.org", "192.0.2.42", "2001:db8::2a", "@#2a2a", "CN=gw, E=a@example.org", "CN=a*b"])
    assert.ok(!isPattern(id(text)), text);
});

test("row 30: patterns match what they say, and the closest counts most", () => {
  const match = (pattern: string, identity: string) => identityMatch(id(pattern), id(identity));
  assert.equal(match("gw.example.org", "GW.example.org"), 20);
  assert.equal(match("*.example.org", "gw.example.org"), 19);
  assert.equal(match("*.example.org", "a.b.Example.org"), 19);
  assert.equal(match("*@example.org", "carol@example.org"), 19);
  assert.equal(match("C=CH, O=Acme, CN=*", "C=CH, O=acme, CN=gw"), 19);
  assert.equal(match("C=CH, O=*, CN=*", "C=CH, O=Acme, CN=gw"), 18);
  assert.equal(match("10.0.0.0/8", "10.9.8.7"), 19);
  assert.equal(match("10.0.0.1-10.0.0.9", "10.0.0.9"), 19);
  assert.equal(match("fe80::/10", "fe80::7"), 19);
  assert.equal(identityMatch(undefined, id("gw")), 1);
  for (const [pattern, identity] of [
    ["*.example.org", "example.org"],
    ["*.example.org", ".example.org"],
    ["*.example.org", "gw.example.com"],
    ["*.example.org", "email:gw.example.org"],
    ["gw.*.org", "gw.example.org"],
    ["*@example.org", "carol@sub.example.org"],
    ["*@example.org", "@example.org@x"],
    ["C=CH, CN=*", "C=CH, O=Acme, CN=gw"],
    ["C=CH, CN=*", "C=DE, CN=gw"],
    ["C=CH, CN=*", "C=CH, OU=gw"],
    ["C=CH, CN=g*", "C=CH, CN=gw"],
    ["10.0.0.0/8", "11.0.0.1"],
    ["10.0.0.1-10.0.0.9", "10.0.0.10"],
    ["10.0.0.0/8", "fqdn:10.0.0.1"],
    ["fe80::/10", "10.0.0.1"],
  ] as const) {
    assert.equal(match(pattern, identity), 0, `${pattern} does not match ${identity}`);
  }
});

test("a subnet or range that a peer claims to be matches no address", () => {
  assert.equal(identityMatch(id("10.0.0.1"), { type: IdType.ID_IPV4_ADDR_SUBNET, data: hex("0000000000000000") }), 0);
  assert.equal(identityMatch(id("10.0.0.0/8"), { type: IdType.ID_IPV4_ADDR, data: hex("0a0000010a") }), 0);
});
