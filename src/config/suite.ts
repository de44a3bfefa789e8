/** Names of suites and the rules about them: "aes128gcm16", "aes256-sha256", "null-sha1", for AH "sha256" or "aes128gmac". */
import type { Protocol, SuiteIds } from "#core/child-sa-spec";
import { nearest } from "#core/nearest";
import {
  ENCRYPTION_TRANSFORMS,
  Encryption,
  type EncryptionTransform,
  encryptionByName,
  INTEGRITY_TRANSFORMS,
  type IntegrityTransform,
  integrityByName,
} from "#crypto/transforms";

/** A suite by its transforms; AH has no encryption, an AEAD no integrity of its own. */
export interface Suite {
  readonly encryption: EncryptionTransform | undefined;
  readonly integrity: IntegrityTransform | undefined;
}

export interface SuiteProblem {
  readonly problem: string;
  readonly remedy: string;
}

export const WEAK_NAMES: readonly string[] = [...ENCRYPTION_TRANSFORMS, ...INTEGRITY_TRANSFORMS]
  .filter((transform) => transform.weak !== undefined)
  .map((transform) => transform.name);

export function suiteIds({ encryption, integrity }: Suite): SuiteIds {
  return { encryption: encryption?.id ?? 0, integrity: integrity?.id ?? 0 };
}

/** The same (key, sequence number) twice would break these ciphers: the sequence number is their nonce. */
export function isCounterMode({ encryption, integrity }: Suite): boolean {
  return encryption?.aead === true || encryption?.id === Encryption.AES_CTR || integrity?.ahOnly === true;
}

export function isSuite(result: Suite | SuiteProblem): result is Suite {
  return "encryption" in result;
}

export function parseSuite(text: string, protocol: Protocol): Suite | SuiteProblem {
  const [first = "", second, ...rest] = text.split("-");
  if (rest.length > 0)
    return {
      problem: `"${text}" names more than two transforms`,
      remedy: "write encryption-integrity, or an AEAD alone",
    };
  return protocol === "ah" ? parseAh(first, second) : parseEsp(first, second);
}

function parseAh(name: string, second: string | undefined): Suite | SuiteProblem {
  const integrity = integrityByName(name);
  if (integrity !== undefined && second === undefined) return { encryption: undefined, integrity };
  const meant = integrityByName(second ?? "")?.name;
  if (integrity !== undefined || encryptionByName(name) !== undefined)
    return {
      problem: "AH does not encrypt (RFC 4302)",
      remedy: `name one integrity transform, for example "${meant ?? "sha256"}", or take protocol "esp"`,
    };
  return unknownTransform(
    name,
    INTEGRITY_TRANSFORMS.map((t) => t.name),
  );
}

function parseEsp(name: string, second: string | undefined): Suite | SuiteProblem {
  const encryption = encryptionByName(name);
  if (encryption === undefined) {
    if (integrityByName(name) !== undefined)
      return { problem: `${name} is integrity alone`, remedy: `ESP without encryption is "null-${name}"` };
    return unknownTransform(
      name,
      ENCRYPTION_TRANSFORMS.map((t) => t.name),
    );
  }
  if (encryption.aead) {
    if (second === undefined) return { encryption, integrity: undefined };
    return { problem: `${name} has integrity of its own (RFC 8221 §5)`, remedy: `write "${name}" alone` };
  }
  if (second === undefined)
    return {
      problem: `${name} without integrity can be forged, and then read (RFC 8221 §4)`,
      remedy: `write "${name}-sha256", or better "aes128gcm16"`,
    };
  const integrity = integrityByName(second);
  if (integrity === undefined)
    return unknownTransform(
      second,
      INTEGRITY_TRANSFORMS.filter((t) => !t.ahOnly).map((t) => t.name),
    );
  if (integrity.ahOnly)
    return {
      problem: `${second} beside encryption is not defined for ESP`,
      remedy: `write "${second}" alone (RFC 4543)`,
    };
  return { encryption, integrity };
}

function unknownTransform(name: string, known: readonly string[]): SuiteProblem {
  const meant = nearest(name, known);
  return {
    problem: `"${name}" is no transform that is known here`,
    remedy: meant === undefined ? `choose ${known.join(", ")}` : `did you mean "${meant}"?`,
  };
}

/** One problem for each weak transform that was not allowed by name. */
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

/** Says what is wrong with the length of a key, or undefined. */
export function keyLengthProblem(
  octets: number,
  transform: EncryptionTransform | IntegrityTransform,
): SuiteProblem | undefined {
  const { name, keyOctets, saltOctets } = transform;
  if (octets === keyOctets) return undefined;
  const parts = saltOctets === 0 ? "" : ` (${keyOctets - saltOctets} key + ${saltOctets} salt)`;
  return {
    problem: `key is ${octets} octets, ${name} needs ${keyOctets}${parts}`,
    remedy: keyOctets === 0 ? "remove it" : `give ${keyOctets * 2} hex digits`,
  };
}

/** With two equal neighbours 3DES is DES under the third key. */
export function tripleDesKeyProblem(key: Uint8Array): SuiteProblem | undefined {
  const equal = (a: number, b: number) => key.subarray(a, a + 8).every((octet, i) => (octet ^ (key[b + i] ?? 0)) < 2);
  if (!equal(0, 8) && !equal(8, 16)) return undefined;
  return {
    problem: "two neighbouring parts of the 3DES key are equal: that is DES",
    remedy: "make three different parts",
  };
}
