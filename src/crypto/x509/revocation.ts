/** What CRLs that are at hand say of a certificate (RFC 5280 §6.3). Nothing is fetched. */
import { equalOctets } from "#crypto/octets";
import type { Certificate } from "./certificate.ts";
import { type Crl, findRevocation } from "./crl.ts";
import { DerError } from "./der.ts";
import { namesEqual, nameToString } from "./distinguished-name.ts";
import { dateToString } from "./time.ts";

export type RevocationStatus =
  | { readonly kind: "good" }
  | { readonly kind: "revoked"; readonly at: number; readonly reason: number }
  /** `why`: "there is no CRL of CN=Example CA". */
  | { readonly kind: "unknown"; readonly why: string };

/** Does the certificate's issuer, or who else may, stand behind this CRL? */
export type CrlTrust = (crl: Crl) => boolean;

export function revocationStatus(
  certificate: Certificate,
  crls: readonly Crl[],
  now: number,
  trusted: CrlTrust,
): RevocationStatus {
  const issuer = nameToString(certificate.issuer);
  let why = `there is no CRL of ${issuer}`;
  let good = false;
  for (const crl of crls) {
    if (!namesEqual(crl.issuer, certificate.issuer) || !inScope(crl, certificate)) continue;
    if (!trusted(crl)) {
      why = `the CRL of ${issuer} is not signed by it`;
      continue;
    }
    const found = lookUp(crl, certificate.serial);
    if (found === undefined || found === "unclear") {
      const problem =
        found === "unclear" || !crl.complete ? `the CRL of ${issuer} does not tell everything` : age(crl, now, issuer);
      if (problem === undefined) good = true;
      else why = problem;
    } else {
      // Also by a CRL that is out of date: what was revoked stays so.
      return { kind: "revoked", ...found };
    }
  }
  return good ? { kind: "good" } : { kind: "unknown", why };
}

function inScope(crl: Crl, certificate: Certificate): boolean {
  if (crl.scope !== "all" && (crl.scope === "authorities") !== certificate.ca) return false;
  // RFC 5280 §6.3.3 (b)(2)(i)
  return crl.points.length === 0 || crl.points.some((a) => certificate.crlPoints.some((b) => equalOctets(a, b)));
}

function lookUp(crl: Crl, serial: Uint8Array): ReturnType<typeof findRevocation> {
  try {
    return findRevocation(crl, serial);
  } catch (error) {
    if (error instanceof DerError) return "unclear";
    throw error;
  }
}

function age(crl: Crl, now: number, issuer: string): string | undefined {
  if (crl.thisUpdate > now) return `the CRL of ${issuer} is not valid before ${dateToString(crl.thisUpdate)}`;
  if (crl.nextUpdate === undefined || crl.nextUpdate >= now) return undefined;
  return `the CRL of ${issuer} is out of date since ${dateToString(crl.nextUpdate)}`;
}
