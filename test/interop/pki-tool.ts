/** strongSwan's `pki`: keys, certificates and CRLs that no code of ours made. From the machine, else from the chroot. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestOptions } from "node:test";
import type { KeyKind } from "#crypto/x509/certificate-maker";
import type { LabFiles } from "#lab/ike-config";
import { inChroot } from "./newer-strongswan.ts";
import { NEEDS_STRONGSWAN, NEEDS_STRONGSWAN_LONG } from "./strongswan.ts";

const WORDS = existsSync("/usr/bin/pki") ? ["/usr/bin/pki"] : (inChroot("/usr/bin/pki") ?? []);
const SKIP = WORDS.length > 0 ? false : "SKIPPED: no pki here: Debian's package strongswan-pki has it";
if (SKIP !== false) console.error(SKIP);

export const NEEDS_PKI: TestOptions = { ...NEEDS_STRONGSWAN, skip: NEEDS_STRONGSWAN.skip || SKIP };
/** Many keys one after the other. */
export const NEEDS_PKI_LONG: TestOptions = { ...NEEDS_PKI, timeout: NEEDS_STRONGSWAN_LONG.timeout };

const DAYS = 7;

export interface PkiPlan {
  readonly kind: KeyKind;
  readonly padding: "pkcs1" | "pss";
  /** Between the CA and the gateways. */
  readonly intermediate: boolean;
  /** The CA's, where there are several. */
  readonly name?: string;
}

const TYPES: ReadonlyMap<string, string> = new Map([
  ["rsa", "rsa"],
  ["ecdsa", "ecdsa"],
  ["ed", "ed25519"],
]);

/** A CA, perhaps one below it, and a certificate a name: files as both sides want them, in one directory a side. */
export class PkiTool implements Disposable {
  readonly #home: string = mkdtempSync(join(tmpdir(), "esplanade-pki-"));
  readonly #plan: PkiPlan;

  constructor(plan: PkiPlan) {
    this.#plan = plan;
    this.#key("ca");
    this.#write("ca.pem", [...this.#self("ca"), "--lifetime", String(DAYS)]);
    if (!plan.intermediate) return;
    this.#issue("between", "ca", ["--ca", "--dn", "O=Lab, CN=Lab CA below"]);
  }

  /** Files of the gateway `name`, whose certificate has these subjectAltNames. */
  files(name: string, alternativeNames: readonly string[]): LabFiles {
    const issuer = this.#plan.intermediate ? "between" : "ca";
    const names = alternativeNames.flatMap((alternative) => ["--san", alternative]);
    this.#issue(name, issuer, ["--dn", `O=Lab, CN=${name}`, ...names]);
    const below = this.#plan.intermediate ? this.#read("between.pem") : "";
    return {
      "x509ca/ca.pem": this.#read("ca.pem"),
      ...(below === "" ? {} : { "x509/between.pem": below }),
      [`x509/${name}.pem`]: this.#read(`${name}.pem`),
      [`private/${name}.pem`]: this.#read(`${name}.key`),
    };
  }

  /** A CRL of the CA with certificates of these names in it. */
  crl(...revoked: readonly string[]): string {
    const certificates = revoked.flatMap((name) => ["--reason", "superseded", "--cert", this.#path(`${name}.pem`)]);
    this.#write("crl.pem", ["--signcrl", ...this.#signer("ca"), "--lifetime", String(DAYS), ...certificates]);
    return this.#read("crl.pem");
  }

  #self(name: string): string[] {
    const options = this.#plan.kind.startsWith("rsa") ? ["--rsa-padding", this.#plan.padding] : [];
    return [
      "--self",
      "--ca",
      "--in",
      this.#path(`${name}.key`),
      "--dn",
      `O=Lab, CN=${this.#plan.name ?? "Lab CA"}`,
      ...options,
    ];
  }

  #issue(name: string, issuer: string, words: readonly string[]): void {
    this.#key(name);
    this.#write(`${name}.pem`, [
      "--issue",
      ...this.#signer(issuer),
      "--type",
      "priv",
      "--in",
      this.#path(`${name}.key`),
      "--lifetime",
      String(DAYS),
      ...words,
    ]);
  }

  #signer(name: string): string[] {
    const options = this.#plan.kind.startsWith("rsa") ? ["--rsa-padding", this.#plan.padding] : [];
    return ["--cacert", this.#path(`${name}.pem`), "--cakey", this.#path(`${name}.key`), ...options];
  }

  #key(name: string): void {
    const [, family = "", size = ""] = /^([a-z]+)(\d+)$/.exec(this.#plan.kind) ?? [];
    const type = TYPES.get(family) ?? "";
    this.#write(`${name}.key`, ["--gen", "--type", type, ...(type === "ed25519" ? [] : ["--size", size])]);
  }

  /** Keeps what the program wrote. */
  #write(file: string, words: readonly string[]): void {
    const [program = "", ...front] = WORDS;
    const { status, stdout, stderr } = spawnSync(program, [...front, ...words, "--outform", "pem"]);
    if (status !== 0) throw new Error(`pki ${words.join(" ")}: ${status}\n${stderr.toString()}`);
    writeFileSync(this.#path(file), stdout, { mode: 0o600 });
  }

  #path(file: string): string {
    return join(this.#home, file);
  }

  #read(file: string): string {
    return readFileSync(this.#path(file), "utf8");
  }

  [Symbol.dispose](): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}
