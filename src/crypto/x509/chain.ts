/**
 * Path building and validation (RFC 5280 §6.1) at a given time, from what is at hand: nothing is fetched. Everything
 * from the peer is bounded: certificates looked at, length of a path, and signatures verified.
 */
import { equalOctets } from "#crypto/octets";
import {
  algorithmToString,
  readPublicKeyInfo,
  readSignatureAlgorithm,
  SignatureHash,
  signatureHolds,
} from "#crypto/signature-algorithm";
import { type Certificate, KeyUsageBit, type NameConstraints, parseCertificate } from "./certificate.ts";
import { type Crl, parseCrl } from "./crl.ts";
import { DerError } from "./der.ts";
import { namesEqual, nameToString } from "./distinguished-name.ts";
import { ikeUsageProblem } from "./ike-usage.ts";
import { forbiddenName } from "./name-constraints.ts";
import { initialPolicies, nextPolicies } from "./policies.ts";
import { revocationStatus } from "./revocation.ts";
import { dateToString, spanToString } from "./time.ts";

export interface ChainRequest {
  /** DER, the peer's own first. */
  readonly certificates: readonly Uint8Array[];
  readonly intermediates: readonly Uint8Array[];
  readonly authorities: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  /** Epoch milliseconds. */
  readonly now: number;
  readonly revocation: "relaxed" | "ifuri" | "strict";
}

export type ChainResult =
  /** The peer's own certificate first, the trusted CA last. */
  | { readonly kind: "trusted"; readonly path: readonly Certificate[] }
  /** One line for people, with the remedy. */
  | { readonly kind: "refused"; readonly why: string };

const PATH_LIMIT = 10;
const PEER_CERTIFICATE_LIMIT = 32;
const SIGNATURE_LIMIT = 64;
const PATHS_LIMIT = 16;
const TOO_MANY = `no chain to a trusted CA was found within ${SIGNATURE_LIMIT} signatures: have the peer send only its own chain`;

/** Never throws. */
export function validateChain(request: ChainRequest): ChainResult {
  const [own, ...others] = request.certificates.slice(0, PEER_CERTIFICATE_LIMIT);
  if (own === undefined)
    return { kind: "refused", why: "the peer sent no certificate: have it send one, or pin its own here" };
  const leaf = tryParse(own);
  if (typeof leaf === "string") {
    return { kind: "refused", why: `the peer's certificate is malformed (${leaf}): issue a new one` };
  }
  const parsed = (list: readonly Uint8Array[]) => list.map(tryParse).filter((item) => typeof item !== "string");
  const crls = request.crls.map(tryParseCrl).filter((crl) => crl !== undefined);
  const search = new ChainSearch(
    parsed(request.authorities),
    [...parsed(others), ...parsed(request.intermediates)],
    crls,
    request,
  );
  return search.run(leaf);
}

function tryParse(octets: Uint8Array): Certificate | string {
  try {
    return parseCertificate(octets);
  } catch (error) {
    if (error instanceof DerError) return error.message;
    throw error;
  }
}

function tryParseCrl(octets: Uint8Array): Crl | undefined {
  try {
    return parseCrl(octets);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** "certificate of C=CH, CN=gw-b". */
export function describe(certificate: Certificate): string {
  return `certificate of ${certificate.subject.rdns.length === 0 ? "nobody (empty subject)" : nameToString(certificate.subject)}`;
}

/** Out of its time; undefined = valid. */
export function validityProblem(certificate: Certificate, now: number): string | undefined {
  const { notBefore, notAfter } = certificate;
  if (now < notBefore) {
    const when = `${dateToString(notBefore)} (in ${spanToString(notBefore - now)})`;
    return `${describe(certificate)} is not valid before ${when}: set this machine's clock, or wait`;
  }
  // notAfter is inclusive to the second (RFC 5280 §4.1.2.5).
  if (now >= notAfter + 1000) {
    const when = `${dateToString(notAfter)} (${spanToString(now - notAfter)} ago)`;
    return `${describe(certificate)} expired on ${when}: issue a new one`;
  }
  return undefined;
}

type Role = "peer" | "crl-signer";

class ChainSearch {
  readonly #authorities: readonly Certificate[];
  readonly #helpers: readonly Certificate[];
  readonly #crls: readonly Crl[];
  readonly #request: ChainRequest;
  /** Those that the peer can make more of; CRLs are ours. */
  #signatures = 0;
  readonly #crlSigners = new Map<Crl, Map<Certificate, boolean>>();
  #paths = 0;
  /** Why the search went no further; the first one said is closest to the peer's own certificate. */
  #deadEnd: string | undefined;

  constructor(
    authorities: readonly Certificate[],
    helpers: readonly Certificate[],
    crls: readonly Crl[],
    request: ChainRequest,
  ) {
    this.#authorities = authorities;
    this.#helpers = helpers;
    this.#crls = crls;
    this.#request = request;
  }

  run(leaf: Certificate): ChainResult {
    const key = readPublicKeyInfo(leaf.spki);
    if (typeof key === "string")
      return { kind: "refused", why: `${describe(leaf)} is refused: ${key}: make a new key and certificate` };
    let why: string | undefined;
    for (const path of this.#pathsFrom([leaf])) {
      const problem = this.#pathProblem(path, "peer");
      // Whoever makes us verify too much must not get past a CRL that we then do not look at.
      if (this.#signatures > SIGNATURE_LIMIT) return { kind: "refused", why: TOO_MANY };
      if (problem === undefined) return { kind: "trusted", path };
      why ??= problem;
      if (++this.#paths >= PATHS_LIMIT) break;
    }
    return {
      kind: "refused",
      why: why ?? this.#deadEnd ?? `${describe(leaf)} leads to no trusted CA: add the CA that issued it`,
    };
  }

  /** Paths from a certificate up to a trusted CA, every signature verified. */
  *#pathsFrom(path: readonly Certificate[]): Generator<readonly Certificate[]> {
    const last = path[path.length - 1];
    if (last === undefined) return;
    if (this.#authorities.some((authority) => equalOctets(authority.der, last.der))) {
      yield path;
      return;
    }
    if (path.length >= PATH_LIMIT) {
      this.#deadEnd ??= `the chain of the peer's certificate is longer than ${PATH_LIMIT}: use a shorter one`;
      return;
    }
    const issuers = this.#issuersOf(last, path);
    if (issuers.length === 0) this.#deadEnd ??= unknownIssuer(last);
    for (const issuer of issuers) {
      if (++this.#signatures > SIGNATURE_LIMIT) {
        this.#deadEnd = TOO_MANY;
        return;
      }
      const problem = signatureProblem(last, issuer);
      if (problem === undefined) yield* this.#pathsFrom([...path, issuer]);
      else this.#deadEnd ??= problem;
    }
  }

  #issuersOf(certificate: Certificate, path: readonly Certificate[]): Certificate[] {
    const named = (candidate: Certificate) =>
      namesEqual(candidate.subject, certificate.issuer) &&
      // RFC 5280 §6.1: a certificate stands in a path once; the same name with the same key only lengthens it.
      !path.some((used) => equalOctets(used.spki, candidate.spki) && namesEqual(used.subject, candidate.subject));
    const trusted = this.#authorities.filter(named);
    const helpers = this.#helpers.filter(
      (helper) => named(helper) && !trusted.some((ca) => equalOctets(ca.der, helper.der)),
    );
    const keyId = certificate.authorityKeyId;
    const unlike = ({ subjectKeyId }: Certificate) =>
      keyId !== undefined && subjectKeyId !== undefined && !equalOctets(keyId, subjectKeyId) ? 1 : 0;
    return [...trusted, ...helpers].sort((a, b) => unlike(a) - unlike(b));
  }

  /** RFC 5280 §6.1.3–§6.1.5, from the trusted CA down; revocation at the end. */
  #pathProblem(path: readonly Certificate[], role: Role): string | undefined {
    const down = [...path].reverse();
    const constraints: NameConstraints[] = [];
    let policies = initialPolicies(down.length - 1);
    let room = Infinity;
    for (const [i, certificate] of down.entries()) {
      const last = i === down.length - 1;
      const selfIssued = namesEqual(certificate.subject, certificate.issuer);
      const problem = validityProblem(certificate, this.#request.now) ?? criticalProblem(certificate);
      if (problem !== undefined) return problem;
      if (!selfIssued || last) {
        const name = forbiddenName(constraints, certificate);
        if (name !== undefined)
          return `${describe(certificate)} has the name ${name}, which a CA above it may not sign (name constraints): issue one with another name`;
      }
      // RFC 5280 §6.1.1 (d): a trust anchor is no part of the path, so its policies do not count.
      if (i > 0) {
        const next = nextPolicies(policies, certificate, selfIssued, last);
        if (next === undefined)
          return `${describe(certificate)} has no certificate policy that the CAs above it allow: issue one with such a policy`;
        policies = next;
      }
      if (last) {
        const usage = role === "peer" ? ikeUsageProblem(certificate) : undefined;
        if (usage !== undefined) return `${describe(certificate)} ${usage}`;
        continue;
      }
      const authority = authorityProblem(certificate, i === 0);
      if (authority !== undefined) return authority;
      if (!selfIssued && i > 0 && --room < 0) {
        return `${describe(certificate)} makes the chain longer than a CA above it allows (pathLenConstraint): issue the certificate from a CA further up`;
      }
      if (i === 0 && certificate.pathLength !== undefined) room = certificate.pathLength;
      else if (certificate.pathLength !== undefined) room = Math.min(room, certificate.pathLength);
      if (certificate.nameConstraints !== undefined) constraints.push(certificate.nameConstraints);
    }
    return this.#revocationProblem(path, role);
  }

  #revocationProblem(path: readonly Certificate[], role: Role): string | undefined {
    for (const [i, certificate] of path.entries()) {
      const issuer = path[i + 1];
      if (issuer === undefined) break;
      const trusted = (crl: Crl) => this.#signs(issuer, crl) || (role === "peer" && this.#signedByAnother(crl, path));
      const status = revocationStatus(certificate, this.#crls, this.#request.now, trusted);
      if (status.kind === "revoked") {
        return `${describe(certificate)} was revoked on ${dateToString(status.at)}${reasonText(status.reason)}: issue a new one`;
      }
      const { revocation } = this.#request;
      const needed = role === "peer" && (revocation === "strict" || (revocation === "ifuri" && certificate.crlUri));
      if (status.kind === "unknown" && needed) {
        return `nobody can tell whether ${describe(certificate)} was revoked: ${status.why}; load a current CRL, or set revocation = relaxed`;
      }
    }
    return undefined;
  }

  #signs(issuer: Certificate, crl: Crl): boolean {
    // RFC 5280 §6.3.3 (f)
    if (issuer.keyUsage !== undefined && !issuer.keyUsage.has(KeyUsageBit.cRLSign)) return false;
    if (!namesEqual(issuer.subject, crl.issuer)) return false;
    const known = this.#crlSigners.get(crl) ?? new Map<Certificate, boolean>();
    this.#crlSigners.set(crl, known);
    const before = known.get(issuer);
    if (before !== undefined) return before;
    const signs = octetsProblem(issuer, crl.tbs, crl.signatureAlgorithm, crl.signature) === undefined;
    known.set(issuer, signs);
    return signs;
  }

  // A CA may sign CRLs with a key of its own for that, or with its new one (RFC 5280 §6.3.3 (f)): another certificate of
  // the same name that leads to the same trusted CA.
  #signedByAnother(crl: Crl, path: readonly Certificate[]): boolean {
    const anchor = path[path.length - 1];
    for (const candidate of this.#helpers) {
      if (!namesEqual(candidate.subject, crl.issuer)) continue;
      if (++this.#signatures > SIGNATURE_LIMIT) return false;
      if (!this.#signs(candidate, crl)) continue;
      for (const other of this.#pathsFrom([candidate])) {
        if (other[other.length - 1] === anchor && this.#pathProblem(other, "crl-signer") === undefined) return true;
      }
    }
    return false;
  }
}

function unknownIssuer(certificate: Certificate): string {
  const issuer = nameToString(certificate.issuer);
  if (namesEqual(certificate.issuer, certificate.subject)) {
    return `${describe(certificate)} is signed by itself and not trusted here: add it to the trusted CAs, or issue one from a CA that is`;
  }
  return `${describe(certificate)} was issued by ${issuer}, which is unknown here: add that CA to the trusted ones, or have the peer send what leads to one`;
}

function signatureProblem(certificate: Certificate, issuer: Certificate): string | undefined {
  const problem = octetsProblem(issuer, certificate.tbs, certificate.signatureAlgorithm, certificate.signature);
  if (problem === undefined) return undefined;
  if (problem === "forged") {
    return `${describe(certificate)} is not signed by the key of ${nameToString(issuer.subject)} that is known here: add the CA's own certificate with that key, or issue a new one`;
  }
  return problem.startsWith("its")
    ? `${describe(issuer)} is refused: ${problem}: make a new key and certificate`
    : `${describe(certificate)} is signed by ${problem}, which is not accepted: issue one signed with SHA-256 or better`;
}

/** "forged"; "its …" about the signer's key; or the name of an algorithm that is not accepted. */
function octetsProblem(
  signer: Certificate,
  octets: Uint8Array,
  identifier: Uint8Array,
  signature: Uint8Array,
): string | undefined {
  try {
    const algorithm = readSignatureAlgorithm(identifier);
    if (algorithm === undefined || algorithm.hash === SignatureHash.SHA1) return algorithmToString(identifier);
    const key = readPublicKeyInfo(signer.spki);
    if (typeof key === "string") return key;
    return signatureHolds(key, algorithm, octets, signature) ? undefined : "forged";
  } catch (error) {
    if (error instanceof DerError) return "an unknown algorithm";
    throw error;
  }
}

function criticalProblem(certificate: Certificate): string | undefined {
  const [oid] = certificate.unknownCritical;
  if (oid === undefined) return undefined;
  return `${describe(certificate)} has the critical extension ${oid}, which is not understood here: issue one without it`;
}

// RFC 5280 §6.1.4 (k), (n). A trusted CA may be as old as version 1, which cannot say that it is one.
function authorityProblem(certificate: Certificate, anchor: boolean): string | undefined {
  if (!certificate.ca && !(anchor && certificate.version < 3)) {
    return `${describe(certificate)} is that of no CA (basicConstraints) and cannot issue others: issue the certificate from a CA`;
  }
  if (certificate.keyUsage !== undefined && !certificate.keyUsage.has(KeyUsageBit.keyCertSign)) {
    return `${describe(certificate)} may not sign certificates (keyUsage without keyCertSign): issue the certificate from another CA`;
  }
  return undefined;
}

// RFC 5280 §5.3.1
const REASONS = [
  "",
  " (key compromised)",
  " (CA compromised)",
  " (affiliation changed)",
  " (superseded)",
  " (out of use)",
];

function reasonText(reason: number): string {
  return REASONS[reason] ?? (reason === 6 ? " (on hold)" : "");
}
