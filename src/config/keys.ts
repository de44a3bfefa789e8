/** Keys in hex, from the configuration's own octets or from a file; at no time a JavaScript string. */
import type { SaKeys } from "#core/child-sa-spec";
import { spi } from "#core/units";
import { keyLengthProblem, type Suite } from "#crypto/suite";
import type { EncryptionTransform, IntegrityTransform } from "#crypto/transforms";
import { Encryption } from "#crypto/transforms";
import type { Fields } from "./fields.ts";
import { type JsonString, stringText } from "./json.ts";
import { tripleDesKeyProblem } from "./suite.ts";

/** A file with a secret, and its permission bits. */
export interface SecretFile {
  readonly octets: Uint8Array;
  readonly mode: number;
}

/** Reads a file named in the configuration; throws when it cannot. */
export type SecretReader = (path: string) => SecretFile;

const FILE_PREFIX = new TextEncoder().encode("file:");
const CREDENTIAL_PREFIX = new TextEncoder().encode("credential:");
const NO_KEY = new Uint8Array(0);
const GROUP_AND_WORLD_READ = 0o044;

export function isPrivate(mode: number): boolean {
  return (mode & GROUP_AND_WORLD_READ) === 0;
}

/** Reads `inbound` or `outbound`; undefined without a valid SPI. */
export function readKeys(parent: Fields, key: string, suite: Suite, readSecret: SecretReader): SaKeys | undefined {
  if (!parent.has(key)) {
    parent.error(key, "is missing", `give "${key}": {"spi": "0x1001", …}; each direction has an SA of its own`);
    return undefined;
  }
  const fields = parent.object(key, "keys");
  if (fields === undefined) return undefined;
  const number = readSpi(fields);
  const encryptionKey = readKey(fields, "key", suite.encryption, readSecret);
  const integrityKey = readKey(fields, "integrityKey", suite.integrity, readSecret);
  if (number === undefined) return undefined;
  return { spi: spi(number), encryptionKey, integrityKey };
}

function readSpi(fields: Fields): number | undefined {
  const value = fields.value("spi");
  const text = value?.kind === "string" ? stringText(value) : value?.kind === "number" ? String(value.value) : "";
  if (!/^(0x[0-9a-fA-F]{1,8}|\d{1,10})$/.test(text) || Number(text) > 0xffffffff) {
    fields.error(
      "spi",
      value === undefined ? "is missing" : "is no SPI",
      'give one from 256 to 4294967295, for example "0x1001"',
    );
    return undefined;
  }
  if (Number(text) <= 255) {
    fields.error("spi", `SPI ${Number(text)} is reserved (RFC 4303 §2.1: 0–255)`, "take one from 256 on");
    return undefined;
  }
  return Number(text);
}

function readKey(
  fields: Fields,
  key: string,
  transform: EncryptionTransform | IntegrityTransform | undefined,
  readSecret: SecretReader,
): Uint8Array {
  const wanted = transform?.keyOctets ?? 0;
  if (!fields.has(key)) {
    if (transform !== undefined && wanted > 0)
      fields.error(
        key,
        `is missing: ${transform.name} needs a key of ${wanted} octets`,
        `give ${wanted * 2} hex digits`,
      );
    return NO_KEY;
  }
  const node = fields.stringNode(key);
  if (node === undefined) return NO_KEY;
  if (transform === undefined) {
    const remedy = key === "key" ? 'remove it; AH takes "integrityKey"' : 'remove it; an AEAD takes "key" alone';
    fields.error(key, "the suite has no use for it", remedy);
    return NO_KEY;
  }
  const octets = keyOctets(fields, key, node, readSecret);
  if (octets === undefined) return NO_KEY;
  const problem =
    keyLengthProblem(octets.length, transform) ??
    (key === "key" && transform.id === Encryption.TRIPLE_DES ? tripleDesKeyProblem(octets) : undefined);
  if (problem !== undefined) fields.error(key, problem.problem, problem.remedy);
  return octets;
}

function keyOctets(fields: Fields, key: string, node: JsonString, readSecret: SecretReader): Uint8Array | undefined {
  const credential = startsWith(node.raw, CREDENTIAL_PREFIX);
  if (!credential && !startsWith(node.raw, FILE_PREFIX)) {
    const octets = decodeHex(node.raw);
    if (octets === undefined)
      fields.error(key, "is not hex", 'write an even number of hex digits, "file:PATH" or "credential:NAME"');
    return octets;
  }
  const path = credential ? stringText(node) : stringText(node).slice(FILE_PREFIX.length);
  let file: SecretFile;
  try {
    file = readSecret(path);
  } catch (cause) {
    // The reader's message names the file and the failure; nothing of the file was read.
    fields.error(
      key,
      cause instanceof Error ? cause.message : "cannot be read",
      "name a readable file, or give the key here",
    );
    return undefined;
  }
  if (!isPrivate(file.mode))
    fields.error(key, `${path} is readable by others (mode ${(file.mode & 0o777).toString(8)})`, `chmod 600 ${path}`);
  const octets = decodeHex(file.octets);
  if (octets === undefined) fields.error(key, `${path} holds no hex`, "write an even number of hex digits in it");
  file.octets.fill(0);
  return octets;
}

function startsWith(octets: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((octet, i) => octets[i] === octet);
}

/** Hex digits, with white space and a leading 0x allowed; undefined when something else stands there. */
export function decodeHex(text: Uint8Array): Uint8Array | undefined {
  const digits = new Uint8Array(text.length);
  let count = 0;
  let at = 0;
  while (isSpace(text[at] ?? 0)) at++;
  if (text[at] === 0x30 && (text[at + 1] ?? 0) === 0x78) at += 2;
  for (; at < text.length; at++) {
    const octet = text[at] ?? 0;
    if (isSpace(octet)) continue;
    const digit = hexDigit(octet);
    if (digit < 0) {
      digits.fill(0);
      return undefined;
    }
    digits[count++] = digit;
  }
  const octets = count % 2 === 0 ? new Uint8Array(count / 2) : undefined;
  for (let i = 0; i < count / 2 && octets !== undefined; i++)
    octets[i] = ((digits[2 * i] ?? 0) << 4) | (digits[2 * i + 1] ?? 0);
  digits.fill(0);
  return octets;
}

function isSpace(octet: number): boolean {
  return octet === 0x20 || octet === 0x0a || octet === 0x0d || octet === 0x09;
}

function hexDigit(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const lower = octet | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
