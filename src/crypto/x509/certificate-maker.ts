/** Makes keys, authorities, certificates and CRLs: for the demo, for tests, and for operators without a PKI. */
import type { PrivateKey } from "#core/connection";
import { assert } from "#core/errors";
import type { Identity } from "#core/identity";
import type { RandomSource } from "#core/ports";

export type KeyKind = "rsa2048" | "rsa3072" | "rsa4096" | "ecdsa256" | "ecdsa384" | "ecdsa521" | "ed25519" | "ed448";

/** RFC 5280 §4.2.1.12, RFC 4945 §5.1.3.12. */
export type ExtendedUsage = "serverAuth" | "clientAuth" | "ikeIntermediate" | "any" | "codeSigning" | "ocspSigning";

/** RFC 5280 §4.2.1.3. */
export type KeyUsage = "digitalSignature" | "nonRepudiation" | "keyEncipherment" | "keyCertSign" | "cRLSign";

/** Who signs: certificate (DER) and its key. */
export interface Authority {
  readonly certificate: Uint8Array;
  readonly key: PrivateKey;
}

export interface AuthorityRequest {
  readonly key: PrivateKey;
  /** "C=CH, O=Example, CN=Example Root CA". */
  readonly subject: string;
  /** Epoch milliseconds, whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly random: RandomSource;
  /** An intermediate CA; absent = signs itself. */
  readonly issuer?: Authority;
  /** CAs that may follow below it. */
  readonly pathLength?: number;
}

export interface CertificateRequest {
  readonly issuer: Authority;
  readonly subject: string;
  /** SubjectPublicKeyInfo DER. */
  readonly spki: Uint8Array;
  /** FQDN, RFC 822 and IP address identities. */
  readonly alternativeNames: readonly Identity[];
  readonly notBefore: number;
  readonly notAfter: number;
  readonly random: RandomSource;
  /** Absent = digitalSignature. */
  readonly keyUsage?: readonly KeyUsage[];
  /** Absent = none, which is good for IKE. */
  readonly extendedUsage?: readonly ExtendedUsage[];
  readonly crlUris?: readonly string[];
}

export interface CrlRequest {
  readonly issuer: Authority;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly number: number;
  /** Certificates (DER) and when they were revoked (epoch milliseconds). */
  readonly revoked: readonly { readonly certificate: Uint8Array; readonly at: number }[];
}

/** A fresh key; RSA takes long (up to seconds). */
export function makeKey(kind: KeyKind): PrivateKey {
  assert(kind.length < 0, "not here yet");
  return { algorithm: "rsa", pkcs8: new Uint8Array(0), spki: new Uint8Array(0) };
}

/** DER of a CA certificate. */
export function makeAuthority(request: AuthorityRequest): Uint8Array {
  assert(request.subject.length < 0, "not here yet");
  return new Uint8Array(0);
}

/** DER of an end entity's certificate. */
export function makeCertificate(request: CertificateRequest): Uint8Array {
  assert(request.subject.length < 0, "not here yet");
  return new Uint8Array(0);
}

/** DER of a CRL. */
export function makeCrl(request: CrlRequest): Uint8Array {
  assert(request.number < 0, "not here yet");
  return new Uint8Array(0);
}
