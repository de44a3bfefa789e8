/** Certificate revocation lists (RFC 5280 §5): complete ones of one issuer; delta and indirect ones decide nothing. */
import { equalOctets } from "#crypto/octets";
import { ExtensionOid, readAuthorityKeyId, readExtensionList, readExtensions, readFullNames } from "./certificate.ts";
import {
  constructed,
  DerError,
  DerReader,
  type DerValue,
  primitive,
  readBitOctets,
  readBoolean,
  readCount,
  readInteger,
  readWhole,
  Tag,
  within,
} from "./der.ts";
import { type DistinguishedName, readName } from "./distinguished-name.ts";
import { readTime } from "./time.ts";

export interface Crl {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  readonly issuer: DistinguishedName;
  /** Epoch milliseconds. */
  readonly thisUpdate: number;
  readonly nextUpdate: number | undefined;
  readonly authorityKeyId: Uint8Array | undefined;
  /** Which certificates of the issuer it is about. */
  readonly scope: "all" | "users" | "authorities";
  /** Full names of its distribution point; empty = no point of its own. */
  readonly points: readonly Uint8Array[];
  /** It tells of every reason, and nothing in it is critical and unknown: what it does not list is good. */
  readonly complete: boolean;
  readonly entries: DerValue | undefined;
}

export interface Revocation {
  /** Epoch milliseconds. */
  readonly at: number;
  /** CRLReason (RFC 5280 §5.3.1); 0 where none is given. */
  readonly reason: number;
}

/** Entries are read by `findRevocation`. Throws DerError. */
export function parseCrl(octets: Uint8Array): Crl {
  const outer = within(readWhole(octets, Tag.SEQUENCE, "CRL"));
  const tbs = outer.read(Tag.SEQUENCE, "tbsCertList");
  const signatureAlgorithm = outer.read(Tag.SEQUENCE, "signatureAlgorithm").whole;
  const signature = readBitOctets(outer.read(Tag.BIT_STRING, "signatureValue"), "signatureValue");
  outer.end("CRL");

  const reader = within(tbs);
  const version = reader.optional(Tag.INTEGER, "version");
  if (version !== undefined && readCount(version, "version") !== 1)
    throw new DerError("version is unknown", version.offset);
  const inner = reader.read(Tag.SEQUENCE, "signature");
  // RFC 5280 §5.1.1.2: both are the same.
  if (!equalOctets(inner.whole, signatureAlgorithm)) throw new DerError("signature algorithms differ", inner.offset);
  const issuer = readName(reader, "issuer");
  const thisUpdate = readTime(reader, "thisUpdate");
  const hasNext = reader.tag === Tag.UTC_TIME || reader.tag === Tag.GENERALIZED_TIME;
  const nextUpdate = hasNext ? readTime(reader, "nextUpdate") : undefined;
  const entries = reader.optional(Tag.SEQUENCE, "revokedCertificates");
  const extensions = reader.optional(constructed(0), "crlExtensions");
  reader.end("tbsCertList");
  const head = { der: octets, tbs: tbs.whole, signatureAlgorithm, signature, issuer, thisUpdate, nextUpdate, entries };
  return { ...head, ...readCrlExtensions(extensions) };
}

type CrlExtensions = Pick<Crl, "authorityKeyId" | "scope" | "points" | "complete">;

function readCrlExtensions(explicit: DerValue | undefined): CrlExtensions {
  let authorityKeyId: Uint8Array | undefined;
  let point: Omit<CrlExtensions, "authorityKeyId"> = { scope: "all", points: [], complete: true };
  let unknown = false;
  for (const { oid, critical, value } of explicit === undefined ? [] : readExtensions(explicit)) {
    if (oid === ExtensionOid.authorityKeyIdentifier) authorityKeyId = readAuthorityKeyId(within(value));
    else if (oid === ExtensionOid.issuingDistributionPoint) point = readPoint(within(value));
    // RFC 5280 §5.2: an unknown critical one (deltas have such) leaves what is not listed open.
    else if (oid !== ExtensionOid.cRLNumber) unknown ||= critical;
  }
  return { ...point, authorityKeyId, complete: point.complete && !unknown };
}

// RFC 5280 §5.2.5
function readPoint(outer: DerReader): Omit<CrlExtensions, "authorityKeyId"> {
  const reader = outer.sequence("issuingDistributionPoint");
  const flag = (number: number) => {
    const value = reader.optional(primitive(number), "issuingDistributionPoint");
    return value !== undefined && readBoolean(value, "issuingDistributionPoint");
  };
  const name = reader.optional(constructed(0), "distributionPoint");
  const points = name === undefined ? [] : readFullNames(name).map((full) => full.whole);
  const users = flag(1);
  const authorities = flag(2);
  const someReasons = reader.optional(primitive(3), "onlySomeReasons") !== undefined;
  const indirect = flag(4);
  const attributes = flag(5);
  reader.end("issuingDistributionPoint");
  const relative = name !== undefined && points.length === 0;
  const complete = !someReasons && !indirect && !attributes && !relative && !(users && authorities);
  return { scope: users ? "users" : authorities ? "authorities" : "all", points, complete };
}

/** What the CRL says of a serial number; `unclear` when an entry before it has critical parts nobody here understands. */
export function findRevocation(crl: Crl, serial: Uint8Array): Revocation | "unclear" | undefined {
  if (crl.entries === undefined) return undefined;
  const reader = new DerReader(crl.entries.content, crl.entries.offset);
  let unclear = false;
  while (reader.tag !== undefined) {
    const entry = reader.sequence("revokedCertificate");
    const number = readInteger(entry.read(Tag.INTEGER, "userCertificate"), "userCertificate");
    const at = readTime(entry, "revocationDate");
    const list = entry.optional(Tag.SEQUENCE, "crlEntryExtensions");
    entry.end("revokedCertificate");
    let reason = 0;
    for (const { oid, critical, value } of list === undefined ? [] : readExtensionList(list)) {
      if (oid === ExtensionOid.reasonCode) {
        reason = readCount(within(value).read(Tag.ENUMERATED, "reasonCode"), "reasonCode");
      } else {
        // RFC 5280 §5.3: a certificate issuer, say; whose serial number it is cannot be told.
        unclear ||= critical;
      }
    }
    if (equalOctets(number, serial)) return { at, reason };
  }
  return unclear ? "unclear" : undefined;
}
