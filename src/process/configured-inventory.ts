/** What is configured, in words: subjects of certificates, identities, names of algorithms. */
import { createHash } from "node:crypto";
import type { Connection } from "#core/connection";
import type {
  AlgorithmInventory,
  CertificateInventory,
  ConnectionInventory,
  Inventory,
  RoundInventory,
} from "#core/inventory";
import type { RunningConfiguration } from "#core/operator";
import { identityToString } from "#crypto/identity";
import { KEY_EXCHANGES } from "#crypto/key-exchange";
import { PRFS } from "#crypto/prf";
import { ENCRYPTION_TRANSFORMS, INTEGRITY_TRANSFORMS } from "#crypto/transforms";
import { type Certificate, parseCertificate } from "#crypto/x509/certificate";
import { CredentialError } from "#crypto/x509/credential-error";
import { parseCrl } from "#crypto/x509/crl";
import { DerError } from "#crypto/x509/der";
import { nameToString } from "#crypto/x509/distinguished-name";
import { readCertificates } from "#crypto/x509/private-key";

const NONE: readonly Connection[] = [];
const UNREADABLE = "a certificate that cannot be read";

export class ConfiguredInventory implements Inventory {
  readonly algorithms: AlgorithmInventory = {
    encryption: ENCRYPTION_TRANSFORMS.filter(({ aead }) => !aead).map(({ name }) => name),
    aead: ENCRYPTION_TRANSFORMS.filter(({ aead }) => aead).map(({ name }) => name),
    integrity: INTEGRITY_TRANSFORMS.map(({ name }) => name),
    prf: PRFS.map(({ name }) => name),
    keyExchange: KEY_EXCHANGES.map(({ name }) => name),
  };
  readonly #configuration: RunningConfiguration;
  #shown: { readonly of: readonly Connection[]; readonly connections: readonly ConnectionInventory[] } | undefined;

  constructor(configuration: RunningConfiguration) {
    this.#configuration = configuration;
  }

  /** Certificates are read once a configuration: every command of vici that names a connection looks here. */
  connections(): readonly ConnectionInventory[] {
    const of = this.#connections;
    if (this.#shown?.of !== of) this.#shown = { of, connections: of.map(inventoryOf) };
    return this.#shown.connections;
  }

  certificates(): readonly CertificateInventory[] {
    const { credentials } = this.#configuration.current().ike ?? {};
    const keys = new Set(this.#configuration.store.names("keys"));
    const own = this.#connections.flatMap(({ local }) => local.certificates.slice(0, 1));
    const others = this.#connections.flatMap(({ local, remote }) => [
      ...local.certificates,
      ...remote.certificates,
      ...remote.authorities,
    ]);
    const ownHex = new Set(own.map(hexOf));
    const certificates = [...others, ...(credentials?.intermediates ?? []), ...(credentials?.authorities ?? [])];
    return [
      ...distinct(certificates).map((der): CertificateInventory => {
        const parsed = readCertificate(der);
        const hasKey = ownHex.has(hexOf(der)) || (parsed !== undefined && keys.has(keyId(parsed)));
        return { kind: "certificate", der, ca: parsed?.ca ?? false, hasKey, subject: subjectOf(parsed) };
      }),
      ...distinct(credentials?.crls ?? []).map((der): CertificateInventory => {
        return { kind: "crl", der, ca: false, hasKey: false, subject: issuerOf(der) };
      }),
      ...distinct(this.#connections.flatMap(({ remote }) => remote.publicKeys)).map((der): CertificateInventory => {
        return { kind: "public-key", der, ca: false, hasKey: false, subject: "" };
      }),
    ];
  }

  subjects(octets: Uint8Array): readonly string[] {
    try {
      return readCertificates(octets).map((der) => subjectOf(readCertificate(der)));
    } catch (error) {
      if (error instanceof CredentialError) return [];
      throw error;
    }
  }

  get #connections(): readonly Connection[] {
    return this.#configuration.current().ike?.connections ?? NONE;
  }
}

function inventoryOf(connection: Connection): ConnectionInventory {
  const { local, remote } = connection;
  return {
    connection,
    local: round(local.identity, local.certificates.slice(0, 1), []),
    remote: round(remote.identity, remote.certificates, remote.authorities),
  };
}

function round(
  identity: Connection["local"]["identity"],
  certificates: readonly Uint8Array[],
  authorities: readonly Uint8Array[],
): RoundInventory {
  const subjects = (all: readonly Uint8Array[]) => all.map((der) => subjectOf(readCertificate(der)));
  return {
    identity: identity === undefined ? undefined : identityToString(identity),
    certificates: subjects(certificates),
    authorities: subjects(authorities),
  };
}

function readCertificate(der: Uint8Array): Certificate | undefined {
  return readable(() => parseCertificate(der));
}

function subjectOf(certificate: Certificate | undefined): string {
  return certificate === undefined ? UNREADABLE : nameToString(certificate.subject);
}

function issuerOf(crl: Uint8Array): string {
  return readable(() => nameToString(parseCrl(crl).issuer)) ?? UNREADABLE;
}

/** undefined: it is none that we read. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** As the store names keys (RFC 5280 §4.2.1.2). */
function keyId({ keyOctets }: Certificate): string {
  return createHash("sha1").update(keyOctets).digest("hex");
}

function distinct(all: readonly Uint8Array[]): readonly Uint8Array[] {
  return [...new Map(all.map((der) => [hexOf(der), der])).values()];
}

function hexOf(octets: Uint8Array): string {
  return createHash("sha256").update(octets).digest("hex");
}
