/** Signatures of IKEv1's SIG payload over HASH_I or HASH_R: RSA as RFC 2409 §5.1 has it, ECDSA by RFC 4754. */
import { constants, privateEncrypt, publicDecrypt } from "node:crypto";
import { curveOfMethod, digestHolds, signDigest } from "./isakmp-ecdsa.ts";
import { publicKeyObject } from "./key-object.ts";
import { equalOctets } from "./octets.ts";
import { ownKey, SignatureError } from "./signature.ts";
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
  const curve = curveOfMethod(method);
  if (curve !== undefined && publicKey.kind === "ecdsa" && publicKey.curve === curve)
    return signDigest(curve, pkcs8, hash);
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
}): void {
  const { method, signature, hash, spki } = request;
  const key = readPublicKeyInfo(spki);
  if (typeof key === "string")
    throw new SignatureError(`the peer's key is refused: ${key}; the peer needs a new key and certificate`);
  const curve = curveOfMethod(method);
  if (method === RSA_SIGNATURES ? key.kind !== "rsa" : key.kind !== "ecdsa" || key.curve !== curve)
    throw new SignatureError(
      `the key of the peer's certificate is none for authentication method ${method} of IKEv1 (3 RSA, 9 P-256, 10 P-384, 11 P-521); have it propose the method of its key`,
    );
  const holds =
    curve === undefined ? equalOctets(recovered(spki, signature), hash) : digestHolds(curve, spki, hash, signature);
  if (!holds)
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
