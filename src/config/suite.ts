/** Names of suites and the rules about them: "aes128gcm16", "aes256-sha256", "null-sha1", for AH "sha256" or "aes128gmac". */
import type { Protocol, SuiteIds } from "#core/child-sa-spec";
import { nearest } from "#core/nearest";
import { type Suite, type SuiteProblem, suiteFault } from "#crypto/suite";
import {
  ENCRYPTION_TRANSFORMS,
  Encryption,
  encryptionByName,
  INTEGRITY_TRANSFORMS,
  integrityByName,
} from "#crypto/transforms";

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
  const encryption = encryptionByName(name);
  const integrity = integrityByName(second ?? name);
  if (encryption === undefined && integrity === undefined)
    return unknownTransform(
      second ?? name,
      INTEGRITY_TRANSFORMS.map((t) => t.name),
    );
  // "aes128gmac" names both kinds; for AH it is the integrity transform.
  const suite = { encryption: integrityByName(name) === undefined ? encryption : undefined, integrity };
  return suiteFault(suite, "ah") ?? suite;
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
  const integrity = second === undefined ? undefined : integrityByName(second);
  if (second !== undefined && integrity === undefined)
    return unknownTransform(
      second,
      INTEGRITY_TRANSFORMS.filter((t) => !t.ahOnly).map((t) => t.name),
    );
  return suiteFault({ encryption, integrity }, "esp") ?? { encryption, integrity };
}

function unknownTransform(name: string, known: readonly string[]): SuiteProblem {
  const meant = nearest(name, known);
  return {
    problem: `"${name}" is no transform that is known here`,
    remedy: meant === undefined ? `choose ${known.join(", ")}` : `did you mean "${meant}"?`,
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
