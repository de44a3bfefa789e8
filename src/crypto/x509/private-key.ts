/** Keys and certificates from the octets of files, PEM or DER; private parts never become strings. */
import { createPublicKey, type KeyObject } from "node:crypto";
import type { PrivateKey } from "#core/connection";
import { privateKeyObject } from "#crypto/key-object";
import { equalOctets, wipe } from "#crypto/octets";
import { sha1 } from "#crypto/sha1";
import { readPublicKeyInfo } from "#crypto/signature-algorithm";
import { parseCertificate } from "./certificate.ts";
import { CredentialError } from "./credential-error.ts";
import { findRevocation, parseCrl } from "./crl.ts";
import { DerError, DerReader, der, derBitOctets, derOid, derSequence, readBitOctets, Tag } from "./der.ts";
import { decodePem } from "./pem.ts";

type KeyForm = "pkcs8" | "pkcs1" | "sec1";

const KEY_FORMS: ReadonlyMap<string, KeyForm> = new Map([
  ["PRIVATE KEY", "pkcs8"],
  ["RSA PRIVATE KEY", "pkcs1"],
  ["EC PRIVATE KEY", "sec1"],
]);
const RSA_ENCRYPTION = "1.2.840.113549.1.1.1";

/** PKCS #8, PKCS #1 or SEC 1, PEM or DER. Throws CredentialError. The caller wipes `octets`. */
export function readPrivateKey(octets: Uint8Array): PrivateKey {
  const blocks = decodePem(octets);
  try {
    const block = blocks.find(({ label }) => KEY_FORMS.has(label) || label === "ENCRYPTED PRIVATE KEY");
    const form = block === undefined ? derKeyForm(octets) : KEY_FORMS.get(block.label);
    if (block?.encrypted === true || (block !== undefined && form === undefined) || form === "encrypted") {
      throw new CredentialError(
        "the private key is encrypted, and nobody is there to type its password",
        "decrypt it once: openssl pkey -in key.pem -out plain.pem, and let only its owner read that file (chmod 600)",
      );
    }
    if (form === undefined) {
      const labels = blocks.map(({ label }) => label).join(", ");
      throw new CredentialError(
        `the file has no private key${labels === "" ? "" : ` but ${labels}`}`,
        "give a key as PKCS #8, PKCS #1 or SEC 1, PEM or DER",
      );
    }
    return privateKeyFrom(block?.octets ?? octets, form);
  } finally {
    wipe(...blocks.map((block) => block.octets));
  }
}

function derKeyForm(octets: Uint8Array): KeyForm | "encrypted" | undefined {
  try {
    const reader = new DerReader(octets).sequence("key");
    const first = reader.any("key");
    if (first.tag === Tag.SEQUENCE) {
      // EncryptedPrivateKeyInfo (RFC 5958 §3): algorithm, OCTET STRING; public keys end in a BIT STRING.
      return reader.tag === Tag.OCTET_STRING ? "encrypted" : undefined;
    }
    if (first.tag !== Tag.INTEGER) return undefined;
    if (reader.tag === Tag.SEQUENCE) return "pkcs8";
    return reader.tag === Tag.OCTET_STRING ? "sec1" : reader.tag === Tag.INTEGER ? "pkcs1" : undefined;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

function privateKeyFrom(octets: Uint8Array, form: KeyForm): PrivateKey {
  let key: KeyObject;
  try {
    key = privateKeyObject(octets, form);
  } catch {
    throw new CredentialError("the private key cannot be read", "give one that openssl pkey -check finds valid");
  }
  return privateKeyOf(key);
}

/** Throws CredentialError for a key that is too weak or of another kind. */
export function privateKeyOf(key: KeyObject): PrivateKey {
  const spki = new Uint8Array(createPublicKey(key).export({ format: "der", type: "spki" }));
  const publicKey = readPublicKeyInfo(spki);
  if (typeof publicKey === "string") {
    throw new CredentialError(`the private key is refused: ${publicKey}`, "make a new key and certificate");
  }
  const exported = key.export({ format: "der", type: "pkcs8" });
  const pkcs8 = new Uint8Array(exported);
  wipe(exported);
  return { algorithm: publicKey.kind, pkcs8, spki };
}

/** SubjectPublicKeyInfo DER of a public key or certificate (PEM or DER). Throws CredentialError. */
export function readPublicKey(octets: Uint8Array): Uint8Array {
  const blocks = decodePem(octets);
  const block = blocks.find(({ label }) => /^((RSA )?PUBLIC KEY|CERTIFICATE)$/.test(label));
  if (block === undefined && blocks.length > 0) throw noPublicKey();
  const found = block?.octets ?? octets;
  const spki = block?.label === "RSA PUBLIC KEY" ? rsaSpki(found) : (certificateKey(found) ?? found);
  const publicKey = readPublicKeyInfo(spki);
  if (typeof publicKey === "string") throw noPublicKey(publicKey);
  return Uint8Array.from(spki);
}

function noPublicKey(why?: string): CredentialError {
  return why === undefined || why.includes("malformed")
    ? new CredentialError("the file has no public key", "give SubjectPublicKeyInfo or a certificate, PEM or DER")
    : new CredentialError(`the public key is refused: ${why}`, "use another key");
}

function rsaSpki(pkcs1: Uint8Array): Uint8Array {
  return derSequence(derSequence(derOid(RSA_ENCRYPTION), der(Tag.NULL)), derBitOctets(pkcs1));
}

function certificateKey(octets: Uint8Array): Uint8Array | undefined {
  try {
    return parseCertificate(octets).spki;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** DER of each certificate in a file, PEM (one or more) or DER (one); each is one that can be read. Throws CredentialError. */
export function readCertificates(octets: Uint8Array): Uint8Array[] {
  return readAll(octets, /^(X509 |TRUSTED )?CERTIFICATE$/, "certificate", parseCertificate);
}

/** DER of each CRL in a file, PEM or DER; each is one that can be read. Throws CredentialError. */
export function readCrls(octets: Uint8Array): Uint8Array[] {
  return readAll(octets, /^X509 CRL$/, "CRL", (list) => findRevocation(parseCrl(list), new Uint8Array(0)));
}

function readAll(
  octets: Uint8Array,
  labels: RegExp,
  what: string,
  check: (octets: Uint8Array) => unknown,
): Uint8Array[] {
  const blocks = decodePem(octets);
  const found = blocks.filter(({ label }) => labels.test(label)).map((block) => block.octets);
  if (found.length === 0 && blocks.length > 0) {
    const labelList = blocks.map(({ label }) => label).join(", ");
    throw new CredentialError(`the file has no ${what} but ${labelList}`, `give a ${what} as PEM or DER`);
  }
  const list = blocks.length > 0 ? found : [Uint8Array.from(octets)];
  for (const [i, item] of list.entries()) {
    try {
      check(item);
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      const which = list.length > 1 ? `${what} ${i + 1} of the file` : `the ${what}`;
      throw new CredentialError(`${which} cannot be read (${error.message})`, `give a ${what} as PEM or DER`);
    }
  }
  return list;
}

/** SHA-1 of the subjectPublicKey's bits in hex (RFC 5280 §4.2.1.2, method 1): how vici names a key. */
export function keyIdOf(spki: Uint8Array): string {
  const info = new DerReader(spki).sequence("SubjectPublicKeyInfo");
  info.any("algorithm");
  const bits = readBitOctets(info.read(Tag.BIT_STRING, "subjectPublicKey"), "subjectPublicKey");
  return [...sha1([bits])].map((octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** Does this key belong to this certificate (DER)? */
export function keyFits(key: PrivateKey, certificate: Uint8Array): boolean {
  const spki = certificateKey(certificate);
  return spki !== undefined && equalOctets(key.spki, spki);
}
