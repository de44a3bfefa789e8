/** Signatures of the AUTH payload: RFC 7296 §3.8 (RSA), RFC 4754 (ECDSA), RFC 7427 and RFC 8420 (digital signature). */
import { assert } from "#core/errors";

/** IKEv2 Authentication Method numbers that are signatures. */
export const SignatureMethod = {
  RSA_DIGITAL_SIGNATURE: 1,
  ECDSA_SHA_256_P256: 9,
  ECDSA_SHA_384_P384: 10,
  ECDSA_SHA_512_P521: 11,
  DIGITAL_SIGNATURE: 14,
} as const;

/** IKEv2 Hash Algorithms (RFC 7427 §4, RFC 8420 §2). */
export const SignatureHash = { SHA1: 1, SHA2_256: 2, SHA2_384: 3, SHA2_512: 4, IDENTITY: 5 } as const;

/** What is announced and accepted where nothing else is configured: no SHA-1. */
export const DEFAULT_HASHES: readonly number[] = [
  SignatureHash.SHA2_256,
  SignatureHash.SHA2_384,
  SignatureHash.SHA2_512,
  SignatureHash.IDENTITY,
];

/** A signature cannot be made, or does not hold; the message is one line for people. */
export class SignatureError extends Error {
  readonly code = "SIGNATURE";
}

export interface SignRequest {
  /** PKCS #8 DER; the caller wipes it. */
  readonly pkcs8: Uint8Array;
  readonly octets: Uint8Array;
  readonly peerHashes: readonly number[];
  readonly ownHashes: readonly number[];
  readonly rsaPss: boolean;
}

export interface AuthSignature {
  readonly method: number;
  /** The AUTH payload's data after method and reserved octets. */
  readonly signature: Uint8Array;
}

export interface VerifyRequest extends AuthSignature {
  readonly octets: Uint8Array;
  /** SubjectPublicKeyInfo DER. */
  readonly spki: Uint8Array;
  /** Empty = DEFAULT_HASHES. */
  readonly acceptedHashes: readonly number[];
}

/** Throws SignatureError when key, peer and configuration have no method in common. */
export function signAuth(request: SignRequest): AuthSignature {
  assert(request.octets.length < 0, "not here yet");
  return { method: 0, signature: request.octets };
}

/** Throws SignatureError when the signature does not hold or uses what is not accepted. */
export function verifyAuth(request: VerifyRequest): void {
  assert(request.octets.length < 0, "not here yet");
}
