/** Signatures of IKEv1's SIG payload over HASH_I or HASH_R: RSA as RFC 2409 §5.1 has it, ECDSA by RFC 4754. */
import { constants, privateEncrypt, publicDecrypt } from "node:crypto";
import { publicKeyObject } from "./key-object.ts";
import { equalOctets } from "./octets.ts";
import { ownKey, SignatureError, SignatureMethod, signAuth, verifyAuth } from "./signature.ts";
import { readPublicKeyInfo } from "./signature-algorithm.ts";

/** RFC 2409 appendix A; those of ECDSA are 9, 10, 11 in both versions (RFC 4754 §7). */
export const RSA_SIGNATURES = 3;

export interface HashToSign {
  /** PKCS #8 DER; the caller wipes it. */
  readonly pkcs8: Uint8Array;
  /** IKEv1's Authentication Method. */
  readonly method: number;
  readonly hash: Uint8Array;
}

/** The SIG payload's data. Throws SignatureError where the key is not the method's. */
export function signHash({ pkcs8, method, hash }: HashToSign): Uint8Array {
  const { key, publicKey } = ownKey(pkcs8);
  if (method === RSA_SIGNATURES && publicKey.kind === "rsa")
    // RFC 2409 §5.1: PKCS #1 encoded, and no OID of a hash in it.
    return new Uint8Array(privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, hash));
  if (method !== RSA_SIGNATURES && publicKey.kind === "ecdsa") {
    const made = signAuth({ pkcs8, octets: hash, peerHashes: [], ownHashes: [], rsaPss: false });
    if (made.method === method) return made.signature;
  }
  throw new SignatureError(otherKey(method));
}

function otherKey(method: number): string {
  return `our private key is none for authentication method ${method} of IKEv1 (3 RSA, 9 P-256, 10 P-384, 11 P-521); load the key of local.certs, or propose another method`;
}

/** Throws SignatureError where it does not hold. */
export function verifyHash(request: {
  readonly method: number;
  readonly signature: Uint8Array;
  readonly hash: Uint8Array;
  /** SubjectPublicKeyInfo DER. */
  readonly spki: Uint8Array;
  /** Of ECDSA; empty = the usual ones. */
  readonly acceptedHashes: readonly number[];
}): void {
  const { method, signature, hash, spki, acceptedHashes } = request;
  if (method !== RSA_SIGNATURES) {
    // Numbers that are something else in IKEv2 are no signature of IKEv1.
    const known =
      method >= SignatureMethod.ECDSA_SHA_256_P256 && method <= SignatureMethod.ECDSA_SHA_512_P521 ? method : 0;
    verifyAuth({ method: known, signature, octets: hash, spki, acceptedHashes });
    return;
  }
  const key = readPublicKeyInfo(spki);
  if (typeof key === "string")
    throw new SignatureError(`the peer's key is refused: ${key}; the peer needs a new key and certificate`);
  if (key.kind !== "rsa")
    throw new SignatureError("the peer signed by RSA, and its certificate has another key; have it propose ECDSA");
  if (!equalOctets(recovered(spki, signature), hash))
    throw new SignatureError(
      "the peer's signature does not hold: it has not the key of its certificate, or the messages were changed on the way",
    );
}

/** What was signed, behind padding that OpenSSL checked; nothing where that was wrong. */
function recovered(spki: Uint8Array, signature: Uint8Array): Uint8Array {
  try {
    return new Uint8Array(
      publicDecrypt({ key: publicKeyObject(spki), padding: constants.RSA_PKCS1_PADDING }, signature),
    );
  } catch {
    return new Uint8Array(0);
  }
}
