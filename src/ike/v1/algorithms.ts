/** Our registries' IDs (IANA's of IKEv2) ↔ the numbers IANA gives IKEv1; what has none there cannot be negotiated. */

import { KeMethod } from "#crypto/key-exchange";
import { Encryption, Integrity } from "#crypto/transforms";
import { AhTransform, AuthenticationAlgorithm, EspTransform, IsakmpEncryption, IsakmpHash } from "#wire/ike/v1/numbers";

type Pairs = readonly (readonly [ours: number, theirs: number])[];

/** One table, both directions. */
class NumberMap {
  readonly #wire: ReadonlyMap<number, number>;
  readonly #own: ReadonlyMap<number, number>;

  constructor(pairs: Pairs) {
    this.#wire = new Map(pairs);
    this.#own = new Map(pairs.map(([ours, theirs]) => [theirs, ours]));
  }

  toWire(own: number): number | undefined {
    return this.#wire.get(own);
  }

  toOwn(wire: number): number | undefined {
    return this.#own.get(wire);
  }
}

/** RFC 2409 appendix A: an ISAKMP SA's ciphers are CBC alone. */
export const ISAKMP_ENCRYPTION: NumberMap = new NumberMap([
  [Encryption.DES, IsakmpEncryption.DES_CBC],
  [Encryption.TRIPLE_DES, IsakmpEncryption.TRIPLE_DES_CBC],
  [Encryption.AES_CBC, IsakmpEncryption.AES_CBC],
]);

/** RFC 2409 appendix A: the hash, whose HMAC is the PRF too. Ours are the integrity transforms. */
export const ISAKMP_HASH: NumberMap = new NumberMap([
  [Integrity.HMAC_MD5_96, IsakmpHash.MD5],
  [Integrity.HMAC_SHA1_96, IsakmpHash.SHA],
  [Integrity.HMAC_SHA2_256_128, IsakmpHash.SHA2_256],
  [Integrity.HMAC_SHA2_384_192, IsakmpHash.SHA2_384],
  [Integrity.HMAC_SHA2_512_256, IsakmpHash.SHA2_512],
]);

/** RFC 2407 §4.4.4: GMAC alone has another number than in IKEv2. */
export const ESP_TRANSFORM: NumberMap = new NumberMap([
  [Encryption.DES, EspTransform.ESP_DES],
  [Encryption.TRIPLE_DES, EspTransform.ESP_3DES],
  [Encryption.NULL, EspTransform.ESP_NULL],
  [Encryption.AES_CBC, EspTransform.ESP_AES_CBC],
  [Encryption.AES_CTR, EspTransform.ESP_AES_CTR],
  [Encryption.AES_CCM_8, EspTransform.ESP_AES_CCM_8],
  [Encryption.AES_CCM_12, EspTransform.ESP_AES_CCM_12],
  [Encryption.AES_CCM_16, EspTransform.ESP_AES_CCM_16],
  [Encryption.AES_GCM_8, EspTransform.ESP_AES_GCM_8],
  [Encryption.AES_GCM_12, EspTransform.ESP_AES_GCM_12],
  [Encryption.AES_GCM_16, EspTransform.ESP_AES_GCM_16],
  [Encryption.NULL_AUTH_AES_GMAC, EspTransform.ESP_NULL_AUTH_AES_GMAC],
]);

/** RFC 2407 §4.5; CMAC has no number. */
export const AUTHENTICATION: NumberMap = new NumberMap([
  [Integrity.HMAC_MD5_96, AuthenticationAlgorithm.HMAC_MD5],
  [Integrity.HMAC_SHA1_96, AuthenticationAlgorithm.HMAC_SHA],
  [Integrity.HMAC_SHA2_256_128, AuthenticationAlgorithm.HMAC_SHA2_256],
  [Integrity.HMAC_SHA2_384_192, AuthenticationAlgorithm.HMAC_SHA2_384],
  [Integrity.HMAC_SHA2_512_256, AuthenticationAlgorithm.HMAC_SHA2_512],
  [Integrity.AES_XCBC_96, AuthenticationAlgorithm.AES_XCBC_MAC],
  [Integrity.AES_128_GMAC, AuthenticationAlgorithm.AES_128_GMAC],
  [Integrity.AES_192_GMAC, AuthenticationAlgorithm.AES_192_GMAC],
  [Integrity.AES_256_GMAC, AuthenticationAlgorithm.AES_256_GMAC],
]);

/** RFC 2407 §4.4.3: AH says its algorithm twice, as transform and as attribute. */
export const AH_TRANSFORM: NumberMap = new NumberMap([
  [Integrity.HMAC_MD5_96, AhTransform.AH_MD5],
  [Integrity.HMAC_SHA1_96, AhTransform.AH_SHA],
  [Integrity.HMAC_SHA2_256_128, AhTransform.AH_SHA2_256],
  [Integrity.HMAC_SHA2_384_192, AhTransform.AH_SHA2_384],
  [Integrity.HMAC_SHA2_512_256, AhTransform.AH_SHA2_512],
  [Integrity.AES_XCBC_96, AhTransform.AH_AES_XCBC_MAC],
  [Integrity.AES_128_GMAC, AhTransform.AH_AES_128_GMAC],
  [Integrity.AES_192_GMAC, AhTransform.AH_AES_192_GMAC],
  [Integrity.AES_256_GMAC, AhTransform.AH_AES_256_GMAC],
]);

/** RFC 2409 §6, RFC 3526, RFC 5903, RFC 6932: the same numbers as in IKEv2, as far as there are any. */
const GROUPS: ReadonlySet<number> = new Set<number>([
  KeMethod.MODP_768,
  KeMethod.MODP_1024,
  KeMethod.MODP_1536,
  KeMethod.MODP_2048,
  KeMethod.MODP_3072,
  KeMethod.MODP_4096,
  KeMethod.MODP_6144,
  KeMethod.MODP_8192,
  KeMethod.ECP_256,
  KeMethod.ECP_384,
  KeMethod.ECP_521,
  KeMethod.BRAINPOOL_P256R1,
  KeMethod.BRAINPOOL_P384R1,
  KeMethod.BRAINPOOL_P512R1,
]);

/** Whether a KE method is a group of IKEv1 too: X25519, X448 and ML-KEM are not. */
export function isGroup(method: number): boolean {
  return GROUPS.has(method);
}
