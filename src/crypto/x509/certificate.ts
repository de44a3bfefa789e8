/** Certificates (RFC 5280 §4): DER to plain data. What a chain must fulfil stands in chain.ts. */
import {
  constructed,
  DerError,
  type DerReader,
  type DerValue,
  primitive,
  readBitOctets,
  readBoolean,
  readCount,
  readInteger,
  readNamedBits,
  readOid,
  readWhole,
  Tag,
  within,
} from "./der.ts";
import { type DistinguishedName, readName } from "./distinguished-name.ts";
import { type GeneralName, readGeneralName, readGeneralNames } from "./general-name.ts";
import { readTime } from "./time.ts";

export const ExtensionOid = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  cRLNumber: "2.5.29.20",
  reasonCode: "2.5.29.21",
  issuingDistributionPoint: "2.5.29.28",
  nameConstraints: "2.5.29.30",
  cRLDistributionPoints: "2.5.29.31",
  certificatePolicies: "2.5.29.32",
  policyMappings: "2.5.29.33",
  authorityKeyIdentifier: "2.5.29.35",
  policyConstraints: "2.5.29.36",
  extKeyUsage: "2.5.29.37",
  inhibitAnyPolicy: "2.5.29.54",
} as const;

/** Bits of keyUsage (RFC 5280 §4.2.1.3). */
export const KeyUsageBit = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  keyCertSign: 5,
  cRLSign: 6,
} as const;

export const ExtendedUsageOid = {
  any: "2.5.29.37.0",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  codeSigning: "1.3.6.1.5.5.7.3.3",
  ocspSigning: "1.3.6.1.5.5.7.3.9",
  ikeIntermediate: "1.3.6.1.5.5.8.2.2",
  ipsecIke: "1.3.6.1.5.5.7.3.17",
} as const;

export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

/** `undefined` and empty lists are extensions that are not there. */
export interface Certificate {
  readonly der: Uint8Array;
  readonly version: number;
  /** What is signed. */
  readonly tbs: Uint8Array;
  /** AlgorithmIdentifier DER. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  /** Two's complement. */
  readonly serial: Uint8Array;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  /** Epoch milliseconds; both inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly spki: Uint8Array;
  /** The public key's BIT STRING. */
  readonly keyOctets: Uint8Array;
  readonly authorityKeyId: Uint8Array | undefined;
  readonly subjectKeyId: Uint8Array | undefined;
  readonly keyUsage: ReadonlySet<number> | undefined;
  readonly extendedUsage: readonly string[] | undefined;
  readonly ca: boolean;
  readonly pathLength: number | undefined;
  readonly alternativeNames: readonly GeneralName[];
  readonly nameConstraints: NameConstraints | undefined;
  readonly policies: readonly string[] | undefined;
  /** Issuer's policy, subject's policy. */
  readonly policyMappings: readonly (readonly [string, string])[];
  readonly requireExplicitPolicy: number | undefined;
  readonly inhibitPolicyMapping: number | undefined;
  readonly inhibitAnyPolicy: number | undefined;
  /** GeneralNames' octets (full names of the points), and whether one is a URI. */
  readonly crlPoints: readonly Uint8Array[];
  readonly crlUri: boolean;
  /** OIDs of critical extensions that nobody here understands. */
  readonly unknownCritical: readonly string[];
}

const CERTIFICATE_LIMIT = 65_536;
const EXTENSION_LIMIT = 64;
const LIST_LIMIT = 512;

type Mutable = { -readonly [K in keyof Certificate]: Certificate[K] };

/** Throws DerError. */
export function parseCertificate(octets: Uint8Array): Certificate {
  if (octets.length > CERTIFICATE_LIMIT) throw new DerError(`certificate of ${octets.length} octets is too large`, 0);
  const outer = within(readWhole(octets, Tag.SEQUENCE, "certificate"));
  const tbs = outer.read(Tag.SEQUENCE, "tbsCertificate");
  const signatureAlgorithm = outer.read(Tag.SEQUENCE, "signatureAlgorithm").whole;
  const signature = readBitOctets(outer.read(Tag.BIT_STRING, "signatureValue"), "signatureValue");
  outer.end("certificate");

  const reader = within(tbs);
  const version = readVersion(reader);
  const serial = readInteger(reader.read(Tag.INTEGER, "serialNumber"), "serialNumber");
  const inner = reader.read(Tag.SEQUENCE, "signature");
  // RFC 5280 §4.1.1.2: both are the same.
  if (!sameOctets(inner.whole, signatureAlgorithm)) throw new DerError("signature algorithms differ", inner.offset);
  const issuer = readName(reader, "issuer");
  const validity = reader.sequence("validity");
  const notBefore = readTime(validity, "notBefore");
  const notAfter = readTime(validity, "notAfter");
  validity.end("validity");
  const subject = readName(reader, "subject");
  const spki = reader.read(Tag.SEQUENCE, "subjectPublicKeyInfo");
  const key = within(spki);
  key.read(Tag.SEQUENCE, "key algorithm");
  const keyOctets = readBitOctets(key.read(Tag.BIT_STRING, "subjectPublicKey"), "subjectPublicKey");
  key.end("subjectPublicKeyInfo");
  reader.optional(primitive(1), "issuerUniqueID");
  reader.optional(primitive(2), "subjectUniqueID");
  const certificate: Mutable = {
    der: octets,
    version,
    tbs: tbs.whole,
    signatureAlgorithm,
    signature,
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki: spki.whole,
    keyOctets,
    authorityKeyId: undefined,
    subjectKeyId: undefined,
    keyUsage: undefined,
    extendedUsage: undefined,
    ca: false,
    pathLength: undefined,
    alternativeNames: [],
    nameConstraints: undefined,
    policies: undefined,
    policyMappings: [],
    requireExplicitPolicy: undefined,
    inhibitPolicyMapping: undefined,
    inhibitAnyPolicy: undefined,
    crlPoints: [],
    crlUri: false,
    unknownCritical: [],
  };
  const extensions = reader.optional(constructed(3), "extensions");
  reader.end("tbsCertificate");
  if (extensions !== undefined) {
    if (version !== 3) throw new DerError("extensions in a certificate before version 3", extensions.offset);
    const unknown: string[] = [];
    for (const extension of readExtensions(extensions)) {
      if (!readExtension(certificate, extension) && extension.critical) unknown.push(extension.oid);
    }
    certificate.unknownCritical = unknown;
  }
  return certificate;
}

function readVersion(reader: DerReader): number {
  const value = reader.optional(constructed(0), "version");
  if (value === undefined) return 1;
  const inner = within(value);
  const version = readCount(inner.read(Tag.INTEGER, "version"), "version") + 1;
  inner.end("version");
  if (version > 3) throw new DerError("version is unknown", value.offset);
  return version;
}

export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  /** The OCTET STRING. */
  readonly value: DerValue;
}

/** Of certificates and CRLs: `[n] EXPLICIT Extensions`. A doubled one is refused (RFC 5280 §4.2). */
export function readExtensions(explicit: DerValue): Extension[] {
  const outer = within(explicit);
  const list = readExtensionList(outer.read(Tag.SEQUENCE, "extensions"));
  outer.end("extensions");
  return list;
}

/** `Extensions` themselves. */
export function readExtensionList(sequence: DerValue): Extension[] {
  const seen = new Set<string>();
  return within(sequence)
    .all("extensions", EXTENSION_LIMIT)
    .map((whole) => {
      if (whole.tag !== Tag.SEQUENCE) throw new DerError("extension is no SEQUENCE", whole.offset);
      const reader = within(whole);
      const oid = readOid(reader.read(Tag.OID, "extnID"), "extnID");
      if (seen.has(oid)) throw new DerError(`extension ${oid} stands there twice`, whole.offset);
      seen.add(oid);
      const flag = reader.optional(Tag.BOOLEAN, "critical");
      const critical = flag !== undefined && readBoolean(flag, "critical");
      const value = reader.read(Tag.OCTET_STRING, "extnValue");
      reader.end("extension");
      return { oid, critical, value };
    });
}

/** False when nobody here understands it. */
function readExtension(certificate: Mutable, extension: Extension): boolean {
  const reader = within(extension.value);
  switch (extension.oid) {
    case ExtensionOid.subjectKeyIdentifier:
      certificate.subjectKeyId = reader.read(Tag.OCTET_STRING, "subjectKeyIdentifier").content;
      break;
    case ExtensionOid.authorityKeyIdentifier:
      certificate.authorityKeyId = readAuthorityKeyId(reader);
      break;
    case ExtensionOid.keyUsage:
      certificate.keyUsage = readNamedBits(reader.read(Tag.BIT_STRING, "keyUsage"), "keyUsage");
      break;
    case ExtensionOid.extKeyUsage:
      certificate.extendedUsage = readOids(reader.sequence("extKeyUsage"), "extKeyUsage");
      break;
    case ExtensionOid.basicConstraints:
      readBasicConstraints(certificate, reader.sequence("basicConstraints"));
      break;
    case ExtensionOid.subjectAltName:
      certificate.alternativeNames = readGeneralNames(reader.sequence("subjectAltName"), "subjectAltName", LIST_LIMIT);
      break;
    case ExtensionOid.nameConstraints:
      certificate.nameConstraints = readNameConstraints(reader.sequence("nameConstraints"));
      break;
    case ExtensionOid.certificatePolicies:
      certificate.policies = reader
        .sequence("certificatePolicies")
        .all("certificatePolicies", LIST_LIMIT)
        .map((policy) => readOid(within(policy).read(Tag.OID, "policyIdentifier"), "policyIdentifier"));
      break;
    case ExtensionOid.policyMappings:
      certificate.policyMappings = readPolicyMappings(reader.sequence("policyMappings"));
      break;
    case ExtensionOid.policyConstraints: {
      const constraints = reader.sequence("policyConstraints");
      certificate.requireExplicitPolicy = optionalCount(constraints, 0, "requireExplicitPolicy");
      certificate.inhibitPolicyMapping = optionalCount(constraints, 1, "inhibitPolicyMapping");
      constraints.end("policyConstraints");
      break;
    }
    case ExtensionOid.inhibitAnyPolicy:
      certificate.inhibitAnyPolicy = readCount(reader.read(Tag.INTEGER, "inhibitAnyPolicy"), "inhibitAnyPolicy");
      break;
    case ExtensionOid.cRLDistributionPoints:
      readCrlPoints(certificate, reader.sequence("cRLDistributionPoints"));
      break;
    default:
      return false;
  }
  reader.end(`extension ${extension.oid}`);
  return true;
}

/** The key identifier alone. */
export function readAuthorityKeyId(reader: DerReader): Uint8Array | undefined {
  const sequence = reader.sequence("authorityKeyIdentifier");
  const id = sequence.optional(primitive(0), "keyIdentifier")?.content;
  sequence.all("authorityKeyIdentifier", 2);
  return id;
}

function readOids(reader: DerReader, field: string): string[] {
  return reader.all(field, LIST_LIMIT).map((value) => {
    if (value.tag !== Tag.OID) throw new DerError(`${field} has another type`, value.offset);
    return readOid(value, field);
  });
}

function readBasicConstraints(certificate: Mutable, reader: DerReader): void {
  const ca = reader.optional(Tag.BOOLEAN, "cA");
  certificate.ca = ca !== undefined && readBoolean(ca, "cA");
  const pathLength = reader.optional(Tag.INTEGER, "pathLenConstraint");
  if (pathLength !== undefined) certificate.pathLength = readCount(pathLength, "pathLenConstraint");
  reader.end("basicConstraints");
}

function readNameConstraints(reader: DerReader): NameConstraints {
  const permitted = readSubtrees(reader.optional(constructed(0), "permittedSubtrees"));
  const excluded = readSubtrees(reader.optional(constructed(1), "excludedSubtrees"));
  reader.end("nameConstraints");
  return { permitted, excluded };
}

function readSubtrees(value: DerValue | undefined): GeneralName[] {
  if (value === undefined) return [];
  return within(value)
    .all("subtrees", LIST_LIMIT)
    .map((subtree) => {
      const reader = within(subtree);
      const base = readGeneralName(reader.any("base"), "base");
      // RFC 5280 §4.2.1.10: minimum is 0 (so absent in DER) and maximum is absent.
      reader.end("subtree");
      return base;
    });
}

function readPolicyMappings(reader: DerReader): (readonly [string, string])[] {
  return reader.all("policyMappings", LIST_LIMIT).map((mapping) => {
    const pair = within(mapping);
    const issuer = readOid(pair.read(Tag.OID, "issuerDomainPolicy"), "issuerDomainPolicy");
    const subject = readOid(pair.read(Tag.OID, "subjectDomainPolicy"), "subjectDomainPolicy");
    pair.end("policyMapping");
    return [issuer, subject] as const;
  });
}

function optionalCount(reader: DerReader, number: number, field: string): number | undefined {
  const value = reader.optional(primitive(number), field);
  return value === undefined ? undefined : readCount(value, field);
}

function readCrlPoints(certificate: Mutable, reader: DerReader): void {
  const points: Uint8Array[] = [];
  for (const point of reader.all("cRLDistributionPoints", LIST_LIMIT)) {
    const name = within(point).optional(constructed(0), "distributionPoint");
    for (const full of name === undefined ? [] : readFullNames(name)) {
      points.push(full.whole);
      if (full.tag === primitive(6)) certificate.crlUri = true;
    }
  }
  certificate.crlPoints = points;
}

/** The full names of a DistributionPointName; one relative to the issuer is no name. */
export function readFullNames(value: DerValue): DerValue[] {
  const full = within(value).optional(constructed(0), "fullName");
  return full === undefined ? [] : within(full).all("fullName", LIST_LIMIT);
}

function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}
