/** Makes keys, authorities, certificates and CRLs: for the demo, for tests, and for operators without a PKI. */
import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import type { PrivateKey } from "#core/connection";
import { type Identity, IdType } from "#core/identity";
import type { RandomSource } from "#core/ports";
import { identityToString } from "#crypto/identity";
import { signingAlgorithm, signOctets } from "#crypto/signature";
import { derSignatureAlgorithm } from "#crypto/signature-algorithm";
import { type Certificate, ExtendedUsageOid, ExtensionOid, KeyUsageBit, parseCertificate } from "./certificate.ts";
import { CredentialError } from "./credential-error.ts";
import {
  constructed,
  der,
  derBitOctets,
  derBoolean,
  derCount,
  derInteger,
  derNamedBits,
  derOid,
  derSequence,
  primitive,
  readBitOctets,
  readWhole,
  Tag,
  within,
} from "./der.ts";
import { nameFromText } from "./distinguished-name.ts";
import { privateKeyOf } from "./private-key.ts";
import { derTime } from "./time.ts";

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

/** PKCS #9 (RFC 2985 §5.4.2). */
export const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const KEY_USAGE_CA: readonly KeyUsage[] = ["keyCertSign", "cRLSign"];

/** A fresh key; RSA takes long (up to seconds). */
export function makeKey(kind: KeyKind): PrivateKey {
  return privateKeyOf(generate(kind));
}

function generate(kind: KeyKind): KeyObject {
  switch (kind) {
    case "rsa2048":
    case "rsa3072":
    case "rsa4096":
      return generateKeyPairSync("rsa", { modulusLength: Number(kind.slice(3)) }).privateKey;
    case "ecdsa256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    case "ecdsa384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
    case "ecdsa521":
      return generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey;
    case "ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    case "ed448":
      return generateKeyPairSync("ed448").privateKey;
    default:
      return kind satisfies never;
  }
}

/** DER of a CA certificate. Throws CredentialError for a subject that is none. */
export function makeAuthority(request: AuthorityRequest): Uint8Array {
  const { key, issuer, pathLength } = request;
  const limit = pathLength === undefined ? [] : [derCount(pathLength)];
  return makeSigned({
    ...request,
    spki: key.spki,
    signer: issuer?.key ?? key,
    issuerCertificate: issuer?.certificate,
    extensions: [
      extension(ExtensionOid.basicConstraints, true, derSequence(derBoolean(true), ...limit)),
      keyUsageExtension(KEY_USAGE_CA),
    ],
  });
}

/** DER of an end entity's certificate. Throws CredentialError for names that are none. */
export function makeCertificate(request: CertificateRequest): Uint8Array {
  const { issuer, alternativeNames, keyUsage = ["digitalSignature"], extendedUsage = [], crlUris = [] } = request;
  const extensions = [extension(ExtensionOid.basicConstraints, true, derSequence()), keyUsageExtension(keyUsage)];
  if (extendedUsage.length > 0) {
    const oids = extendedUsage.map((usage) => derOid(ExtendedUsageOid[usage]));
    extensions.push(extension(ExtensionOid.extKeyUsage, false, derSequence(...oids)));
  }
  if (alternativeNames.length > 0) extensions.push(alternativeNamesExtension(alternativeNames));
  if (crlUris.length > 0) {
    const points = crlUris.map((uri) =>
      derSequence(der(constructed(0), der(constructed(0), der(primitive(6), new TextEncoder().encode(uri))))),
    );
    extensions.push(extension(ExtensionOid.cRLDistributionPoints, false, derSequence(...points)));
  }
  return makeSigned({ ...request, signer: issuer.key, issuerCertificate: issuer.certificate, extensions });
}

/** PKCS #10 (RFC 2986): what somebody with a key asks an authority for. */
export interface SigningRequest {
  readonly key: PrivateKey;
  readonly subject: string;
  readonly alternativeNames: readonly Identity[];
}

/** DER of a request. Throws CredentialError for names that are none. */
export function makeSigningRequest({ key, subject, alternativeNames }: SigningRequest): Uint8Array {
  const extensions = alternativeNames.length === 0 ? [] : [alternativeNamesExtension(alternativeNames)];
  // RFC 2985 §5.4.2
  const attribute = derSequence(derOid(EXTENSION_REQUEST), der(Tag.SET, derSequence(...extensions)));
  const attributes = extensions.length === 0 ? [] : [attribute];
  const info = [derCount(0), subjectDer(subject), key.spki, der(constructed(0), ...attributes)];
  return signed(key, () => derSequence(...info));
}

interface Signing {
  readonly subject: string;
  readonly spki: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly random: RandomSource;
  readonly signer: PrivateKey;
  /** undefined = signs itself. */
  readonly issuerCertificate: Uint8Array | undefined;
  readonly extensions: readonly Uint8Array[];
}

function makeSigned(request: Signing): Uint8Array {
  const subject = subjectDer(request.subject);
  const issuer = request.issuerCertificate === undefined ? undefined : parseCertificate(request.issuerCertificate);
  const keyId = keyIdentifier(request.spki);
  const extensions = [
    ...request.extensions,
    extension(ExtensionOid.subjectKeyIdentifier, false, der(Tag.OCTET_STRING, keyId)),
    authorityExtension(issuer, keyId),
  ];
  return signed(request.signer, (algorithm) =>
    derSequence(
      der(constructed(0), derCount(2)),
      derInteger(serialNumber(request.random)),
      algorithm,
      issuer?.subject.der ?? subject,
      derSequence(derTime(request.notBefore), derTime(request.notAfter)),
      subject,
      request.spki,
      der(constructed(3), derSequence(...extensions)),
    ),
  );
}

function subjectDer(text: string): Uint8Array {
  const subject = nameFromText(text);
  if (subject === undefined)
    throw new CredentialError(`"${text}" is no distinguished name`, 'write it as "C=CH, O=Example, CN=gw"');
  return subject;
}

function alternativeNamesExtension(names: readonly Identity[]): Uint8Array {
  return extension(ExtensionOid.subjectAltName, false, derSequence(...names.map(generalName)));
}

/** DER of a CRL of everything the issuer signed. */
export function makeCrl(request: CrlRequest): Uint8Array {
  const issuer = parseCertificate(request.issuer.certificate);
  const entries = request.revoked.map(({ certificate, at }) =>
    derSequence(der(Tag.INTEGER, parseCertificate(certificate).serial), derTime(at)),
  );
  const extensions = [
    authorityExtension(issuer, keyIdentifier(issuer.spki)),
    extension(ExtensionOid.cRLNumber, false, derCount(request.number)),
  ];
  return signed(request.issuer.key, (algorithm) =>
    derSequence(
      derCount(1),
      algorithm,
      issuer.subject.der,
      derTime(request.thisUpdate),
      derTime(request.nextUpdate),
      // RFC 5280 §5.1.2.6: absent where nothing is revoked.
      ...(entries.length > 0 ? [derSequence(...entries)] : []),
      der(constructed(0), derSequence(...extensions)),
    ),
  );
}

// The algorithm stands inside and outside of what is signed (RFC 5280 §4.1.1.2), so it is chosen first.
function signed(key: PrivateKey, body: (algorithm: Uint8Array) => Uint8Array): Uint8Array {
  const algorithm = signingAlgorithm(key.spki);
  const tbs = body(derSignatureAlgorithm(algorithm));
  return derSequence(tbs, derSignatureAlgorithm(algorithm), derBitOctets(signOctets(key.pkcs8, algorithm, tbs)));
}

function extension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  return derSequence(derOid(oid), ...(critical ? [derBoolean(true)] : []), der(Tag.OCTET_STRING, value));
}

function keyUsageExtension(usages: readonly KeyUsage[]): Uint8Array {
  return extension(ExtensionOid.keyUsage, true, derNamedBits(usages.map((usage) => KeyUsageBit[usage])));
}

function authorityExtension(issuer: Certificate | undefined, ownKeyId: Uint8Array): Uint8Array {
  const keyId = issuer === undefined ? ownKeyId : (issuer.subjectKeyId ?? keyIdentifier(issuer.spki));
  return extension(ExtensionOid.authorityKeyIdentifier, false, derSequence(der(primitive(0), keyId)));
}

// RFC 7093 §2 (1): the leftmost 160 bits of SHA-256 of the key's BIT STRING.
function keyIdentifier(spki: Uint8Array): Uint8Array {
  const reader = within(readWhole(spki, Tag.SEQUENCE, "public key"));
  reader.read(Tag.SEQUENCE, "key algorithm");
  const key = readBitOctets(reader.read(Tag.BIT_STRING, "key"), "key");
  return new Uint8Array(createHash("sha256").update(key).digest()).slice(0, 20);
}

// RFC 5280 §4.1.2.2: positive, at most 20 octets.
function serialNumber(random: RandomSource): Uint8Array {
  const serial = new Uint8Array(16);
  random.fill(serial);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

const NAME_TAGS: ReadonlyMap<number, number> = new Map([
  [IdType.ID_RFC822_ADDR, 1],
  [IdType.ID_FQDN, 2],
  [IdType.ID_IPV4_ADDR, 7],
  [IdType.ID_IPV6_ADDR, 7],
]);

function generalName(identity: Identity): Uint8Array {
  const number = NAME_TAGS.get(identity.type);
  if (number !== undefined) return der(primitive(number), identity.data);
  throw new CredentialError(
    `${identityToString(identity)} is no subjectAltName`,
    "give a host name, an e-mail address or an IP address",
  );
}
