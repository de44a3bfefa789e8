/** Reads requests for certificates: PKCS #10 (RFC 2986), PEM or DER. */
import type { Identity } from "#core/identity";
import { readPublicKeyInfo, readSignatureAlgorithm, signatureHolds } from "#crypto/signature-algorithm";
import { ExtensionOid, readExtensionList } from "./certificate.ts";
import { identitiesOfNames } from "./certificate-identity.ts";
import { EXTENSION_REQUEST } from "./certificate-maker.ts";
import { CredentialError } from "./credential-error.ts";
import { constructed, DerError, DerReader, readBitOctets, readOid, readWhole, Tag, within } from "./der.ts";
import { nameToString, readName } from "./distinguished-name.ts";
import { readGeneralNames } from "./general-name.ts";
import { decodePem } from "./pem.ts";

/** Attributes and names; more are refused. */
const LIMIT = 64;

export interface RequestedCertificate {
  /** "O=Example, CN=gw". */
  readonly subject: string;
  readonly spki: Uint8Array;
  readonly alternativeNames: readonly Identity[];
}

/** Throws CredentialError: it is none, or whoever made it does not have the key. */
export function readSigningRequest(octets: Uint8Array): RequestedCertificate {
  const block = decodePem(octets).find(({ label }) => /^(NEW )?CERTIFICATE REQUEST$/.test(label));
  try {
    return read(block?.octets ?? octets);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new CredentialError(
      `the file holds no request: ${error.message}`,
      "make one with: esplanade pki request NAME",
    );
  }
}

function read(octets: Uint8Array): RequestedCertificate {
  const outer = within(readWhole(octets, Tag.SEQUENCE, "request"));
  const info = outer.read(Tag.SEQUENCE, "certificationRequestInfo");
  const algorithm = outer.read(Tag.SEQUENCE, "signatureAlgorithm").whole;
  const signature = readBitOctets(outer.read(Tag.BIT_STRING, "signature"), "signature");
  outer.end("request");
  const reader = within(info);
  reader.read(Tag.INTEGER, "version");
  const subject = nameToString(readName(reader, "subject"));
  const spki = reader.read(Tag.SEQUENCE, "subjectPKInfo").whole;
  const attributes = reader.optional(constructed(0), "attributes");
  const known = readSignatureAlgorithm(algorithm);
  const key = readPublicKeyInfo(spki);
  if (typeof key === "string")
    throw new CredentialError(`the request is refused: ${key}`, "let its owner take another key");
  if (known === undefined || !signatureHolds(key, known, info.whole, signature))
    throw new CredentialError("the request is not signed with its own key", "let its owner make it again");
  const alternativeNames = attributes === undefined ? [] : within(attributes).all("attributes", LIMIT).flatMap(namesOf);
  return { subject, spki, alternativeNames };
}

function namesOf(attribute: ReturnType<DerReader["any"]>): Identity[] {
  const reader = within(attribute);
  if (readOid(reader.read(Tag.OID, "attribute"), "attribute") !== EXTENSION_REQUEST) return [];
  const values = within(reader.read(Tag.SET, "extension request"));
  const list = readExtensionList(values.read(Tag.SEQUENCE, "extensions"));
  const value = list.find(({ oid }) => oid === ExtensionOid.subjectAltName)?.value;
  return value === undefined
    ? []
    : identitiesOfNames(
        readGeneralNames(new DerReader(value.content).sequence("subjectAltName"), "subjectAltName", LIMIT),
      );
}
