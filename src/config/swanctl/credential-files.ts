/** Certificates, keys and revocation lists from the files a configuration names and from the directories beside it. */
import { isPrivate } from "#config/keys";
import type { PrivateKey } from "#core/connection";
import type { Identity } from "#core/identity";
import { equalOctets, wipe } from "#crypto/octets";
import { parseCertificate } from "#crypto/x509/certificate";
import { certificateProves } from "#crypto/x509/certificate-identity";
import { CredentialError } from "#crypto/x509/credential-error";
import { keyFits, readCertificates, readCrls, readPrivateKey, readPublicKey } from "#crypto/x509/private-key";
import type { Findings } from "./findings.ts";
import { CREDENTIAL, directoryOf, pathIn } from "./paths.ts";
import { type Place, Source } from "./source.ts";
import type { ConfigWorld, WorldFile } from "./world.ts";

/** Directories beside the main file, as swanctl(8) has them. */
export type CredentialDirectory = "x509" | "x509ca" | "x509crl" | "pubkey" | "private" | "rsa" | "ecdsa" | "pkcs8";

const KEY_DIRECTORIES: readonly CredentialDirectory[] = ["private", "rsa", "ecdsa", "pkcs8"];

export class CredentialFiles {
  readonly keys: PrivateKey[] = [];
  readonly #world: ConfigWorld;
  readonly #findings: Findings;
  readonly #directory: string;
  readonly #certificates = new Map<string, readonly Uint8Array[]>();

  constructor(mainName: string, world: ConfigWorld, findings: Findings) {
    this.#world = world;
    this.#findings = findings;
    this.#directory = directoryOf(mainName);
  }

  /** DER of all certificates of a file; complains at the place that names it. */
  certificates(directory: CredentialDirectory, file: string, place: Place): readonly Uint8Array[] {
    const path = this.#path(directory, file);
    const known = this.#certificates.get(path);
    if (known !== undefined) return known;
    const certificates = this.#load(path, place, "error", readCertificates) ?? [];
    this.#certificates.set(path, certificates);
    return certificates;
  }

  publicKey(file: string, place: Place): Uint8Array | undefined {
    return this.#load(this.#path("pubkey", file), place, "error", readPublicKey);
  }

  crls(file: string, place: Place): readonly Uint8Array[] {
    return this.#load(this.#path("x509crl", file), place, "error", readCrls) ?? [];
  }

  /** A key that is named; those of the directories need no name. */
  privateKey(directory: CredentialDirectory, file: string, place: Place): void {
    this.#addKey(this.#path(directory, file), place, "error");
  }

  /** Everything in the directory; what cannot be read there is a warning. */
  allOf(directory: "x509" | "x509ca" | "x509crl"): Uint8Array[] {
    const read = directory === "x509crl" ? readCrls : readCertificates;
    return this.#filesIn(directory).flatMap((path) => {
      const known = this.#certificates.get(path);
      if (known !== undefined) return known;
      const loaded = this.#load(path, startOf(path), "warn", (octets) => read(octets)) ?? [];
      this.#certificates.set(path, loaded);
      return loaded;
    });
  }

  /** The first certificate of x509/ that has its key here and says who we are; the only one where nobody is named. */
  ownCertificate(identity: Identity | undefined): Uint8Array | undefined {
    const candidates = this.allOf("x509").filter((certificate) => this.keys.some((key) => keyFits(key, certificate)));
    if (identity === undefined) return candidates.length === 1 ? candidates[0] : undefined;
    return candidates.find((certificate) => certificateProves(parseCertificate(certificate), identity));
  }

  loadKeys(): void {
    for (const directory of KEY_DIRECTORIES)
      for (const path of this.#filesIn(directory)) this.#addKey(path, startOf(path), "warn");
  }

  #filesIn(directory: CredentialDirectory): readonly string[] {
    return this.#world.glob(pathIn(this.#directory, `${directory}/*`));
  }

  #path(directory: CredentialDirectory, file: string): string {
    return file.startsWith("/") || file.startsWith(CREDENTIAL)
      ? pathIn("", file)
      : pathIn(this.#directory, `${directory}/${file}`);
  }

  #addKey(path: string, place: Place, severity: "error" | "warn"): void {
    let mode = 0;
    const key = this.#load(path, place, severity, (octets, file) => {
      mode = file.mode;
      return readPrivateKey(octets);
    });
    if (key === undefined) return;
    if (!isPrivate(mode))
      this.#findings.warn(
        place,
        `${path} is readable by others (mode ${(mode & 0o777).toString(8)})`,
        `chmod 600 ${path}`,
      );
    if (this.keys.some(({ spki }) => equalOctets(spki, key.spki))) wipe(key.pkcs8);
    else this.keys.push(key);
  }

  #load<T>(
    path: string,
    place: Place,
    severity: "error" | "warn",
    parse: (octets: Uint8Array, file: WorldFile) => T,
  ): T | undefined {
    let file: WorldFile;
    try {
      file = this.#world.read(path);
    } catch (cause) {
      // The world's message names the file and the failure.
      const why = cause instanceof Error ? cause.message : `${path} cannot be read`;
      this.#findings[severity](place, why, "name a readable file");
      return undefined;
    }
    try {
      return parse(file.octets, file);
    } catch (error) {
      if (!(error instanceof CredentialError)) throw error;
      this.#findings[severity](place, `${path}: ${error.problem}`, error.remedy);
      return undefined;
    } finally {
      wipe(file.octets);
    }
  }
}

function startOf(path: string): Place {
  return { source: new Source(path, new Uint8Array(0)), at: 0 };
}
