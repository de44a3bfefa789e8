/** Names of algorithms in proposals, as strongSwan writes them → transforms; each name stands for one transform. */
import { nearest } from "#core/nearest";
import { ADDITIONAL_KEY_EXCHANGES, ProtocolId, type Transform, TransformType } from "#core/proposal";
import { KEY_EXCHANGES, keyExchangeByName } from "#crypto/key-exchange";
import { PRFS, prfByName } from "#crypto/prf";
import {
  ENCRYPTION_TRANSFORMS,
  type EncryptionTransform,
  encryptionByName,
  INTEGRITY_TRANSFORMS,
  type IntegrityTransform,
  integrityByName,
} from "#crypto/transforms";

/** What a name stands for. `weak` says why it is legacy. */
export interface Algorithm extends Transform {
  readonly name: string;
  readonly weak: string | undefined;
  readonly encryption: EncryptionTransform | undefined;
  readonly integrity: IntegrityTransform | undefined;
}

export interface AlgorithmProblem {
  readonly problem: string;
  readonly remedy: string;
}

const PLAIN = { keyBits: 0, weak: undefined, encryption: undefined, integrity: undefined };
/** The ICV in bits, or none for the longest, where the registry has it in octets. */
const TAG_LENGTHS: Readonly<Record<string, string>> = { "": "16", "64": "8", "96": "12", "128": "16" };
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ["aes", "aes128"],
  ["sha", "sha1"],
  ["sha2_256", "sha256"],
  ["sha2_384", "sha384"],
  ["sha2_512", "sha512"],
  ["chacha20poly1305compat", "chacha20poly1305"],
  ["prfsha2_256", "prfsha256"],
  ["prfsha2_384", "prfsha384"],
  ["prfsha2_512", "prfsha512"],
  // The documents' words: Low is group 1, Medium group 2, High 2048 bits, which one of them calls "Group 3" and IANA 14.
  ["low", "modp768"],
  ["medium", "modp1024"],
  ["high", "modp2048"],
  ["grp1", "modp768"],
  ["grp2", "modp1024"],
  ["grp3", "modp2048"],
  ["grp2048", "modp2048"],
]);
/** strongSwan has them, we have not. */
const ELSEWHERE =
  /^(blowfish\d*|camellia\d*(ctr|ccm\d*)?|cast128|serpent\d*|twofish\d*|idea|camelliaxcbc|prfcamelliaxcbc|sha1_160|sha256_96|md5_128|modp1024s160|modp2048s(224|256)|modpnull|ecp(192|224)(bp)?|ntru\d+|newhope\d*)$/;

export function parseAlgorithm(written: string, protocol: ProtocolId): Algorithm | AlgorithmProblem {
  const name = canonical(written.toLowerCase());
  return (
    sequenceNumbers(name) ??
    keyExchange(name) ??
    additionalKeyExchange(name) ??
    pseudorandom(name) ??
    cipher(name, protocol) ??
    unknown(written, name, protocol)
  );
}

export function isAlgorithm(result: Algorithm | AlgorithmProblem): result is Algorithm {
  return "type" in result;
}

function canonical(name: string): string {
  const [, mode = "", tag = ""] = /^(aes(?:128|192|256)[gc]cm)(64|96|128|)$/.exec(name) ?? [];
  if (mode !== "") return `${mode}${TAG_LENGTHS[tag] ?? ""}`;
  const [, number, method] = /^(ke[1-7])_(.+)$/.exec(name) ?? [];
  if (number !== undefined && method !== undefined) return `${number}_${method}`;
  return SYNONYMS.get(name) ?? name;
}

function sequenceNumbers(name: string): Algorithm | undefined {
  if (name !== "esn" && name !== "noesn") return undefined;
  return { ...PLAIN, name, type: TransformType.ESN, id: name === "esn" ? 1 : 0 };
}

function keyExchange(name: string): Algorithm | undefined {
  if (name === "none" || name === "modpnone") return { ...PLAIN, name: "none", type: TransformType.KE, id: 0 };
  const method = keyExchangeByName(name);
  if (method === undefined) return undefined;
  return { ...PLAIN, name: method.name, type: TransformType.KE, id: method.id, weak: method.weak };
}

/** RFC 9370: "ke1_mlkem768"; "ke1_none" makes it optional. */
function additionalKeyExchange(name: string): Algorithm | undefined {
  const [, number, method = ""] = /^ke([1-7])_(.+)$/.exec(name) ?? [];
  const type = ADDITIONAL_KEY_EXCHANGES[Number(number) - 1];
  const algorithm = keyExchange(method);
  return type === undefined || algorithm === undefined ? undefined : { ...algorithm, name, type };
}

function pseudorandom(name: string): Algorithm | undefined {
  const prf = prfByName(name);
  return prf && { ...PLAIN, name, type: TransformType.PRF, id: prf.id, weak: prf.weak };
}

function cipher(name: string, protocol: ProtocolId): Algorithm | undefined {
  const encryption = encryptionByName(name);
  const integrity = integrityByName(name);
  // "aes128gmac" names both kinds; for AH it is the integrity transform.
  if (integrity !== undefined && (encryption === undefined || protocol === ProtocolId.AH))
    return { ...PLAIN, name, type: TransformType.INTEG, id: integrity.id, weak: integrity.weak, integrity };
  if (encryption === undefined) return undefined;
  const { id, weak, keyOctets, saltOctets } = encryption;
  const keyBits = hasKeyLength(id) ? 8 * (keyOctets - saltOctets) : 0;
  return { ...PLAIN, name, type: TransformType.ENCR, id, weak, keyBits, encryption };
}

/** RFC 7296 §3.3.5: only of ciphers with keys of several lengths. */
function hasKeyLength(id: number): boolean {
  return ENCRYPTION_TRANSFORMS.filter((transform) => transform.id === id).length > 1;
}

function unknown(written: string, name: string, protocol: ProtocolId): AlgorithmProblem {
  if (ELSEWHERE.test(name))
    return { problem: `'${written}' is known, and not there`, remedy: "take another, for example aes256 or x25519" };
  const meant = nearest(name, namesFor(protocol));
  return {
    problem: `unknown algorithm '${written}'`,
    remedy: meant === undefined ? `for example ${exampleFor(protocol)}` : `did you mean '${meant}'?`,
  };
}

export function exampleFor(protocol: ProtocolId): string {
  if (protocol === ProtocolId.IKE) return "aes256gcm16-prfsha384-x25519";
  return protocol === ProtocolId.AH ? "sha256-x25519" : "aes256gcm16-x25519";
}

function namesFor(protocol: ProtocolId): string[] {
  const methods = KEY_EXCHANGES.flatMap(({ name, aliases }) => [name, ...aliases]);
  return [
    ...(protocol === ProtocolId.AH ? [] : ENCRYPTION_TRANSFORMS.map(({ name }) => name)),
    ...INTEGRITY_TRANSFORMS.filter(({ ahOnly }) => !ahOnly || protocol === ProtocolId.AH).map(({ name }) => name),
    ...(protocol === ProtocolId.IKE ? PRFS.map(({ name }) => name) : ["esn", "noesn"]),
    ...methods,
    ...methods.map((name) => `ke1_${name}`),
  ];
}
