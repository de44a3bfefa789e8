/** Signatures by AlgorithmIdentifier: those of certificates, CRLs and RFC 7427 (its appendix A has the octets). */
import { constants, type KeyObject, verify } from "node:crypto";
import {
  constructed,
  DerError,
  type DerReader,
  der,
  derCount,
  derOid,
  derSequence,
  readBitOctets,
  readCount,
  readInteger,
  readOid,
  readWhole,
  Tag,
  within,
} from "#crypto/x509/der";
import { publicKeyObject } from "./key-object.ts";

/** IKEv2 Hash Algorithms (RFC 7427 §4, RFC 8420 §2). */
export const SignatureHash = { SHA1: 1, SHA2_256: 2, SHA2_384: 3, SHA2_512: 4, IDENTITY: 5 } as const;

/** `hash` is a SignatureHash; `saltLength` in octets. */
export type SignatureAlgorithm =
  | { readonly kind: "rsa" | "ecdsa"; readonly hash: number }
  | { readonly kind: "rsa-pss"; readonly hash: number; readonly saltLength: number }
  | { readonly kind: "ed25519" | "ed448"; readonly hash: typeof SignatureHash.IDENTITY };

interface HashRow {
  readonly hash: number;
  readonly name: string;
  readonly octets: number;
  readonly oid: string;
  readonly rsa: string;
  readonly ecdsa: string;
}
const HASHES: readonly HashRow[] = [
  {
    hash: SignatureHash.SHA1,
    name: "sha1",
    octets: 20,
    oid: "1.3.14.3.2.26",
    rsa: "1.2.840.113549.1.1.5",
    ecdsa: "1.2.840.10045.4.1",
  },
  {
    hash: SignatureHash.SHA2_256,
    name: "sha256",
    octets: 32,
    oid: "2.16.840.1.101.3.4.2.1",
    rsa: "1.2.840.113549.1.1.11",
    ecdsa: "1.2.840.10045.4.3.2",
  },
  {
    hash: SignatureHash.SHA2_384,
    name: "sha384",
    octets: 48,
    oid: "2.16.840.1.101.3.4.2.2",
    rsa: "1.2.840.113549.1.1.12",
    ecdsa: "1.2.840.10045.4.3.3",
  },
  {
    hash: SignatureHash.SHA2_512,
    name: "sha512",
    octets: 64,
    oid: "2.16.840.1.101.3.4.2.3",
    rsa: "1.2.840.113549.1.1.13",
    ecdsa: "1.2.840.10045.4.3.4",
  },
];
const RSASSA_PSS = "1.2.840.113549.1.1.10";
const MGF1 = "1.2.840.113549.1.1.8";
const ED25519 = "1.3.101.112";
const ED448 = "1.3.101.113";
const MD5_WITH_RSA: ReadonlySet<string> = new Set(["1.2.840.113549.1.1.2", "1.2.840.113549.1.1.4"]);
const NULL_VALUE = der(Tag.NULL);

function rowOf(hash: number): HashRow | undefined {
  return HASHES.find((row) => row.hash === hash);
}

/** "sha256", as node:crypto calls it; undefined for IDENTITY. */
export function hashName(hash: number): string | undefined {
  return rowOf(hash)?.name;
}

export function hashOctets(hash: number): number {
  return rowOf(hash)?.octets ?? 0;
}

/** Undefined when it is none of ours: MD5, DSA, other curves, PSS with two different hashes. Throws DerError. */
export function readSignatureAlgorithm(octets: Uint8Array): SignatureAlgorithm | undefined {
  const reader = within(readWhole(octets, Tag.SEQUENCE, "signature algorithm"));
  const oid = readOid(reader.read(Tag.OID, "signature algorithm"), "signature algorithm");
  if (oid === RSASSA_PSS) {
    const parameters = reader.sequence("RSASSA-PSS parameters");
    reader.end("signature algorithm");
    return readPss(parameters);
  }
  const rsa = HASHES.find((row) => row.rsa === oid);
  if (rsa !== undefined) {
    // RFC 4055 §5: NULL; absent is to be accepted.
    const nothing = reader.optional(Tag.NULL, "parameters");
    if (nothing !== undefined && nothing.content.length > 0) throw new DerError("parameters are no NULL", 0);
    reader.end("signature algorithm");
    return { kind: "rsa", hash: rsa.hash };
  }
  const ecdsa = HASHES.find((row) => row.ecdsa === oid);
  const edwards = oid === ED25519 ? "ed25519" : oid === ED448 ? "ed448" : undefined;
  if (ecdsa === undefined && edwards === undefined) return undefined;
  // RFC 5758 §3.2, RFC 8410 §3: parameters are absent.
  reader.end("signature algorithm");
  if (edwards !== undefined) return { kind: edwards, hash: SignatureHash.IDENTITY };
  return ecdsa === undefined ? undefined : { kind: "ecdsa", hash: ecdsa.hash };
}

// RFC 4055 §3.1; what is absent is SHA-1, MGF1 with SHA-1, 20 octets of salt, trailer 1.
function readPss(reader: DerReader): SignatureAlgorithm | undefined {
  const hash = readPssHash(reader.optional(constructed(0), "hashAlgorithm")?.content);
  const mask = reader.optional(constructed(1), "maskGenAlgorithm")?.content;
  const salt = reader.optional(constructed(2), "saltLength")?.content;
  const trailer = reader.optional(constructed(3), "trailerField")?.content;
  reader.end("RSASSA-PSS parameters");
  let maskHash: number | undefined = SignatureHash.SHA1;
  if (mask !== undefined) {
    const inner = within(readWhole(mask, Tag.SEQUENCE, "maskGenAlgorithm"));
    if (readOid(inner.read(Tag.OID, "maskGenAlgorithm"), "maskGenAlgorithm") !== MGF1) return undefined;
    maskHash = readPssHash(inner.any("MGF1 hash").whole);
    inner.end("maskGenAlgorithm");
  }
  const count = (octets: Uint8Array | undefined, absent: number, field: string) =>
    octets === undefined ? absent : readCount(readWhole(octets, Tag.INTEGER, field), field);
  const saltLength = count(salt, 20, "saltLength");
  if (count(trailer, 1, "trailerField") !== 1 || saltLength > 512) return undefined;
  // node:crypto has one hash for both; RFC 4055 §3.1 recommends the same.
  return hash === undefined || hash !== maskHash ? undefined : { kind: "rsa-pss", hash, saltLength };
}

function readPssHash(octets: Uint8Array | undefined): number | undefined {
  if (octets === undefined) return SignatureHash.SHA1;
  const reader = within(readWhole(octets, Tag.SEQUENCE, "hash algorithm"));
  const oid = readOid(reader.read(Tag.OID, "hash algorithm"), "hash algorithm");
  reader.optional(Tag.NULL, "parameters");
  reader.end("hash algorithm");
  return HASHES.find((row) => row.oid === oid)?.hash;
}

/** AlgorithmIdentifier DER (RFC 7427 appendix A, RFC 8420 appendix A). */
export function derSignatureAlgorithm(algorithm: SignatureAlgorithm): Uint8Array {
  switch (algorithm.kind) {
    case "rsa":
      return derSequence(derOid(rowOf(algorithm.hash)?.rsa ?? ""), NULL_VALUE);
    case "rsa-pss": {
      const hash = derSequence(derOid(rowOf(algorithm.hash)?.oid ?? ""), NULL_VALUE);
      return derSequence(
        derOid(RSASSA_PSS),
        derSequence(
          der(constructed(0), hash),
          der(constructed(1), derSequence(derOid(MGF1), hash)),
          der(constructed(2), derCount(algorithm.saltLength)),
        ),
      );
    }
    case "ecdsa":
      return derSequence(derOid(rowOf(algorithm.hash)?.ecdsa ?? ""));
    case "ed25519":
      return derSequence(derOid(ED25519));
    case "ed448":
      return derSequence(derOid(ED448));
    default:
      return algorithm satisfies never;
  }
}

/** "RSA with SHA-256", "an unknown algorithm": for messages; never throws. */
export function algorithmToString(octets: Uint8Array): string {
  try {
    const algorithm = readSignatureAlgorithm(octets);
    if (algorithm === undefined) {
      const oid = readOid(within(readWhole(octets, Tag.SEQUENCE, "algorithm")).read(Tag.OID, "algorithm"), "algorithm");
      return MD5_WITH_RSA.has(oid) ? "RSA with MD5 or MD2" : `algorithm ${oid}`;
    }
    if (algorithm.kind === "ed25519" || algorithm.kind === "ed448")
      return algorithm.kind === "ed448" ? "Ed448" : "Ed25519";
    const name = algorithm.kind === "ecdsa" ? "ECDSA" : algorithm.kind === "rsa" ? "RSA" : "RSA-PSS";
    return `${name} with ${hashName(algorithm.hash)?.replace("sha", "SHA-")}`;
  } catch (error) {
    if (error instanceof DerError) return "an unknown algorithm";
    throw error;
  }
}

/** A public key whose strength was looked at. */
export type PublicKey =
  | { readonly kind: "rsa"; readonly key: KeyObject; readonly bits: number }
  | { readonly kind: "ecdsa"; readonly key: KeyObject; readonly curve: Curve }
  | { readonly kind: "ed25519" | "ed448"; readonly key: KeyObject };

export type Curve = "prime256v1" | "secp384r1" | "secp521r1";
const CURVES: ReadonlyMap<string, Curve> = new Map([
  ["prime256v1", "prime256v1"],
  ["secp384r1", "secp384r1"],
  ["secp521r1", "secp521r1"],
]);
const RSA_LEAST_BITS = 2048;
// Above, one verification takes many milliseconds, and a peer chooses how many there are.
const RSA_MOST_BITS = 8192;
const RSA_LEAST_EXPONENT = 65537n;
const RSA_ENCRYPTION = "1.2.840.113549.1.1.1";

/** From SubjectPublicKeyInfo DER; a string says why it is refused. Never throws. */
export function readPublicKeyInfo(spki: Uint8Array): PublicKey | string {
  try {
    const outer = within(readWhole(spki, Tag.SEQUENCE, "public key"));
    const algorithm = within(outer.read(Tag.SEQUENCE, "key algorithm"));
    const octets = readBitOctets(outer.read(Tag.BIT_STRING, "subjectPublicKey"), "subjectPublicKey");
    outer.end("public key");
    const oid = readOid(algorithm.read(Tag.OID, "key algorithm"), "key algorithm");
    // The size is looked at before OpenSSL sees it.
    const bits = oid === RSA_ENCRYPTION ? readRsaBits(octets) : 0;
    if (typeof bits === "string") return bits;
    const key = publicKeyObject(spki);
    return keyOf(key, bits);
  } catch (error) {
    return error instanceof DerError ? `its public key is malformed (${error.message})` : "its public key is malformed";
  }
}

// RFC 8017 §3.1; NIST SP 800-56B §6.2: e is odd, larger than 2^16 and smaller than 2^256.
function readRsaBits(octets: Uint8Array): number | string {
  const reader = within(readWhole(octets, Tag.SEQUENCE, "RSA key"));
  const modulus = readInteger(reader.read(Tag.INTEGER, "modulus"), "modulus");
  const exponent = readInteger(reader.read(Tag.INTEGER, "exponent"), "exponent");
  reader.end("RSA key");
  const start = modulus[0] === 0 ? 1 : 0;
  const bits = (modulus.length - start) * 8 - Math.clz32(modulus[start] ?? 0) + 24;
  if ((modulus[0] ?? 0) >= 0x80) return "its RSA key is malformed";
  if (bits < RSA_LEAST_BITS) return `its RSA key has ${bits} bits, fewer than ${RSA_LEAST_BITS}`;
  if (bits > RSA_MOST_BITS) return `its RSA key has ${bits} bits, more than ${RSA_MOST_BITS}`;
  const value = exponent.length > 32 ? 0n : exponent.reduce((number, octet) => number * 256n + BigInt(octet), 0n);
  if (value < RSA_LEAST_EXPONENT || (value & 1n) === 0n || (exponent[0] ?? 0) >= 0x80) {
    return `its RSA key's public exponent is ${exponent.length > 4 ? "unusual" : value}, not 65537`;
  }
  return bits;
}

function keyOf(key: KeyObject, bits: number): PublicKey | string {
  switch (key.asymmetricKeyType) {
    case "rsa":
      return { kind: "rsa", key, bits };
    case "ec": {
      const name = key.asymmetricKeyDetails?.namedCurve;
      const curve = CURVES.get(name ?? "");
      return curve === undefined
        ? `its key is on the curve ${name}, not on P-256, P-384 or P-521`
        : { kind: "ecdsa", key, curve };
    }
    case "ed25519":
    case "ed448":
      return { kind: key.asymmetricKeyType, key };
    default:
      return `its key is of the type ${key.asymmetricKeyType}, not RSA, ECDSA, Ed25519 or Ed448`;
  }
}

/** `encoding` of ECDSA: "der", or r and s behind each other (RFC 4754). Never throws. */
export function signatureHolds(
  key: PublicKey,
  algorithm: SignatureAlgorithm,
  octets: Uint8Array,
  signature: Uint8Array,
  encoding: "der" | "ieee-p1363" = "der",
): boolean {
  if (key.kind !== (algorithm.kind === "rsa-pss" ? "rsa" : algorithm.kind)) return false;
  const name = hashName(algorithm.hash);
  try {
    switch (algorithm.kind) {
      case "rsa":
        return verify(name, octets, { key: key.key, padding: constants.RSA_PKCS1_PADDING }, signature);
      case "rsa-pss": {
        const { saltLength } = algorithm;
        return verify(name, octets, { key: key.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature);
      }
      case "ecdsa":
        return verify(name, octets, { key: key.key, dsaEncoding: encoding }, signature);
      case "ed25519":
      case "ed448":
        return verify(null, octets, key.key, signature);
      default:
        return algorithm satisfies never;
    }
  } catch {
    // OpenSSL's way of saying that the octets are no signature at all.
    return false;
  }
}
