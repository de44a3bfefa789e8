/** Sections `local*` and `remote*`: how each side proves who it is. */
import type { LocalAuthentication, RemoteAuthentication } from "#core/connection";
import type { Identity } from "#core/identity";
import { nearest } from "#core/nearest";
import { identityToString, readIdentity } from "#crypto/identity";
import { SignatureHash } from "#crypto/signature-algorithm";
import { parseCertificate } from "#crypto/x509/certificate";
import { certificateProves, namesText } from "#crypto/x509/certificate-identity";
import { keyFits } from "#crypto/x509/private-key";
import type { CredentialDirectory, CredentialFiles } from "./credential-files.ts";
import type { Findings } from "./findings.ts";
import type { Section } from "./inherit.ts";
import type { SchemaName } from "./schema.ts";
import { SectionReader } from "./section-reader.ts";
import type { Place } from "./source.ts";

interface Method {
  readonly method: "psk" | "signature" | "any";
  readonly hashes: readonly number[];
  readonly rsaPss: boolean;
}

/** A side's round of authentication with the place it was read from. */
export interface PlacedAuthentication<T> {
  readonly authentication: T;
  readonly place: Place;
}

const HASHES: ReadonlyMap<string, number> = new Map([
  ["sha1", SignatureHash.SHA1],
  ["sha256", SignatureHash.SHA2_256],
  ["sha384", SignatureHash.SHA2_384],
  ["sha512", SignatureHash.SHA2_512],
  ["identity", SignatureHash.IDENTITY],
]);
const KEY_WORDS: ReadonlySet<string> = new Set(["pubkey", "rsa", "ecdsa", "ed25519", "ed448", "pss"]);
const PUBKEY: Method = { method: "signature", hashes: [], rsaPss: false };
const EXAMPLE = "choose psk, pubkey or for example pubkey-sha384-sha256";

export function readLocal(
  connection: SectionReader,
  files: CredentialFiles,
): PlacedAuthentication<LocalAuthentication> | undefined {
  const reader = onlyRound(connection, "local");
  const { method, hashes, rsaPss } = reader === undefined ? PUBKEY : readMethod(reader);
  const place = reader?.place ?? connection.place;
  if (method === "any") {
    reader?.wrong("auth", "we must know how to prove who we are", EXAMPLE);
    return undefined;
  }
  const identity = reader === undefined ? undefined : identityOf(reader);
  const named = reader === undefined ? [] : certificatesOf(reader, "certs", "cert*", "x509", files);
  const namesOne = reader?.has("certs") === true || (reader?.sections("cert*").length ?? 0) > 0;
  const found = method === "signature" && !namesOne ? files.ownCertificate(identity) : undefined;
  const certificates = found === undefined ? named : [found];
  if (reader?.has("pubkeys") === true)
    reader.warn("pubkeys", "'pubkeys' is known, has no effect here", "our own raw keys are not there yet: give certs");
  if (method === "psk" && certificates.length > 0)
    reader?.warn("certs", "certificates have no effect with auth = psk", "say auth = pubkey, or remove certs");
  if (method === "signature") {
    checkKey(connection, reader, certificates, files);
    checkIdentity(connection, reader, identity, certificates);
  }
  return { authentication: { method, identity, certificates, hashes, rsaPss }, place };
}

export function readRemote(
  connection: SectionReader,
  files: CredentialFiles,
): PlacedAuthentication<RemoteAuthentication> {
  const reader = onlyRound(connection, "remote");
  if (reader === undefined)
    return {
      place: connection.place,
      authentication: {
        method: "signature",
        identity: undefined,
        certificates: [],
        authorities: [],
        publicKeys: [],
        hashes: [],
        revocation: "relaxed",
      },
    };
  const { method, hashes } = readMethod(reader);
  const authentication: RemoteAuthentication = {
    method,
    identity: identityOf(reader),
    certificates: certificatesOf(reader, "certs", "cert*", "x509", files),
    authorities: certificatesOf(reader, "cacerts", "cacert*", "x509ca", files),
    publicKeys: reader.list("pubkeys").flatMap(({ text, place }) => files.publicKey(text, place) ?? []),
    hashes,
    revocation: reader.choice("revocation", ["relaxed", "ifuri", "strict"], "relaxed"),
  };
  return { authentication, place: reader.place };
}

/** Sections by their `round`; a second round (RFC 4739) is refused rather than left out. */
function onlyRound(connection: SectionReader, side: "local" | "remote"): SectionReader | undefined {
  const schema: SchemaName = side;
  const rounds = connection.sections(`${side}*`).map((section) => {
    const reader = new SectionReader(section, schema, `${section.name} of ${connection.title}`, connection.findings);
    return { reader, order: reader.integer("round", { minimum: 0, maximum: 255 }, 0) };
  });
  const [first, second] = rounds.toSorted((a, b) => a.order - b.order);
  if (second !== undefined)
    connection.findings.error(
      second.reader.place,
      `a second round of authentication is not there yet (RFC 4739)`,
      `keep one ${side} section`,
    );
  return first?.reader;
}

function identityOf(reader: SectionReader): Identity | undefined {
  const text = reader.text("id");
  if (text === undefined) return undefined;
  const read = readIdentity(text);
  if (read.kind === "wrong") reader.wrong("id", read.problem, read.remedy);
  return read.kind === "identity" ? read.identity : undefined;
}

function certificatesOf(
  reader: SectionReader,
  key: string,
  pattern: string,
  directory: CredentialDirectory,
  files: CredentialFiles,
): Uint8Array[] {
  const named = reader.list(key).flatMap(({ text, place }) => files.certificates(directory, text, place));
  const inSections = reader
    .sections(pattern)
    .flatMap((section) => certificateOf(section, directory, files, reader.findings));
  return [...named, ...inSections];
}

/** `cert1 { file = … }`. */
function certificateOf(
  section: Section,
  directory: CredentialDirectory,
  files: CredentialFiles,
  findings: Findings,
): readonly Uint8Array[] {
  const reader = new SectionReader(section, "certificate", `'${section.name}'`, findings);
  const file = reader.text("file");
  if (file !== undefined) return files.certificates(directory, file, reader.placeOfValue("file"));
  findings.error(section.place, `'${section.name}' names no file`, "add file = NAME");
  return [];
}

function checkKey(
  connection: SectionReader,
  reader: SectionReader | undefined,
  certificates: readonly Uint8Array[],
  files: CredentialFiles,
): void {
  const [own] = certificates;
  const namesOne = reader?.has("certs") === true || (reader?.sections("cert*").length ?? 0) > 0;
  const place = reader?.placeOfValue("certs") ?? connection.place;
  if (own === undefined) {
    // A file that could not be read has its complaint already.
    if (!namesOne)
      connection.findings.missing(
        reader?.place ?? connection.place,
        `no certificate to prove who we are in ${connection.title}`,
        "add local.certs = NAME with the file in x509/, or say auth = psk",
      );
  } else if (!files.keys.some((key) => keyFits(key, own)))
    connection.findings.missing(
      place,
      `no private key fits the certificate of ${connection.title}`,
      "put its key into private/ beside the configuration",
    );
}

/** RFC 4945 §3.1: the peer looks for our identity in our certificate. */
function checkIdentity(
  connection: SectionReader,
  reader: SectionReader | undefined,
  identity: Identity | undefined,
  certificates: readonly Uint8Array[],
): void {
  const [own] = certificates;
  if (reader === undefined || identity === undefined || own === undefined) return;
  const certificate = parseCertificate(own);
  if (!certificateProves(certificate, identity))
    reader.warn(
      "id",
      `the certificate of ${connection.title} does not say '${identityToString(identity)}': ${namesText(certificate)}`,
      "remove id to take the certificate's subject, or take one of its names",
    );
}

/** `psk`, `pubkey-sha256`, `ike:rsa/pss-sha384`, `rsa-2048-sha256`, …; `pubkey` where the key is absent. */
function readMethod(reader: SectionReader): Method {
  const items = reader.list("auth");
  const text = items.map((item) => item.text).join(",");
  if (text === "") return PUBKEY;
  if (text === "psk" || text === "any") return { method: text, hashes: [], rsaPss: false };
  if (/^(eap|xauth|ttls|peap)/.test(text)) {
    reader.wrong("auth", `'${text}' is not there yet`, "choose psk or pubkey");
    return PUBKEY;
  }
  if (/^(kerberos|krb5?|gss(-?api)?)$/.test(text)) {
    reader.wrong("auth", `Kerberos ('${text}') is not there yet (docs/requirements.md S42)`, "choose psk or pubkey");
    return PUBKEY;
  }
  const schemes = text.split(/[,+]|-(?=ike:)/);
  // With `ike:` in front of some, the others are for certificates alone.
  const forIke = schemes.filter((scheme) => scheme.startsWith("ike:"));
  const words = (forIke.length > 0 ? forIke : schemes).flatMap((scheme) => scheme.replace(/^ike:/, "").split(/[-/]/));
  for (const word of schemes.flatMap((scheme) => scheme.replace(/^ike:/, "").split(/[-/]/))) checkWord(reader, word);
  const isConstraint = (word: string) => HASHES.has(word) || /^\d+$/.test(word);
  const chains = schemes.filter((scheme) => !scheme.startsWith("ike:")).flatMap((scheme) => scheme.split("-"));
  if (reader.name.startsWith("remote") && chains.some(isConstraint))
    reader.warn(
      "auth",
      "hashes bind the peer's signature alone here, not its certificates, and key sizes are not checked",
      "say so with ike:, for example ike:pubkey-sha256",
    );
  return {
    method: "signature",
    hashes: words.flatMap((word) => HASHES.get(word) ?? []),
    rsaPss: words.includes("pss"),
  };
}

function checkWord(reader: SectionReader, word: string): void {
  if (KEY_WORDS.has(word) || HASHES.has(word) || /^\d{3,5}$/.test(word)) return;
  const meant = nearest(word, ["psk", ...KEY_WORDS, ...HASHES.keys()]);
  reader.wrong(
    "auth",
    `'${word}' is no way to authenticate`,
    meant === undefined ? EXAMPLE : `did you mean '${meant}'?`,
  );
}
