/** Which algorithms IKEv1 has numbers for (RFC 2409 appendix A, RFC 2407 §4.4 and what IANA added since). */
import { ProtocolId, TransformType } from "#core/proposal";
import { KeMethod } from "#crypto/key-exchange";
import { Encryption, Integrity } from "#crypto/transforms";

interface Named {
  readonly type: number;
  readonly id: number;
  readonly name: string;
}

const GROUPS: ReadonlySet<number> = new Set([
  KeMethod.NONE,
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
const IKE_CIPHERS: ReadonlySet<number> = new Set([Encryption.DES, Encryption.TRIPLE_DES, Encryption.AES_CBC]);
const HASHES: ReadonlySet<number> = new Set([
  Integrity.HMAC_MD5_96,
  Integrity.HMAC_SHA1_96,
  Integrity.HMAC_SHA2_256_128,
  Integrity.HMAC_SHA2_384_192,
  Integrity.HMAC_SHA2_512_256,
]);
/** Of ESP and AH there are more; these came after IKEv1's registries were closed (RFC 7634 §4, RFC 4494 has none). */
const NOT_CIPHERS: ReadonlySet<number> = new Set([Encryption.CHACHA20_POLY1305]);
const NOT_INTEGRITY: ReadonlySet<number> = new Set([Integrity.AES_CMAC_96]);

/** Why IKEv1 cannot offer it; undefined = it can. */
export function strangeToVersion1({ type, id, name }: Named, protocol: ProtocolId): string | undefined {
  const why = `IKEv1 has no number for '${name}', it is not offered`;
  const ike = protocol === ProtocolId.IKE;
  switch (type) {
    case TransformType.KE:
      return GROUPS.has(id) ? undefined : why;
    case TransformType.ENCR:
      return (ike ? IKE_CIPHERS.has(id) : !NOT_CIPHERS.has(id)) ? undefined : why;
    case TransformType.INTEG:
      return (ike ? HASHES.has(id) : !NOT_INTEGRITY.has(id)) ? undefined : why;
    case TransformType.PRF:
      return `IKEv1's PRF is the HMAC of its hash (RFC 2409 §4): '${name}' is not offered`;
    case TransformType.ESN:
      return undefined;
    default:
      return `IKEv1 has one key exchange: '${name}' is not offered`;
  }
}
