/** Which transforms make a suite, with keys of which length; complaints say the problem and the remedy. */
import type { Protocol } from "#core/child-sa-spec";
import type { Complaint } from "#core/errors";
import type { CipherKey } from "#core/ports";
import {
  ENCRYPTION_TRANSFORMS,
  Encryption,
  type EncryptionTransform,
  encryptionTransform,
  Integrity,
  type IntegrityTransform,
  integrityTransform,
} from "./transforms.ts";

/** undefined = none. */
export interface Suite {
  readonly encryption: EncryptionTransform | undefined;
  readonly integrity: IntegrityTransform | undefined;
}

/** "aes128gcm16", "aes256-sha256", "sha256" for AH. */
export function suiteName(suite: Suite): string {
  return [suite.encryption?.name, suite.integrity?.name].filter((name) => name !== undefined).join("-") || "none";
}

/**
 * The first thing wrong with a suite. Encryption without integrity is always wrong (RFC 4303 §1, RFC 8221 §4);
 * a legacy algorithm is wrong unless `allowWeak` has its name.
 */
export function checkSuite(
  suite: Suite,
  protocol: Protocol,
  allowWeak: readonly string[],
  path: string,
): Complaint | undefined {
  const complaint = protocol === "ah" ? checkAh(suite) : checkEsp(suite);
  if (complaint !== undefined) return { path, ...complaint };
  for (const transform of [suite.encryption, suite.integrity]) {
    if (transform?.weak === undefined || allowWeak.includes(transform.name)) continue;
    return {
      path,
      problem: `${transform.name} is weak: ${transform.weak}`,
      remedy: `choose another, or list "${transform.name}" in allowWeak`,
    };
  }
  return undefined;
}

type Fault = Omit<Complaint, "path">;

function checkAh({ encryption, integrity }: Suite): Fault | undefined {
  if (encryption !== undefined)
    return {
      problem: `AH does not encrypt, yet ${encryption.name} is given`,
      remedy: "leave encryption out, or use esp",
    };
  if (integrity === undefined)
    return { problem: "AH has no integrity algorithm", remedy: "give one, for example sha256" };
  return undefined;
}

function checkEsp({ encryption, integrity }: Suite): Fault | undefined {
  if (encryption === undefined)
    return {
      problem: "ESP has no encryption algorithm",
      remedy: 'give one, for example aes128gcm16, or "null" for integrity alone',
    };
  if (encryption.aead)
    return integrity === undefined
      ? undefined
      : {
          problem: `${encryption.name} has its own integrity, yet ${integrity.name} is given`,
          remedy: "leave integrity out",
        };
  if (integrity === undefined)
    return {
      problem: `${encryption.name} without integrity protects nothing`,
      remedy: "add an integrity algorithm, for example sha256, or use aes128gcm16",
    };
  if (integrity.ahOnly)
    return {
      problem: `${integrity.name} is for AH (RFC 4543 §4)`,
      remedy: `for ESP use encryption ${integrity.name} without integrity`,
    };
  return undefined;
}

interface Keyed {
  readonly name: string;
  readonly keyOctets: number;
  readonly saltOctets: number;
}

/** A key of wrong length: never cut, never filled up. */
export function checkKeyLength(transform: Keyed, octets: number, path: string): Complaint | undefined {
  const { name, keyOctets, saltOctets } = transform;
  if (octets === keyOctets) return undefined;
  const parts = saltOctets === 0 ? "" : ` (${keyOctets - saltOctets} key + ${saltOctets} salt)`;
  const remedy = keyOctets === 0 ? "leave the key out" : `give ${keyOctets * 2} hex digits`;
  return { path, problem: `key is ${octets} octets, ${name} needs ${keyOctets}${parts}`, remedy };
}

/** What a cipher would not take, whatever the configuration allows. AH is told by encryption 0. */
export function checkCipherKey(key: CipherKey, path: string): Complaint | undefined {
  const integrity = integrityTransform(key.integrity);
  if (key.integrity !== Integrity.NONE && integrity === undefined)
    return { path, problem: `integrity transform ${key.integrity} is unknown`, remedy: "choose one of the registry" };
  const encryption = encryptionTransform(key.encryption, key.encryptionKey.length);
  if (key.encryption !== Encryption.NONE && encryption === undefined) return unknownEncryption(key, path);
  const suite = { encryption, integrity };
  const everyWeak = [encryption?.name ?? "", integrity?.name ?? ""];
  const complaint = checkSuite(suite, key.encryption === Encryption.NONE ? "ah" : "esp", everyWeak, path);
  if (complaint !== undefined) return complaint;
  const unkeyed = { name: "an AEAD's integrity", keyOctets: 0, saltOctets: 0 };
  return checkKeyLength(integrity ?? unkeyed, key.integrityKey.length, path);
}

function unknownEncryption(key: CipherKey, path: string): Complaint {
  const candidates = ENCRYPTION_TRANSFORMS.filter((t) => t.id === key.encryption);
  const [only] = candidates;
  if (only === undefined)
    return { path, problem: `encryption transform ${key.encryption} is unknown`, remedy: "choose one of the registry" };
  const needs = candidates.map((t) => `${t.keyOctets} (${t.name})`).join(", ");
  return {
    path,
    problem: `key is ${key.encryptionKey.length} octets, the algorithm needs ${needs}`,
    remedy: `give ${candidates.map((t) => t.keyOctets * 2).join(" or ")} hex digits`,
  };
}
