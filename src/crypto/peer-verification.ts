/** Is the peer who it claims to be: identity, signature of AUTH, and the chain or the pin that makes its key trusted. */
import { IKEV1_METHODS, type Job, type JobResult } from "#core/ike-job";
import { type Certificate, parseCertificate } from "#crypto/x509/certificate";
import { certificateProves, namesText } from "#crypto/x509/certificate-identity";
import { describe, validateChain, validityProblem } from "#crypto/x509/chain";
import { DerError } from "#crypto/x509/der";
import { nameToString } from "#crypto/x509/distinguished-name";
import { identityToString } from "./identity.ts";
import { verifyHash } from "./isakmp-signature.ts";
import { equalOctets } from "./octets.ts";
import { SignatureError, verifyAuth } from "./signature.ts";

export type VerifyPeer = Extract<Job, { readonly kind: "verify-peer" }>;

/** Never throws for what a peer sent. `now`: epoch milliseconds. */
export function verifyPeer(job: VerifyPeer, now: number): JobResult {
  const pinned = job.pinnedCertificates.length > 0 || job.pinnedKeys.length > 0;
  return pinned ? verifyPinned(job, now) : verifyByChain(job, now);
}

function failed(why: string): JobResult {
  return { kind: "failed", why };
}

function verified(certificate: Certificate): JobResult {
  return { kind: "verify-peer", subject: nameToString(certificate.subject), notAfter: certificate.notAfter };
}

function tryParse(octets: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(octets);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** Why the signature is not one of this key; undefined = it is. */
function authProblem(job: VerifyPeer, spki: Uint8Array): string | undefined {
  try {
    if (job.method < IKEV1_METHODS) verifyAuth({ ...job, spki });
    else verifyHash({ signature: job.signature, spki, method: job.method - IKEV1_METHODS, hash: job.octets });
    return undefined;
  } catch (error) {
    if (error instanceof SignatureError) return error.message;
    throw error;
  }
}

function identityProblem(job: VerifyPeer, certificate: Certificate): string | undefined {
  if (certificateProves(certificate, job.identity)) return undefined;
  const claimed = identityToString(job.identity);
  return `the peer claims to be ${claimed}, but its certificate does not say so (${namesText(certificate)}): have the peer use one of these names, or issue a certificate with subjectAltName ${claimed}`;
}

function verifyByChain(job: VerifyPeer, now: number): JobResult {
  const own = job.certificates[0] ?? knownCertificate(job);
  if (own === undefined) {
    return failed(
      `the peer sent no certificate, and none for ${identityToString(job.identity)} is known here: have it send one, or pin its own here`,
    );
  }
  const certificate = tryParse(own);
  if (certificate === undefined) return failed("the peer's certificate is malformed: issue a new one");
  const problem = identityProblem(job, certificate) ?? authProblem(job, certificate.spki);
  if (problem !== undefined) return failed(problem);
  const { authorities, intermediates, crls, revocation } = job;
  const certificates = job.certificates.length > 0 ? job.certificates : [own];
  const chain = validateChain({ certificates, authorities, intermediates, crls, revocation, now });
  return chain.kind === "refused" ? failed(chain.why) : verified(certificate);
}

// A peer may be sure that we have its certificate (RFC 7296 §3.6 leaves CERT optional).
function knownCertificate(job: VerifyPeer): Uint8Array | undefined {
  return job.intermediates.find((octets) => {
    const certificate = tryParse(octets);
    return certificate !== undefined && !certificate.ca && certificateProves(certificate, job.identity);
  });
}

function verifyPinned(job: VerifyPeer, now: number): JobResult {
  const sent = job.certificates[0];
  const pins = job.pinnedCertificates.filter((pin) => sent === undefined || equalOctets(pin, sent));
  let why: string | undefined;
  for (const pin of pins) {
    const certificate = tryParse(pin);
    const problem =
      certificate === undefined
        ? "the certificate that is pinned here is malformed: load it again"
        : (identityProblem(job, certificate) ??
          validityProblem(certificate, now) ??
          authProblem(job, certificate.spki));
    if (problem === undefined && certificate !== undefined) return verified(certificate);
    why ??= problem;
  }
  // A bare key has no name: that it is pinned for this peer says whose it is.
  for (const key of job.pinnedKeys) {
    const problem = authProblem(job, key);
    if (problem === undefined) return { kind: "verify-peer", subject: "the pinned public key", notAfter: undefined };
    why ??= problem;
  }
  const other = sent === undefined ? undefined : tryParse(sent);
  const shown = other === undefined ? "the certificate that the peer sent" : describe(other);
  return failed(why ?? `${shown} is not the one that is pinned here: pin it, or have the peer use the pinned one`);
}
