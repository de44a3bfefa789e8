/**
 * ECDSA of IKEv1 (RFC 4754 §3, §7): HASH_I or HASH_R is the digest itself, r and s stand side by side. node:crypto hashes
 * whatever it signs, so this is @noble's.
 */
import { p256, p384, p521 } from "@noble/curves/nist.js";
import { wipe } from "./octets.ts";
import { SignatureMethod } from "./signature.ts";
import type { Curve } from "./signature-algorithm.ts";
import { DerReader, readBitOctets, readWhole, Tag, within } from "./x509/der.ts";

const CURVES = { prime256v1: p256, secp384r1: p384, secp521r1: p521 } as const;

// RFC 4754 §7: the number says the curve. Any s is good, as FIPS 186-4 has it.
const METHODS: ReadonlyMap<number, Curve> = new Map([
  [SignatureMethod.ECDSA_SHA_256_P256, "prime256v1"],
  [SignatureMethod.ECDSA_SHA_384_P384, "secp384r1"],
  [SignatureMethod.ECDSA_SHA_512_P521, "secp521r1"],
]);
const AS_IT_IS = { prehash: false, lowS: false } as const;

/** undefined: no method of ECDSA. */
export function curveOfMethod(method: number): Curve | undefined {
  return METHODS.get(method);
}

/** `pkcs8`: DER of a key on this curve; stays the caller's to wipe. */
export function signDigest(curve: Curve, pkcs8: Uint8Array, digest: Uint8Array): Uint8Array {
  const scalar = scalarOf(curve, pkcs8);
  try {
    return CURVES[curve].sign(digest, scalar, AS_IT_IS);
  } finally {
    wipe(scalar);
  }
}

/** `spki`: DER of a key on this curve. False also for what is no signature. */
export function digestHolds(curve: Curve, spki: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  const outer = within(readWhole(spki, Tag.SEQUENCE, "public key"));
  outer.read(Tag.SEQUENCE, "key algorithm");
  const point = readBitOctets(outer.read(Tag.BIT_STRING, "subjectPublicKey"), "subjectPublicKey");
  const { verify, lengths } = CURVES[curve];
  if (signature.length !== lengths.signature) return false;
  try {
    return verify(signature, digest, point, AS_IT_IS);
  } catch {
    return false;
  }
}

/** RFC 5208 §5 around RFC 5915 §3; as long as the curve's order. */
function scalarOf(curve: Curve, pkcs8: Uint8Array): Uint8Array {
  const info = within(readWhole(pkcs8, Tag.SEQUENCE, "private key"));
  info.read(Tag.INTEGER, "version");
  info.read(Tag.SEQUENCE, "key algorithm");
  const { content } = info.read(Tag.OCTET_STRING, "private key");
  const key = new DerReader(content).sequence("EC private key");
  key.read(Tag.INTEGER, "version");
  const given = key.read(Tag.OCTET_STRING, "private key").content;
  const scalar = new Uint8Array(CURVES[curve].lengths.secretKey ?? given.length);
  // Some write it shorter, without zeros in front, or longer, with more of them.
  scalar.set(given.subarray(Math.max(0, given.length - scalar.length)), Math.max(0, scalar.length - given.length));
  return scalar;
}
