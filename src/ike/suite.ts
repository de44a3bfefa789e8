/** A chosen proposal as algorithms with their sizes: what keys an IKE SA or a Child SA needs, and its name. */
import type { SuiteIds } from "#core/child-sa-spec";
import { assert } from "#core/errors";
import { ADDITIONAL_KEY_EXCHANGES, type Transform, TransformType } from "#core/proposal";
import { type KeyExchange, keyExchangeById } from "#crypto/key-exchange";
import { type Prf, prfById } from "#crypto/prf";
import {
  ENCRYPTION_TRANSFORMS,
  Encryption,
  type EncryptionTransform,
  encryptionTransform,
  type IntegrityTransform,
  integrityTransform,
} from "#crypto/transforms";

/** One of RFC 9370's up to seven. */
export interface AdditionalKeyExchange {
  /** TransformType.ADDKE1 … ADDKE7; they run in this order. */
  readonly type: number;
  readonly method: KeyExchange;
}

export interface IkeSuite {
  readonly encryption: EncryptionTransform;
  /** undefined for an AEAD. */
  readonly integrity: IntegrityTransform | undefined;
  readonly prf: Prf;
  readonly keyExchange: KeyExchange;
  readonly additional: readonly AdditionalKeyExchange[];
}

/** The same as numbers: the registry's rows are no plain data. */
export interface FrozenIkeSuite {
  readonly encryption: number;
  readonly encryptionOctets: number;
  readonly integrity: number | undefined;
  readonly prf: number;
  readonly keyExchange: number;
  readonly additional: readonly { readonly type: number; readonly method: number }[];
}

export function freezeIkeSuite({ encryption, integrity, prf, keyExchange, additional }: IkeSuite): FrozenIkeSuite {
  return {
    encryption: encryption.id,
    encryptionOctets: encryption.keyOctets,
    integrity: integrity?.id,
    prf: prf.id,
    keyExchange: keyExchange.id,
    additional: additional.map(({ type, method }) => ({ type, method: method.id })),
  };
}

/** Fails where the program that froze it knew algorithms that this one does not. */
export function thawIkeSuite(frozen: FrozenIkeSuite): IkeSuite {
  const encryption = encryptionTransform(frozen.encryption, frozen.encryptionOctets);
  const integrity = frozen.integrity === undefined ? undefined : integrityTransform(frozen.integrity);
  const prf = prfById(frozen.prf);
  const keyExchange = keyExchangeById(frozen.keyExchange);
  assert(encryption !== undefined && prf !== undefined && keyExchange !== undefined, "a frozen suite is known");
  assert(frozen.integrity === undefined || integrity !== undefined, "a frozen suite is known");
  const additional = frozen.additional.map(({ type, method }) => {
    const row = keyExchangeById(method);
    assert(row !== undefined, "a frozen suite is known");
    return { type, method: row };
  });
  return { encryption, integrity, prf, keyExchange, additional };
}

export interface ChildSuite {
  readonly protocol: "esp" | "ah";
  /** undefined for AH. */
  readonly encryption: EncryptionTransform | undefined;
  /** undefined for an AEAD. */
  readonly integrity: IntegrityTransform | undefined;
  /** undefined: keyed from the IKE SA alone. */
  readonly keyExchange: KeyExchange | undefined;
  readonly additional: readonly AdditionalKeyExchange[];
  readonly esn: boolean;
}

/** The Key Length attribute of ciphers with keys of one length: it is never sent (RFC 7296 §3.3.5). */
const FIXED_KEY: ReadonlySet<number> = new Set<number>([
  Encryption.DES,
  Encryption.TRIPLE_DES,
  Encryption.NULL,
  Encryption.CHACHA20_POLY1305,
]);

/** The registry's row for a transform of type ENCR; undefined for unknown ones and key lengths that do not belong. */
export function encryptionOf({ id, keyBits }: Transform): EncryptionTransform | undefined {
  return ENCRYPTION_TRANSFORMS.find(
    (row) => row.id === id && (FIXED_KEY.has(id) ? 0 : (row.keyOctets - row.saltOctets) * 8) === keyBits,
  );
}

/** Of each type one at most, as a chosen proposal has it. */
function only(chosen: readonly Transform[], type: number): Transform | undefined {
  const found = chosen.filter((transform) => transform.type === type && transform.id !== 0);
  return found.length === 1 ? found[0] : undefined;
}

function additionalOf(chosen: readonly Transform[]): readonly AdditionalKeyExchange[] | undefined {
  const additional: AdditionalKeyExchange[] = [];
  for (const type of ADDITIONAL_KEY_EXCHANGES) {
    const transform = only(chosen, type);
    if (transform === undefined) continue;
    const method = keyExchangeById(transform.id);
    if (method === undefined) return undefined;
    additional.push({ type, method });
  }
  return additional;
}

/** Whether each type occurs once at most, and only types that `allowed` names. */
function isChoice(chosen: readonly Transform[], allowed: readonly number[]): boolean {
  const types = chosen.map(({ type }) => type);
  return new Set(types).size === types.length && types.every((type) => allowed.includes(type));
}

/** The transforms of a chosen IKE proposal; undefined when they are not known or not a whole suite (RFC 7296 §3.3.3). */
export function ikeSuite(chosen: readonly Transform[]): IkeSuite | undefined {
  const { ENCR, PRF, INTEG, KE } = TransformType;
  if (!isChoice(chosen, [ENCR, PRF, INTEG, KE, ...ADDITIONAL_KEY_EXCHANGES])) return undefined;
  const ciphers = ciphersOf(chosen);
  const prf = prfById(only(chosen, PRF)?.id ?? 0);
  const keyExchange = keyExchangeById(only(chosen, KE)?.id ?? 0);
  const additional = additionalOf(chosen);
  if (ciphers?.encryption === undefined || prf === undefined || keyExchange === undefined || additional === undefined)
    return undefined;
  const { encryption, integrity } = ciphers;
  // IKE messages are always encrypted, and GMAC alone does not encrypt.
  if (encryption.id === Encryption.NULL || encryption.id === Encryption.NULL_AUTH_AES_GMAC) return undefined;
  return { encryption, integrity, prf, keyExchange, additional };
}

/** RFC 5282 §8: an AEAD stands without an integrity transform, any other cipher with one. */
function ciphersOf(
  chosen: readonly Transform[],
): { encryption: EncryptionTransform | undefined; integrity: IntegrityTransform | undefined } | undefined {
  const encr = only(chosen, TransformType.ENCR);
  const integ = only(chosen, TransformType.INTEG);
  const encryption = encr && encryptionOf(encr);
  const integrity = integ && integrityTransform(integ.id);
  if ((encr !== undefined && encryption === undefined) || (integ !== undefined && integrity === undefined))
    return undefined;
  if (encryption !== undefined && (encryption.aead === (integrity !== undefined) || integrity?.ahOnly === true))
    return undefined;
  return { encryption, integrity };
}

/** The transforms of a chosen ESP or AH proposal; undefined when they are not known or not a whole suite. */
export function childSuite(protocol: "esp" | "ah", chosen: readonly Transform[]): ChildSuite | undefined {
  const { ENCR, INTEG, KE, ESN } = TransformType;
  if (!isChoice(chosen, [ENCR, INTEG, KE, ESN, ...ADDITIONAL_KEY_EXCHANGES])) return undefined;
  const ciphers = ciphersOf(chosen);
  const additional = additionalOf(chosen);
  if (ciphers === undefined || additional === undefined) return undefined;
  const { encryption, integrity } = ciphers;
  if (protocol === "esp" ? encryption === undefined : encryption !== undefined || integrity === undefined)
    return undefined;
  const ke = only(chosen, KE);
  const keyExchange = ke && keyExchangeById(ke.id);
  if ((ke !== undefined && keyExchange === undefined) || (ke === undefined && additional.length > 0)) return undefined;
  const esn = chosen.some(({ type, id }) => type === ESN && id === 1);
  return { protocol, encryption, integrity, keyExchange, additional, esn };
}

/** As the data plane takes it. */
export function suiteIds({ encryption, integrity }: ChildSuite): SuiteIds {
  return { encryption: encryption?.id ?? 0, integrity: integrity?.id ?? 0 };
}

function joined(parts: readonly (string | undefined)[], additional: readonly AdditionalKeyExchange[]): string {
  const ke = additional.map(({ type, method }) => `ke${type - TransformType.ADDKE1 + 1}_${method.name}`);
  return [...parts, ...ke].filter((part) => part !== undefined).join("-");
}

/** As swanctl.conf writes it: "aes256gcm16-prfsha384-ecp384"; the PRF is left out where the integrity implies it. */
export function ikeSuiteName({ encryption, integrity, prf, keyExchange, additional }: IkeSuite): string {
  const implied = integrity !== undefined && prf.integrity === integrity.id;
  return joined([encryption.name, integrity?.name, implied ? undefined : prf.name, keyExchange.name], additional);
}

/** As swanctl.conf writes it: "aes128gcm16-x25519-esn". */
export function childSuiteName({ encryption, integrity, keyExchange, additional, esn }: ChildSuite): string {
  return joined([encryption?.name, integrity?.name, keyExchange?.name], additional) + (esn ? "-esn" : "");
}
