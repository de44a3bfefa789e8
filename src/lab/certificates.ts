/** A CA of the lab's own, and what each gateway needs of it: made for one run, trusted by nobody else. */
import { parseIdentity } from "#crypto/identity";
import { type Authority, type KeyKind, makeAuthority, makeCertificate, makeKey } from "#crypto/x509/certificate-maker";
import { encodePem } from "#crypto/x509/pem";
import { systemRandom } from "#io/system-random";
import { identityOf, type LabFiles } from "./ike-config.ts";
import { SITE_A, SITE_B, type Site } from "./network.ts";

const SECOND = 1000;
const HOUR = 3600 * SECOND;

/** Milliseconds from now. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

const LAB_SPAN: Span = { from: -HOUR, to: 24 * HOUR };

/** For gateways whose plan says `auth: "pubkey"`: goes beside their swanctl.conf. Keys are secret. */
export function freshCertificates(
  kind: KeyKind,
  gateways: Span = LAB_SPAN,
): { readonly a: LabFiles; readonly b: LabFiles } {
  const now = Math.floor(Date.now() / SECOND) * SECOND;
  const validityOf = ({ from, to }: Span) => ({ notBefore: now + from, notAfter: now + to, random: systemRandom });
  const key = makeKey(kind);
  const issuer = { key, certificate: makeAuthority({ key, subject: "O=Lab, CN=Lab CA", ...validityOf(LAB_SPAN) }) };
  const validity = validityOf(gateways);
  return { a: filesOf(SITE_A, kind, issuer, validity), b: filesOf(SITE_B, kind, issuer, validity) };
}

function filesOf(
  site: Site,
  kind: KeyKind,
  issuer: Authority,
  validity: Pick<Parameters<typeof makeCertificate>[0], "notBefore" | "notAfter" | "random">,
): LabFiles {
  const name = identityOf(site);
  const identity = parseIdentity(name);
  if (identity === undefined) throw new Error(`bug: ${name} is no identity`);
  const key = makeKey(kind);
  const certificate = makeCertificate({
    issuer,
    subject: `O=Lab, CN=${name}`,
    spki: key.spki,
    alternativeNames: [identity],
    ...validity,
  });
  return {
    "x509ca/ca.pem": encodePem({ label: "CERTIFICATE", octets: issuer.certificate }),
    [`x509/${name}.pem`]: encodePem({ label: "CERTIFICATE", octets: certificate }),
    [`private/${name}.pem`]: encodePem({ label: "PRIVATE KEY", octets: key.pkcs8 }),
  };
}
