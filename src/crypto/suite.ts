/** Which transforms make a suite, with keys of which length; complaints say the problem and the remedy. */
import type { Protocol } from "#core/child-sa-spec";
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

export interface SuiteProblem {
  readonly problem: string;
  readonly remedy: string;
}

/**
 * The first thing wrong with a combination of transforms, whatever a configuration allows. Encryption without integrity
 * is always wrong (RFC 4303 §1, RFC 8221 §4).
 */
export function suiteFault(suite: Suite, protocol: Protocol): SuiteProblem | undefined {
  return protocol === "ah" ? ahFault(suite) : espFault(suite);
}

function ahFault({ encryption, integrity }: Suite): SuiteProblem | undefined {
  if (encryption !== undefined)
    return {
      problem: "AH does not encrypt (RFC 4302)",
      remedy: `name one integrity transform, for example "${integrity?.name ?? "sha256"}", or take protocol "esp"`,
    };
  if (integrity === undefined)
    return { problem: "AH has no integrity algorithm", remedy: 'give one, for example "sha256"' };
  return undefined;
}

function espFault({ encryption, integrity }: Suite): SuiteProblem | undefined {
  if (encryption === undefined)
    return {
      problem: "ESP has no encryption algorithm",
      remedy: 'give one, for example "aes128gcm16", or "null" for integrity alone',
    };
  const { name } = encryption;
  if (encryption.aead)
    return integrity === undefined
      ? undefined
      : { problem: `${name} has integrity of its own (RFC 8221 §5)`, remedy: `write "${name}" alone` };
  if (integrity === undefined)
    return {
      problem: `${name} without integrity can be forged, and then read (RFC 8221 §4)`,
      remedy: `write "${name}-sha256", or better "aes128gcm16"`,
    };
  if (integrity.ahOnly)
    return {
      problem: `${integrity.name} beside encryption is not defined for ESP`,
      remedy: `write "${integrity.name}" alone (RFC 4543)`,
    };
  return undefined;
}

/** One problem for each legacy transform that `allowed` does not name. */
export function weakTransforms(suite: Suite, allowed: readonly string[]): SuiteProblem[] {
  const problems: SuiteProblem[] = [];
  for (const transform of [suite.encryption, suite.integrity])
    if (transform?.weak !== undefined && !allowed.includes(transform.name))
      problems.push({
        problem: `${transform.name} is weak: ${transform.weak}`,
        remedy: `add "${transform.name}" to allowWeak if the peer has nothing better`,
      });
  return problems;
}

interface Keyed {
  readonly name: string;
  readonly keyOctets: number;
  readonly saltOctets: number;
}

/** A key of wrong length: never cut, never filled up. */
export function keyLengthProblem(octets: number, transform: Keyed): SuiteProblem | undefined {
  const { name, keyOctets, saltOctets } = transform;
  if (octets === keyOctets) return undefined;
  const parts = saltOctets === 0 ? "" : ` (${keyOctets - saltOctets} key + ${saltOctets} salt)`;
  return {
    problem: `key is ${octets} octets, ${name} needs ${keyOctets}${parts}`,
    remedy: keyOctets === 0 ? "remove it" : `give ${keyOctets * 2} hex digits`,
  };
}

/** What no cipher takes: transforms that make no suite, and keys that do not fit. AH is told by encryption 0. */
export function cipherKeyProblem(key: Omit<CipherKey, "esn" | "direction">): SuiteProblem | undefined {
  const integrity = integrityTransform(key.integrity);
  if (key.integrity !== Integrity.NONE && integrity === undefined)
    return { problem: `integrity transform ${key.integrity} is unknown`, remedy: "choose one of the registry" };
  const encryption = encryptionTransform(key.encryption, key.encryptionKey.length);
  if (key.encryption !== Encryption.NONE && encryption === undefined) return unknownEncryption(key);
  const fault = suiteFault({ encryption, integrity }, key.encryption === Encryption.NONE ? "ah" : "esp");
  if (fault !== undefined) return fault;
  const unkeyed = { name: "an AEAD's integrity", keyOctets: 0, saltOctets: 0 };
  return keyLengthProblem(key.integrityKey.length, integrity ?? unkeyed);
}

function unknownEncryption({
  encryption,
  encryptionKey,
}: Pick<CipherKey, "encryption" | "encryptionKey">): SuiteProblem {
  const candidates = ENCRYPTION_TRANSFORMS.filter((t) => t.id === encryption);
  if (candidates.length === 0)
    return { problem: `encryption transform ${encryption} is unknown`, remedy: "choose one of the registry" };
  const needs = candidates.map((t) => `${t.keyOctets} (${t.name})`).join(", ");
  return {
    problem: `key is ${encryptionKey.length} octets, the algorithm needs ${needs}`,
    remedy: `give ${candidates.map((t) => t.keyOctets * 2).join(" or ")} hex digits`,
  };
}
