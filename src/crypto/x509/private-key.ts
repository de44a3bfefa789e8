/** Keys and certificates from the octets of files, PEM or DER; private parts never become strings. */
import type { PrivateKey } from "#core/connection";
import { CredentialError } from "./credential-error.ts";

/** PKCS #8, PKCS #1 or SEC 1, PEM or DER. Throws CredentialError. The caller wipes `octets`. */
export function readPrivateKey(octets: Uint8Array): PrivateKey {
  throw new CredentialError(`${octets.length} octets are no private key`, "give PEM or DER");
}

/** SubjectPublicKeyInfo DER of a public key (PEM or DER). Throws CredentialError. */
export function readPublicKey(octets: Uint8Array): Uint8Array {
  throw new CredentialError(`${octets.length} octets are no public key`, "give PEM or DER");
}

/** DER of each certificate in a file, PEM (one or more) or DER (one); each is one that can be read. Throws CredentialError. */
export function readCertificates(octets: Uint8Array): Uint8Array[] {
  throw new CredentialError(`${octets.length} octets are no certificate`, "give PEM or DER");
}

/** DER of each CRL in a file, PEM or DER. Throws CredentialError. */
export function readCrls(octets: Uint8Array): Uint8Array[] {
  throw new CredentialError(`${octets.length} octets are no CRL`, "give PEM or DER");
}

/** Does this key belong to this certificate (DER)? */
export function keyFits(key: PrivateKey, certificate: Uint8Array): boolean {
  return key.spki === certificate;
}
