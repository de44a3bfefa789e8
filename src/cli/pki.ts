/** `esplanade pki ACTION …`: a small authority for gateways: keys, certificates, requests. */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { PrivateKey } from "#core/connection";
import { type Identity, IdType } from "#core/identity";
import { nearest } from "#core/nearest";
import { identityToString, parseIdentity } from "#crypto/identity";
import { wipe } from "#crypto/octets";
import { algorithmToString, readPublicKeyInfo } from "#crypto/signature-algorithm";
import { type Certificate, parseCertificate } from "#crypto/x509/certificate";
import { identitiesOfNames } from "#crypto/x509/certificate-identity";
import {
  type Authority,
  type KeyKind,
  makeAuthority,
  makeCertificate,
  makeKey,
  makeSigningRequest,
} from "#crypto/x509/certificate-maker";
import { validityProblem } from "#crypto/x509/chain";
import { CredentialError } from "#crypto/x509/credential-error";
import { nameToString } from "#crypto/x509/distinguished-name";
import { encodePem } from "#crypto/x509/pem";
import { keyFits, readCertificates, readPrivateKey } from "#crypto/x509/private-key";
import { readSigningRequest } from "#crypto/x509/signing-request";
import { wallClock } from "#io/system-clock";
import { systemRandom } from "#io/system-random";
import { refusal } from "./ask.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION, UsageError } from "./command.ts";
import { createPrivateFile } from "./files.ts";

/** Clocks of peers that are late by less take the certificate at once. */
const SKEW = 300_000;
const AUTHORITY_DAYS = 3650;
/** Browsers and Windows take no more from others; renewing every year is a habit that holds. */
const DAYS = 397;
const KINDS: readonly KeyKind[] = ["ecdsa256", "ecdsa384", "ecdsa521", "ed25519", "rsa2048", "rsa3072", "rsa4096"];

interface Made {
  readonly files: readonly string[];
  readonly certificate: Uint8Array | undefined;
}

type Action = (args: Arguments, io: CliIo) => Made | number;

const ACTIONS: Readonly<Record<string, Action>> = { ca, issue, request, sign, list };

export const pki: Command = {
  name: "pki",
  summary: "make a certificate authority, certificates and requests, and show what is in them",
  parameters: ["ca|issue|request|sign|list", "NAME|FILE"],
  options: {
    directory: {
      type: "string",
      short: "d",
      value: "PATH",
      help: "of x509ca/, x509/ and private/, as swanctl has them (.)",
    },
    type: { type: "string", value: "KIND", help: `of a new key: ${KINDS.join(", ")} (ecdsa256)` },
    subject: { type: "string", value: "DN", help: 'a new name, "C=CH, O=Example, CN=gw" (CN=NAME)' },
    san: { type: "string", value: "NAMES", help: "whom it is for, with commas: host names, addresses, e-mail (NAME)" },
    ca: { type: "string", value: "NAME", help: "who signs; of ca itself: a CA above it" },
    days: { type: "string", value: "N", help: `it is valid for (${DAYS}; of a CA ${AUTHORITY_DAYS})` },
    json: JSON_OPTION,
  },
  examples: [
    'esplanade pki ca "Example CA" -d /etc/swanctl',
    'esplanade pki issue vpn.example.com --ca "Example CA" --san vpn.example.com,203.0.113.2 -d /etc/swanctl',
    "esplanade pki request branch.example.com",
    'esplanade pki sign branch.example.com.csr --ca "Example CA"',
    "esplanade pki list x509/vpn.example.com.pem --json",
  ],
  run,
};

const WHAT = "ca|issue|request|sign|list";
const WHICH = "NAME|FILE";

/** 0: made, or valid now; 1: it failed, or a listed certificate is out of its time. */
async function run(args: Arguments, io: CliIo): Promise<number> {
  const name = args.parameter(WHAT);
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    const meant = nearest(name, Object.keys(ACTIONS));
    throw new UsageError(
      `pki does not know "${name}"`,
      meant === undefined ? `take one of ${Object.keys(ACTIONS).join(", ")}` : `did you mean "${meant}"?`,
    );
  }
  try {
    const made = action(args, io);
    if (typeof made === "number") return made;
    tell(made, args, io);
    return 0;
  } catch (error) {
    if (error instanceof CredentialError) return refusal(io, error.message);
    throw error;
  }
}

function tell({ files, certificate }: Made, args: Arguments, io: CliIo): void {
  const view = certificate === undefined ? undefined : viewOf(certificate);
  if (args.has("json")) {
    io.out(`${JSON.stringify({ ok: true, files, certificate: view })}\n`);
    return;
  }
  for (const file of files) io.out(`${paint(io, "green", "ok")}: ${file}\n`);
  if (view !== undefined) io.out(viewText(view));
}

function ca(args: Arguments, io: CliIo): Made {
  const name = nameOf(args);
  const above = args.text("ca") === undefined ? undefined : authorityOf(args, io);
  const key = makeKey(kindOf(args));
  try {
    const subject = args.text("subject") ?? `CN=${quoted(name)}`;
    const times = timesOf(args, AUTHORITY_DAYS, above);
    const made = { key, subject, ...times, random: systemRandom };
    // Below a CA of ours no other one is wanted: a stolen key of it can make none.
    const certificate = makeAuthority(above === undefined ? made : { ...made, issuer: above, pathLength: 0 });
    return { files: [writeKey(args, name, key), write(args, "x509ca", name, "CERTIFICATE", certificate)], certificate };
  } finally {
    wipe(key.pkcs8, ...(above === undefined ? [] : [above.key.pkcs8]));
  }
}

function issue(args: Arguments, io: CliIo): Made {
  const name = nameOf(args);
  const issuer = authorityOf(args, io);
  const key = makeKey(kindOf(args));
  try {
    const subject = args.text("subject") ?? `CN=${quoted(name)}`;
    const alternativeNames = namesOf(args, name);
    const certificate = certified(args, issuer, { subject, spki: key.spki, alternativeNames });
    return { files: [writeKey(args, name, key), write(args, "x509", name, "CERTIFICATE", certificate)], certificate };
  } finally {
    wipe(key.pkcs8, issuer.key.pkcs8);
  }
}

function request(args: Arguments): Made {
  const name = nameOf(args);
  const key = makeKey(kindOf(args));
  try {
    const subject = args.text("subject") ?? `CN=${quoted(name)}`;
    const octets = makeSigningRequest({ key, subject, alternativeNames: namesOf(args, name) });
    const path = join(directoryOf(args), `${name}.csr`);
    const keyPath = writeKey(args, name, key);
    createPrivateFile(path, encodePem({ label: "CERTIFICATE REQUEST", octets }));
    return { files: [keyPath, path], certificate: undefined };
  } finally {
    wipe(key.pkcs8);
  }
}

function sign(args: Arguments, io: CliIo): Made {
  const path = args.parameter(WHICH);
  const asked = readSigningRequest(io.readFile(path).octets);
  const issuer = authorityOf(args, io);
  try {
    const name = path.replace(/^.*\//, "").replace(/\.[^.]*$/, "");
    const subject = args.text("subject") ?? asked.subject;
    const alternativeNames = args.text("san") === undefined ? asked.alternativeNames : namesOf(args, name);
    const certificate = certified(args, issuer, { subject, spki: asked.spki, alternativeNames });
    return { files: [write(args, "x509", name, "CERTIFICATE", certificate)], certificate };
  } finally {
    wipe(issuer.key.pkcs8);
  }
}

function certified(
  args: Arguments,
  issuer: Authority,
  wanted: { readonly subject: string; readonly spki: Uint8Array; readonly alternativeNames: readonly Identity[] },
): Uint8Array {
  return makeCertificate({ issuer, ...wanted, ...timesOf(args, DAYS, issuer), random: systemRandom });
}

function list(args: Arguments, io: CliIo): number {
  const certificates = readCertificates(io.readFile(args.parameter(WHICH)).octets);
  const views = certificates.map(viewOf);
  if (args.has("json")) io.out(`${JSON.stringify({ certificates: views })}\n`);
  else io.out(views.map(viewText).join("\n"));
  return views.every(({ problem }) => problem === undefined) ? 0 : 1;
}

/** A certificate as people and programs read it. */
interface CertificateView {
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly alternativeNames: readonly string[];
  readonly key: string;
  readonly signature: string;
  readonly ca: boolean;
  /** SHA-256 of the whole. */
  readonly fingerprint: string;
  /** Why it is not valid now. */
  readonly problem: string | undefined;
}

function viewOf(octets: Uint8Array): CertificateView {
  const certificate = parseCertificate(octets);
  const { subject, issuer, serial, notBefore, notAfter, alternativeNames, signatureAlgorithm } = certificate;
  return {
    subject: nameToString(subject),
    issuer: nameToString(issuer),
    serial: Buffer.from(serial).toString("hex"),
    notBefore: new Date(notBefore).toISOString(),
    notAfter: new Date(notAfter).toISOString(),
    alternativeNames: identitiesOfNames(alternativeNames).map(identityToString),
    key: keyText(certificate),
    signature: algorithmToString(signatureAlgorithm),
    ca: certificate.ca,
    fingerprint: createHash("sha256").update(octets).digest("hex"),
    problem: validityProblem(certificate, wallClock()),
  };
}

function keyText({ spki }: Certificate): string {
  const key = readPublicKeyInfo(spki);
  if (typeof key === "string") return key;
  const { modulusLength } = key.key.asymmetricKeyDetails ?? {};
  return key.kind === "ecdsa" ? `ECDSA ${key.curve}` : modulusLength === undefined ? key.kind : `RSA ${modulusLength}`;
}

function viewText(view: CertificateView): string {
  const rows = [
    ["subject", view.subject],
    ["issuer", view.issuer],
    ["for", view.alternativeNames.join(", ") || "its subject alone"],
    ["valid", `${view.notBefore} to ${view.notAfter}${view.problem === undefined ? "" : `: ${view.problem}`}`],
    ["key", `${view.key}${view.ca ? ", a CA's" : ""}, signed with ${view.signature}`],
    ["serial", view.serial],
    ["SHA-256", view.fingerprint],
  ] as const;
  return rows.map(([name, text]) => `  ${name.padEnd(8)} ${text}\n`).join("");
}

function directoryOf(args: Arguments): string {
  return args.text("directory") ?? ".";
}

/** It becomes the name of files. */
function nameOf(args: Arguments): string {
  const name = args.parameter(WHICH);
  if (/^[^/\p{Cc}.][^/\p{Cc}]*$/u.test(name)) return name;
  throw new UsageError(`"${name}" is no name for a file`, "take one without slashes, not beginning with a dot");
}

/** As a value of a DN. */
function quoted(name: string): string {
  return name.replaceAll(/[\\,+"/=]/g, "\\$&");
}

function kindOf(args: Arguments): KeyKind {
  const text = args.text("type") ?? "ecdsa256";
  const kind = KINDS.find((one) => one === text);
  if (kind !== undefined) return kind;
  const meant = nearest(text, KINDS);
  throw new UsageError(
    `--type ${text} is no kind of key`,
    meant === undefined ? `take ${KINDS.join(", ")}` : `did you mean ${meant}?`,
  );
}

function namesOf(args: Arguments, name: string): Identity[] {
  return (args.text("san") ?? name).split(",").map((text) => {
    const identity = parseIdentity(text.trim());
    if (identity !== undefined && identity.type !== IdType.ID_DER_ASN1_DN && identity.type !== IdType.ID_KEY_ID)
      return identity;
    throw new UsageError(
      `--san "${text.trim()}" is no name for a peer`,
      "give host names, addresses or e-mail addresses",
    );
  });
}

/** No longer than its issuer is valid. */
function timesOf(args: Arguments, days: number, issuer: Authority | undefined) {
  const now = Math.floor(wallClock() / 1000) * 1000;
  const above = issuer === undefined ? undefined : parseCertificate(issuer.certificate);
  const notAfter = now + Math.round(args.number("days", 1 / 24, 36_500, days) * 24 * 3600) * 1000;
  return {
    notBefore: Math.max(now - SKEW, above?.notBefore ?? 0),
    notAfter: Math.min(notAfter, above?.notAfter ?? notAfter),
  };
}

function authorityOf(args: Arguments, io: CliIo): Authority {
  const name = args.text("ca");
  if (name === undefined) throw new UsageError("--ca is missing", "name who signs: --ca NAME, as in pki ca NAME");
  const directory = directoryOf(args);
  const [certificate] = readCertificates(io.readFile(join(directory, "x509ca", `${name}.pem`)).octets);
  const { octets } = io.readFile(join(directory, "private", `${name}.pem`));
  const key = readPrivateKey(octets);
  wipe(octets);
  if (certificate === undefined || !keyFits(key, certificate))
    throw new CredentialError(`private/${name}.pem is not the key of x509ca/${name}.pem`, "take the two of one CA");
  return { certificate, key };
}

function writeKey(args: Arguments, name: string, { pkcs8 }: PrivateKey): string {
  return write(args, "private", name, "PRIVATE KEY", pkcs8);
}

function write(args: Arguments, folder: string, name: string, label: string, octets: Uint8Array): string {
  const directory = join(directoryOf(args), folder);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, `${name}.pem`);
  const text = encodePem({ label, octets });
  try {
    createPrivateFile(path, text);
  } finally {
    wipe(text);
  }
  return path;
}
