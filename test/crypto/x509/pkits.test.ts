// NIST PKITS 1.0.1, the 89 cases that NSS runs, against our path building and validation (RFC 5280 §6).
import assert from "node:assert/strict";
import { test } from "node:test";
import { validateChain } from "#crypto/x509/chain";
import { sharedJson } from "#test/vectors/load";

interface Pkits {
  readonly certs: Readonly<Record<string, string>>;
  readonly crls: Readonly<Record<string, string>>;
  readonly tests: readonly {
    readonly section: string;
    readonly title: string;
    readonly ee: string;
    readonly nss_expect: "valid" | "invalid";
    readonly pkits_title_says: string;
  }[];
}

const FILE = "pkits/pkits.json";
const pkits = sharedJson<Pkits>(FILE);
const skip = pkits === undefined && `${FILE} is under the MPL and not kept here: put it at ../shared/vectors/${FILE}`;
// PKITS.pdf where the title does not say it and NSS, which ignores policies, differs: with the default settings
// "the path should not validate successfully" (4.8.4, 4.8.8, 4.8.12: explicit policy required, no policy in common).
const INVALID_BY_POLICY: ReadonlySet<string> = new Set([
  "DifferentPoliciesTest4EE",
  "DifferentPoliciesTest8EE",
  "DifferentPoliciesTest12EE",
]);
// NSS's list has not the CRLs of this one's CA.
const WITHOUT_CRL: ReadonlySet<string> = new Set(["ValidBasicSelfIssuedCRLSigningKeyTest6EE"]);
const NOW = Date.UTC(2026, 10, 21);

function octets(table: Readonly<Record<string, string>>, name: string): Uint8Array {
  const text = table[name];
  assert.ok(text !== undefined, `${name} is there`);
  return Uint8Array.from(Buffer.from(text, "base64"));
}

test("PKITS: every path is judged as NIST says, with CRLs required", { skip }, () => {
  if (pkits === undefined) return;
  const { certs, crls, tests } = pkits;
  // All CAs and CRLs of the suite are at hand: the paths are to be found too.
  const intermediates = Object.keys(certs)
    .filter((name) => /(Cert|CA\d?)$/.test(name))
    .map((name) => octets(certs, name));
  const lists = Object.keys(crls).map((name) => octets(crls, name));
  const wrong: string[] = [];
  for (const { section, title, ee, nss_expect, pkits_title_says } of tests) {
    const titled = /^(in)?valid$/.test(pkits_title_says) ? pkits_title_says : nss_expect;
    const expected = INVALID_BY_POLICY.has(ee) ? "invalid" : titled;
    const result = validateChain({
      certificates: [octets(certs, ee)],
      intermediates,
      authorities: [octets(certs, "TrustAnchorRootCertificate")],
      crls: lists,
      now: NOW,
      revocation: WITHOUT_CRL.has(ee) ? "relaxed" : "strict",
    });
    const verdict = result.kind === "trusted" ? "valid" : "invalid";
    const why = result.kind === "refused" ? result.why : "";
    if (verdict !== expected) wrong.push(`${section}, ${title}: ${verdict} (${why})`);
  }
  assert.deepEqual(wrong, []);
  assert.equal(tests.length, 89);
});
