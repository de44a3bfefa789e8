/** Section `secrets`: preshared keys as octets, and names of key files. No secret is at any time a string. */
import { decodeHex, isPrivate } from "#config/keys";
import type { SharedSecret } from "#core/connection";
import type { Identity } from "#core/identity";
import { readIdentity } from "#crypto/identity";
import { wipe } from "#crypto/octets";
import type { CredentialDirectory, CredentialFiles } from "./credential-files.ts";
import type { Findings } from "./findings.ts";
import type { Section } from "./inherit.ts";
import { directoryOf, pathIn } from "./paths.ts";
import { fits } from "./schema.ts";
import { SectionReader } from "./section-reader.ts";
import { valueText } from "./value.ts";
import type { ConfigWorld } from "./world.ts";

/** Shorter ones fall to a guess of words in minutes, for whoever plays the peer (RFC 7296 §2.15). */
export const SHORT_SECRET = 12;
const ZERO = 0x30;
const HEX_MARK = 0x78;
const BASE64_MARK = 0x73;
const KEY_SECTIONS: readonly (readonly [pattern: string, directory: CredentialDirectory])[] = [
  ["private*", "private"],
  ["rsa*", "rsa"],
  ["ecdsa*", "ecdsa"],
  ["pkcs8*", "pkcs8"],
];

export interface SecretsWorld {
  readonly world: ConfigWorld;
  readonly mainName: string;
  readonly files: CredentialFiles;
  readonly findings: Findings;
}

export function readSecrets(section: Section | undefined, around: SecretsWorld): SharedSecret[] {
  if (section === undefined) return [];
  const { findings, files } = around;
  const reader = new SectionReader(section, "secrets", "secrets", findings);
  for (const [pattern, directory] of KEY_SECTIONS)
    for (const found of reader.sections(pattern)) {
      const key = new SectionReader(found, "key", `'${found.name}' of secrets`, findings);
      const file = fileOf(key);
      if (file !== undefined) files.privateKey(directory, file, key.placeOfValue("file"));
    }
  return reader.sections("ike*").flatMap((found) => sharedSecret(found, around) ?? []);
}

/** The name of a file, which shows in messages: it is no name where a line end is missing and a secret follows. */
function fileOf(reader: SectionReader): string | undefined {
  const file = reader.text("file");
  if (file === undefined) reader.findings.error(reader.place, `'${reader.name}' names no file`, "add file = NAME");
  else if (!/^[^="\n]+$/.test(file)) reader.wrong("file", "what follows is no name of a file", "one setting a line");
  else return file;
  return undefined;
}

function sharedSecret(section: Section, around: SecretsWorld): SharedSecret | undefined {
  const reader = new SectionReader(section, "secret", `'${section.name}' of secrets`, around.findings);
  const owners = ownersOf(reader);
  const secret = reader.has("file") ? secretOfFile(reader, around) : secretOf(reader);
  if (secret === undefined) return undefined;
  if (secret.length === 0) {
    reader.wrong(reader.has("file") ? "file" : "secret", "the secret is empty", MAKE_SECRET);
    return undefined;
  }
  if (secret.length < SHORT_SECRET)
    reader.warn(
      reader.has("file") ? "file" : "secret",
      `the secret of '${section.name}' is short: whoever plays the peer can find it by trying`,
      MAKE_SECRET,
    );
  return { owners, secret };
}

export const MAKE_SECRET = "make one with: openssl rand -base64 32";

/** Empty when anybody is meant. */
function ownersOf(reader: SectionReader): Identity[] {
  const owners: Identity[] = [];
  for (const [key, { value }] of reader.section.settings) {
    if (!fits("id*", key)) continue;
    const read = readIdentity(valueText(value));
    if (read.kind === "any") return [];
    if (read.kind === "identity") owners.push(read.identity);
    // Where a line end is missing the secret itself would be in the message.
    else reader.wrong(key, "what follows is no identity", "give a name, an address or a DN, one setting a line");
  }
  return owners;
}

function secretOf(reader: SectionReader): Uint8Array | undefined {
  const written = reader.octets("secret");
  if (written === undefined) {
    reader.findings.error(reader.place, `'${reader.name}' has no secret`, "add secret = …, or file = PATH");
    return undefined;
  }
  const secret = decodeSecret(written);
  if (secret !== written) wipe(written);
  if (secret === undefined)
    reader.wrong("secret", "0x and 0s announce hex and base64, and something else follows", 'put plain text into "…"');
  return secret;
}

/** Relative to the main file; a line end at its end is no part of the secret. */
function secretOfFile(reader: SectionReader, { world, mainName }: SecretsWorld): Uint8Array | undefined {
  const file = fileOf(reader);
  if (file === undefined) return undefined;
  const path = pathIn(directoryOf(mainName), file);
  if (reader.has("secret")) reader.wrong("secret", "a secret beside a file with one", "remove one of the two");
  try {
    const { octets, mode } = world.read(path);
    if (!isPrivate(mode))
      reader.warn("file", `${path} is readable by others (mode ${(mode & 0o777).toString(8)})`, `chmod 600 ${path}`);
    let end = octets.length;
    while (end > 0 && (octets[end - 1] === 0x0a || octets[end - 1] === 0x0d)) end--;
    const written = octets.slice(0, end);
    wipe(octets);
    const secret = decodeSecret(written);
    if (secret !== written) wipe(written);
    if (secret === undefined)
      reader.wrong("file", `${path} holds no secret`, "write text, 0x and hex, or 0s and base64");
    return secret;
  } catch (cause) {
    reader.wrong("file", cause instanceof Error ? cause.message : `${path} cannot be read`, "name a readable file");
    return undefined;
  }
}

/** `0x` hex, `0s` base64, else the octets themselves; undefined when what is announced does not follow. */
export function decodeSecret(written: Uint8Array): Uint8Array | undefined {
  if (written[0] !== ZERO) return written;
  if (written[1] === HEX_MARK) return decodeHex(written);
  return written[1] === BASE64_MARK ? decodeBase64(written.subarray(2)) : written;
}

/** RFC 4648 §4, with white space and without padding allowed; no string is made of it. */
function decodeBase64(text: Uint8Array): Uint8Array | undefined {
  const decoded = new Uint8Array(Math.floor((text.length * 3) / 4));
  let at = 0;
  let bits = 0;
  let count = 0;
  let padding = 0;
  let fault = false;
  for (const octet of text) {
    if (octet === 0x20 || octet === 0x0a || octet === 0x0d || octet === 0x09) continue;
    if (octet === 0x3d) {
      padding++;
      continue;
    }
    const digit = base64Digit(octet);
    fault ||= digit < 0 || padding > 0;
    bits = ((bits & 0xff) << 6) | (digit & 0x3f);
    count++;
    if (count % 4 !== 1) decoded[at++] = bits >>> (6 - 2 * ((count - 1) % 4));
  }
  fault ||= count % 4 === 1 || padding > 2 || (padding > 0 && (count + padding) % 4 !== 0);
  const secret = fault ? undefined : decoded.slice(0, at);
  wipe(decoded);
  return secret;
}

function base64Digit(octet: number): number {
  if (octet >= 0x41 && octet <= 0x5a) return octet - 0x41;
  if (octet >= 0x61 && octet <= 0x7a) return octet - 0x47;
  if (octet >= 0x30 && octet <= 0x39) return octet + 4;
  if (octet === 0x2b) return 62;
  return octet === 0x2f ? 63 : -1;
}
