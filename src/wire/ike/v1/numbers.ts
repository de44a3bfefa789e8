/** Numbers of IKEv1 that messages carry, once: IANA's "Internet Key Exchange (IKE) Attributes", "ISAKMP Registries". */
import { nameOf } from "#wire/ike/numbers";

/** RFC 2408 §3.1. */
export const IsakmpFlag = { ENCRYPTION: 0x01, COMMIT: 0x02, AUTHENTICATION_ONLY: 0x04 } as const;

/** RFC 2408 §3.1 (main mode is its Identity Protection), RFC 2409 appendix A, draft-ietf-ipsec-isakmp-mode-cfg §3. */
export const Exchange = {
  BASE: 1,
  MAIN_MODE: 2,
  AUTHENTICATION_ONLY: 3,
  AGGRESSIVE: 4,
  INFORMATIONAL: 5,
  TRANSACTION: 6,
  QUICK_MODE: 32,
  NEW_GROUP_MODE: 33,
} as const;
export type Exchange = (typeof Exchange)[keyof typeof Exchange];

/**
 * RFC 2408 §3.1, RFC 3947 §3.2 and §5.2 (130 and 131: its drafts 02 and 03), MS-IKEE §2.2 (FRAG);
 * the kinds of wire/ike/v1/chain.ts are these names.
 */
export const PayloadType = {
  NONE: 0,
  SA: 1,
  P: 2,
  T: 3,
  KE: 4,
  ID: 5,
  CERT: 6,
  CR: 7,
  HASH: 8,
  SIG: 9,
  NONCE: 10,
  N: 11,
  D: 12,
  VID: 13,
  ATTRIBUTES: 14,
  "NAT-D": 20,
  "NAT-OA": 21,
  "NAT-D-DRAFT": 130,
  "NAT-OA-DRAFT": 131,
  FRAG: 132,
} as const;
export type PayloadType = (typeof PayloadType)[keyof typeof PayloadType];

/** RFC 2407 §4.2; ISAKMP itself is 0. */
export const Doi = { ISAKMP: 0, IPSEC: 1 } as const;

/** RFC 2407 §4.2. */
export const Situation = { SIT_IDENTITY_ONLY: 1, SIT_SECRECY: 2, SIT_INTEGRITY: 4 } as const;

/** RFC 2407 §4.4.1. */
export const Protocol = { ISAKMP: 1, IPSEC_AH: 2, IPSEC_ESP: 3, IPCOMP: 4 } as const;

/** Below this a notification is an error (RFC 2408 §3.14.1). */
export const FIRST_STATUS_NOTIFY = 16384;

/** RFC 2408 §3.14.1, RFC 2407 §4.6.3, RFC 3706 §5.3, MS-IKEE §2.2.5; the registry writes hyphens. */
export const NotifyType = {
  INVALID_PAYLOAD_TYPE: 1,
  DOI_NOT_SUPPORTED: 2,
  SITUATION_NOT_SUPPORTED: 3,
  INVALID_COOKIE: 4,
  INVALID_MAJOR_VERSION: 5,
  INVALID_MINOR_VERSION: 6,
  INVALID_EXCHANGE_TYPE: 7,
  INVALID_FLAGS: 8,
  INVALID_MESSAGE_ID: 9,
  INVALID_PROTOCOL_ID: 10,
  INVALID_SPI: 11,
  INVALID_TRANSFORM_ID: 12,
  ATTRIBUTES_NOT_SUPPORTED: 13,
  NO_PROPOSAL_CHOSEN: 14,
  BAD_PROPOSAL_SYNTAX: 15,
  PAYLOAD_MALFORMED: 16,
  INVALID_KEY_INFORMATION: 17,
  INVALID_ID_INFORMATION: 18,
  INVALID_CERT_ENCODING: 19,
  INVALID_CERTIFICATE: 20,
  CERT_TYPE_UNSUPPORTED: 21,
  INVALID_CERT_AUTHORITY: 22,
  INVALID_HASH_INFORMATION: 23,
  AUTHENTICATION_FAILED: 24,
  INVALID_SIGNATURE: 25,
  ADDRESS_NOTIFICATION: 26,
  NOTIFY_SA_LIFETIME: 27,
  CERTIFICATE_UNAVAILABLE: 28,
  UNSUPPORTED_EXCHANGE_TYPE: 29,
  UNEQUAL_PAYLOAD_LENGTHS: 30,
  CONNECTED: 16384,
  RESPONDER_LIFETIME: 24576,
  REPLAY_STATUS: 24577,
  INITIAL_CONTACT: 24578,
  R_U_THERE: 36136,
  R_U_THERE_ACK: 36137,
} as const;
export type NotifyType = (typeof NotifyType)[keyof typeof NotifyType];

/** "NO-PROPOSAL-CHOSEN", as the RFCs write it; "unknown (n)" for others. */
export function notifyName(type: number): string {
  return nameOf(NotifyType, type).replaceAll("_", "-");
}

/** RFC 2407 §4.4.2: KEY_IKE, the one transform of phase 1. */
export const KEY_IKE = 1;

/** Of phase 1: RFC 2409 appendix A. */
export const IsakmpAttribute = {
  ENCRYPTION_ALGORITHM: 1,
  HASH_ALGORITHM: 2,
  AUTHENTICATION_METHOD: 3,
  GROUP_DESCRIPTION: 4,
  GROUP_TYPE: 5,
  GROUP_PRIME: 6,
  GROUP_GENERATOR_ONE: 7,
  GROUP_GENERATOR_TWO: 8,
  GROUP_CURVE_A: 9,
  GROUP_CURVE_B: 10,
  LIFE_TYPE: 11,
  LIFE_DURATION: 12,
  PRF: 13,
  KEY_LENGTH: 14,
  FIELD_SIZE: 15,
  GROUP_ORDER: 16,
  /** draft-ietf-ipsec-isakmp-gss-auth §3.2.1 (private use): who a side is, in clear. */
  GSS_IDENTITY_NAME: 16384,
} as const;

/** RFC 2409 appendix A, RFC 3602 §5.1 for AES. */
export const IsakmpEncryption = {
  DES_CBC: 1,
  IDEA_CBC: 2,
  BLOWFISH_CBC: 3,
  RC5_R16_B64_CBC: 4,
  TRIPLE_DES_CBC: 5,
  CAST_CBC: 6,
  AES_CBC: 7,
  CAMELLIA_CBC: 8,
} as const;

/** RFC 2409 appendix A, RFC 4868 for SHA-2. */
export const IsakmpHash = { MD5: 1, SHA: 2, TIGER: 3, SHA2_256: 4, SHA2_384: 5, SHA2_512: 6 } as const;

/** RFC 2409 appendix A, RFC 4754; 65001: draft-ietf-ipsec-isakmp-gss-auth §3.1 (private use). */
export const IsakmpMethod = {
  PRE_SHARED_KEY: 1,
  DSS_SIGNATURES: 2,
  RSA_SIGNATURES: 3,
  RSA_ENCRYPTION: 4,
  RSA_REVISED_ENCRYPTION: 5,
  ECDSA_SHA256_P256: 9,
  ECDSA_SHA384_P384: 10,
  ECDSA_SHA512_P521: 11,
  GSS_API: 65001,
} as const;

/** Both phases: RFC 2409 appendix A, RFC 2407 §4.5. A kilobyte is 1024 octets. */
export const LifeType = { SECONDS: 1, KILOBYTES: 2 } as const;

/** Of phase 2: RFC 2407 §4.5, RFC 4304 §3.2 (ESN), RFC 3168 §9.2.1.1 (ECN). */
export const IpsecAttribute = {
  SA_LIFE_TYPE: 1,
  SA_LIFE_DURATION: 2,
  GROUP_DESCRIPTION: 3,
  ENCAPSULATION_MODE: 4,
  AUTHENTICATION_ALGORITHM: 5,
  KEY_LENGTH: 6,
  KEY_ROUNDS: 7,
  COMPRESS_DICTIONARY_SIZE: 8,
  COMPRESS_PRIVATE_ALGORITHM: 9,
  ECN_TUNNEL: 10,
  EXTENDED_SEQUENCE_NUMBER: 11,
} as const;

/** RFC 2407 §4.5, RFC 3947 §5.1; 61443 and 61444: its drafts 02 and 03. */
export const EncapsulationMode = {
  TUNNEL: 1,
  TRANSPORT: 2,
  UDP_TUNNEL: 3,
  UDP_TRANSPORT: 4,
  DRAFT_UDP_TUNNEL: 61443,
  DRAFT_UDP_TRANSPORT: 61444,
} as const;

/** RFC 2407 §4.5, RFC 4868, RFC 3566, RFC 4543. */
export const AuthenticationAlgorithm = {
  HMAC_MD5: 1,
  HMAC_SHA: 2,
  DES_MAC: 3,
  KPDK: 4,
  HMAC_SHA2_256: 5,
  HMAC_SHA2_384: 6,
  HMAC_SHA2_512: 7,
  HMAC_RIPEMD: 8,
  AES_XCBC_MAC: 9,
  SIG_RSA: 10,
  AES_128_GMAC: 11,
  AES_192_GMAC: 12,
  AES_256_GMAC: 13,
} as const;

/** RFC 2407 §4.4.3, RFC 4868, RFC 3566, RFC 4543. */
export const AhTransform = {
  AH_MD5: 2,
  AH_SHA: 3,
  AH_DES: 4,
  AH_SHA2_256: 5,
  AH_SHA2_384: 6,
  AH_SHA2_512: 7,
  AH_RIPEMD: 8,
  AH_AES_XCBC_MAC: 9,
  AH_RSA: 10,
  AH_AES_128_GMAC: 11,
  AH_AES_192_GMAC: 12,
  AH_AES_256_GMAC: 13,
} as const;

/** RFC 2407 §4.4.4, RFC 3602, RFC 3686, RFC 4309, RFC 4106, RFC 4543. */
export const EspTransform = {
  ESP_DES_IV64: 1,
  ESP_DES: 2,
  ESP_3DES: 3,
  ESP_RC5: 4,
  ESP_IDEA: 5,
  ESP_CAST: 6,
  ESP_BLOWFISH: 7,
  ESP_3IDEA: 8,
  ESP_DES_IV32: 9,
  ESP_RC4: 10,
  ESP_NULL: 11,
  ESP_AES_CBC: 12,
  ESP_AES_CTR: 13,
  ESP_AES_CCM_8: 14,
  ESP_AES_CCM_12: 15,
  ESP_AES_CCM_16: 16,
  ESP_AES_GCM_8: 18,
  ESP_AES_GCM_12: 19,
  ESP_AES_GCM_16: 20,
  ESP_SEED_CBC: 21,
  ESP_CAMELLIA: 22,
  ESP_NULL_AUTH_AES_GMAC: 23,
} as const;
