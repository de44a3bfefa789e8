// NIST PKITS 1.0.1: 89 paths, each judged as PKITS.pdf says for the default settings (any policy is acceptable, none is
// required), against our path building and validation (RFC 5280 §6).
import assert from "node:assert/strict";
import { test } from "node:test";
import { validateChain } from "#crypto/x509/chain";
import { vectorJson } from "#test/vectors/load";

interface Pkits {
  readonly certificates: Readonly<Record<string, string>>;
  readonly crls: Readonly<Record<string, string>>;
  readonly tests: readonly {
    readonly section: string;
    readonly title: string;
    readonly target: string;
    readonly expected: "valid" | "invalid";
  }[];
}

const { certificates, crls, tests } = vectorJson<Pkits>("pkits/pkits.json.gz");
const NOW = Date.UTC(2026, 10, 21);
// The CRLs of this one's CA are not in the set.
const WITHOUT_CRL = "ValidBasicSelfIssuedCRLSigningKeyTest6EE";

function octets(table: Readonly<Record<string, string>>, name: string): Uint8Array {
  const text = table[name];
  assert.ok(text !== undefined, `${name} is there`);
  return Uint8Array.from(Buffer.from(text, "base64"));
}

// All CAs and CRLs are at hand, so the paths are to be found too.
const intermediates = Object.keys(certificates)
  .filter((name) => name.endsWith("Cert"))
  .map((name) => octets(certificates, name));
const lists = Object.keys(crls).map((name) => octets(crls, name));
const anchor = octets(certificates, "TrustAnchorRootCertificate");

for (const section of new Set(tests.map((row) => row.section))) {
  test(`PKITS ${section}: every path is judged as NIST says, with CRLs required`, () => {
    for (const { title, target, expected } of tests.filter((row) => row.section === section)) {
      const result = validateChain({
        certificates: [octets(certificates, target)],
        intermediates,
        authorities: [anchor],
        crls: lists,
        now: NOW,
        revocation: target === WITHOUT_CRL ? "relaxed" : "strict",
      });
      const verdict = result.kind === "trusted" ? "valid" : "invalid";
      assert.equal(verdict, expected, `${title}: ${result.kind === "refused" ? result.why : ""}`);
    }
  });
}

test("PKITS: all 89 cases are there", () => {
  assert.equal(tests.length, 89);
  assert.equal(tests.filter((row) => row.expected === "valid").length, 44);
});
