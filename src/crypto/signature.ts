/** Signatures of the AUTH payload: RFC 7296 §3.8 (RSA), RFC 4754 (ECDSA), RFC 7427 and RFC 8420 (digital signature). */
import { constants, createPublicKey, type KeyObject, sign } from "node:crypto";
import { DerError } from "#crypto/x509/der";
import { privateKeyObject } from "./key-object.ts";
import { joinOctets } from "./octets.ts";
import {
  algorithmToString,
  type Curve,
  derSignatureAlgorithm,
  hashName,
  hashOctets,
  type PublicKey,
  readPublicKeyInfo,
  readSignatureAlgorithm,
  type SignatureAlgorithm,
  SignatureHash,
  signatureHolds,
} from "./signature-algorithm.ts";

/** IKEv2 Authentication Method numbers that are signatures. */
export const SignatureMethod = {
  RSA_DIGITAL_SIGNATURE: 1,
  ECDSA_SHA_256_P256: 9,
  ECDSA_SHA_384_P384: 10,
  ECDSA_SHA_512_P521: 11,
  DIGITAL_SIGNATURE: 14,
} as const;

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
  /** Empty: the peer announced none (no RFC 7427). */
  readonly peerHashes: readonly number[];
  /** In order of preference; empty = by the key. */
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

interface EcdsaMethod {
  readonly method: number;
  readonly curve: Curve;
  readonly hash: number;
  /** r and s together. */
  readonly octets: number;
}
// RFC 4754 §7
const ECDSA_METHODS: readonly EcdsaMethod[] = [
  {
    method: SignatureMethod.ECDSA_SHA_256_P256,
    curve: "prime256v1",
    hash: SignatureHash.SHA2_256,
    octets: 64,
  },
  {
    method: SignatureMethod.ECDSA_SHA_384_P384,
    curve: "secp384r1",
    hash: SignatureHash.SHA2_384,
    octets: 96,
  },
  {
    method: SignatureMethod.ECDSA_SHA_512_P521,
    curve: "secp521r1",
    hash: SignatureHash.SHA2_512,
    octets: 132,
  },
];

/** Throws SignatureError when key, peer and configuration have no method in common. */
export function signAuth(request: SignRequest): AuthSignature {
  const { octets, peerHashes, ownHashes, rsaPss } = request;
  const { key, publicKey } = ownKey(request.pkcs8);
  if (peerHashes.length === 0) return signWithoutHashes(key, publicKey, octets, ownHashes);
  const algorithm = chooseAlgorithm(publicKey, peerHashes, ownHashes, rsaPss);
  const signature = makeSignature(key, algorithm, octets, "der");
  const identifier = derSignatureAlgorithm(algorithm);
  // RFC 7427 §3: length of the AlgorithmIdentifier, itself, the signature.
  const data = joinOctets([Uint8Array.of(identifier.length), identifier, signature]);
  return { method: SignatureMethod.DIGITAL_SIGNATURE, signature: data };
}

/** Throws SignatureError. `pkcs8` stays the caller's to wipe. */
export function ownKey(pkcs8: Uint8Array): { readonly key: KeyObject; readonly publicKey: PublicKey } {
  let key: KeyObject;
  let spki: Uint8Array;
  try {
    key = privateKeyObject(pkcs8, "pkcs8");
    spki = createPublicKey(key).export({ format: "der", type: "spki" });
  } catch {
    throw new SignatureError("our private key cannot be read; load it again");
  }
  const publicKey = readPublicKeyInfo(spki);
  if (typeof publicKey === "string") {
    throw new SignatureError(`our private key is refused: ${publicKey}; make a new key and certificate`);
  }
  return { key, publicKey };
}

// RFC 7296 §3.8 and RFC 4754: what peers without RFC 7427 know.
function signWithoutHashes(
  key: KeyObject,
  publicKey: PublicKey,
  octets: Uint8Array,
  ownHashes: readonly number[],
): AuthSignature {
  if (publicKey.kind === "ecdsa") {
    const row = ECDSA_METHODS.find(({ curve }) => curve === publicKey.curve);
    if (row !== undefined) {
      const { method, hash } = row;
      return { method, signature: makeSignature(key, { kind: "ecdsa", hash }, octets, "ieee-p1363") };
    }
  }
  if (publicKey.kind !== "rsa") {
    const name = publicKey.kind === "ed448" ? "Ed448" : "Ed25519";
    throw new SignatureError(
      `the peer announces no signature hash algorithms (RFC 7427), and our ${name} key needs them; update the peer or use an ECDSA key`,
    );
  }
  // RFC 7296 §3.8 says SHA-1 and nothing else is understood everywhere: only where it is configured by name.
  if (!ownHashes.includes(SignatureHash.SHA1)) {
    throw new SignatureError(
      "the peer announces no signature hash algorithms (RFC 7427), so RSA could only sign with SHA-1; update the peer, use an ECDSA key, or allow SHA-1 by name",
    );
  }
  const signature = makeSignature(key, { kind: "rsa", hash: SignatureHash.SHA1 }, octets, "der");
  return { method: SignatureMethod.RSA_DIGITAL_SIGNATURE, signature };
}

function chooseAlgorithm(
  key: PublicKey,
  peerHashes: readonly number[],
  ownHashes: readonly number[],
  rsaPss: boolean,
): SignatureAlgorithm {
  if (key.kind === "ed25519" || key.kind === "ed448") {
    if (peerHashes.includes(SignatureHash.IDENTITY)) return { kind: key.kind, hash: SignatureHash.IDENTITY };
    const name = key.kind === "ed448" ? "Ed448" : "Ed25519";
    throw new SignatureError(
      `the peer does not accept ${name} signatures (RFC 8420: it did not announce the hash IDENTITY); update the peer or use an ECDSA key`,
    );
  }
  const preferred = ownHashes.length > 0 ? ownHashes : hashesByKey(key);
  const hash = preferred.find((wanted) => peerHashes.includes(wanted) && hashName(wanted) !== undefined);
  if (hash === undefined) {
    throw new SignatureError(
      `no signature hash in common: ours ${hashList(preferred)}, the peer's ${hashList(peerHashes)}; allow one of the peer's`,
    );
  }
  if (key.kind === "ecdsa") return { kind: "ecdsa", hash };
  // RFC 7427 §4 asks for PSS support; its salt is as long as the hash (RFC 4055 §3.1).
  return rsaPss ? { kind: "rsa-pss", hash, saltLength: hashOctets(hash) } : { kind: "rsa", hash };
}

// As strong as the key first (RFC 5480 §4, NIST SP 800-57 part 1 table 2); SHA-1 never.
function hashesByKey(key: PublicKey): readonly number[] {
  const { SHA2_256, SHA2_384, SHA2_512 } = SignatureHash;
  const wide = (key.kind === "ecdsa" && key.curve === "secp521r1") || (key.kind === "rsa" && key.bits > 7680);
  const middle = (key.kind === "ecdsa" && key.curve === "secp384r1") || (key.kind === "rsa" && key.bits > 3072);
  if (wide) return [SHA2_512, SHA2_384, SHA2_256];
  return middle ? [SHA2_384, SHA2_512, SHA2_256] : [SHA2_256, SHA2_384, SHA2_512];
}

function hashList(hashes: readonly number[]): string {
  const name = (hash: number) =>
    hash === SignatureHash.IDENTITY ? "identity" : (hashName(hash) ?? `unknown ${hash}`).replace("sha", "SHA-");
  return hashes.map(name).join(", ");
}

function makeSignature(
  key: KeyObject,
  algorithm: SignatureAlgorithm,
  octets: Uint8Array,
  encoding: "der" | "ieee-p1363",
): Uint8Array {
  const name = hashName(algorithm.hash);
  switch (algorithm.kind) {
    case "rsa":
      return sign(name, octets, { key, padding: constants.RSA_PKCS1_PADDING });
    case "rsa-pss": {
      const { saltLength } = algorithm;
      return sign(name, octets, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
    }
    case "ecdsa":
      return sign(name, octets, { key, dsaEncoding: encoding });
    case "ed25519":
    case "ed448":
      return sign(null, octets, key);
    default:
      return algorithm satisfies never;
  }
}

/** What certificates and CRLs are signed by with this key (SubjectPublicKeyInfo DER). Throws SignatureError. */
export function signingAlgorithm(spki: Uint8Array): SignatureAlgorithm {
  const key = readPublicKeyInfo(spki);
  if (typeof key === "string") throw new SignatureError(`the key is refused: ${key}; make a new one`);
  return chooseAlgorithm(key, DEFAULT_HASHES, [], false);
}

/** A bare signature, ECDSA's in DER. Throws SignatureError. */
export function signOctets(pkcs8: Uint8Array, algorithm: SignatureAlgorithm, octets: Uint8Array): Uint8Array {
  return makeSignature(ownKey(pkcs8).key, algorithm, octets, "der");
}

/** Throws SignatureError when the signature does not hold or uses what is not accepted. */
export function verifyAuth(request: VerifyRequest): void {
  const key = readPublicKeyInfo(request.spki);
  if (typeof key === "string") {
    throw new SignatureError(`the peer's key is refused: ${key}; the peer needs a new key and certificate`);
  }
  const accepted = request.acceptedHashes.length > 0 ? request.acceptedHashes : DEFAULT_HASHES;
  const { algorithm, signature, encoding } = readAuth(request);
  if (!accepted.includes(algorithm.hash)) {
    const name = algorithmToString(derSignatureAlgorithm(algorithm));
    throw new SignatureError(
      `the peer signed by ${name}, which is not accepted here (${hashList(accepted)}); allow it by name or change the peer`,
    );
  }
  if (!signatureHolds(key, algorithm, request.octets, signature, encoding)) {
    throw new SignatureError(
      "the peer's signature does not hold: it has not the key of its certificate, or the messages were changed on the way",
    );
  }
}

interface ReadAuth {
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  readonly encoding: "der" | "ieee-p1363";
}

function readAuth({ method, signature }: AuthSignature): ReadAuth {
  if (method === SignatureMethod.DIGITAL_SIGNATURE) return readDigitalSignature(signature);
  if (method === SignatureMethod.RSA_DIGITAL_SIGNATURE) {
    return { algorithm: { kind: "rsa", hash: SignatureHash.SHA1 }, signature, encoding: "der" };
  }
  const row = ECDSA_METHODS.find((candidate) => candidate.method === method);
  if (row === undefined) {
    throw new SignatureError(
      `the peer used authentication method ${method}, which is no signature known here; use certificates with RSA, ECDSA or EdDSA keys`,
    );
  }
  if (signature.length !== row.octets) {
    throw new SignatureError(
      `the peer's ECDSA signature is ${signature.length} octets long instead of ${row.octets} (RFC 4754)`,
    );
  }
  return { algorithm: { kind: "ecdsa", hash: row.hash }, signature, encoding: "ieee-p1363" };
}

// RFC 7427 §3
function readDigitalSignature(data: Uint8Array): ReadAuth {
  const length = data[0] ?? 0;
  const identifier = data.subarray(1, 1 + length);
  if (length === 0 || identifier.length < length)
    throw new SignatureError("the peer's AUTH payload is malformed (RFC 7427 §3)");
  let algorithm: SignatureAlgorithm | undefined;
  try {
    algorithm = readSignatureAlgorithm(identifier);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new SignatureError(`the peer's AUTH payload is malformed (${error.message})`);
  }
  if (algorithm === undefined) {
    throw new SignatureError(
      `the peer signed by ${algorithmToString(identifier)}, which is not known here; use RSA, ECDSA, Ed25519 or Ed448 with SHA-2`,
    );
  }
  return { algorithm, signature: data.subarray(1 + length), encoding: "der" };
}
