/**
 * The one registry of ESP and AH transforms: IANA's IDs (IKEv2 transform types 1 and 3), sizes in octets, RFC, strength.
 * Everything else asks here: configuration for names and key lengths, the engine for IV, padding and ICV, ciphers for IDs.
 */

/** IANA IKEv2 "Transform Type 1 - Encryption Algorithm Transform IDs". */
export const Encryption = {
  NONE: 0,
  DES: 2,
  TRIPLE_DES: 3,
  NULL: 11,
  AES_CBC: 12,
  AES_CTR: 13,
  AES_CCM_8: 14,
  AES_CCM_12: 15,
  AES_CCM_16: 16,
  AES_GCM_8: 18,
  AES_GCM_12: 19,
  AES_GCM_16: 20,
  NULL_AUTH_AES_GMAC: 21,
  CHACHA20_POLY1305: 28,
} as const;

/** IANA IKEv2 "Transform Type 3 - Integrity Algorithm Transform IDs". */
export const Integrity = {
  NONE: 0,
  HMAC_MD5_96: 1,
  HMAC_SHA1_96: 2,
  AES_XCBC_96: 5,
  AES_CMAC_96: 8,
  AES_128_GMAC: 9,
  AES_192_GMAC: 10,
  AES_256_GMAC: 11,
  HMAC_SHA2_256_128: 12,
  HMAC_SHA2_384_192: 13,
  HMAC_SHA2_512_256: 14,
} as const;

export interface EncryptionTransform {
  readonly name: string;
  readonly id: number;
  /** Octets of key material: the cipher's key and, at its end, the salt or nonce. */
  readonly keyOctets: number;
  readonly saltOctets: number;
  /** Octets of IV in each packet. */
  readonly ivOctets: number;
  /** Ciphertext is a multiple of this; ESP itself wants 4 (RFC 4303 §2.4). */
  readonly blockOctets: number;
  /** ICV octets of a combined mode; 0 where an integrity transform must be added. */
  readonly icvOctets: number;
  readonly aead: boolean;
  /** Strength in bits, as shown to people (S9). */
  readonly bits: number;
  /** Why it is legacy, or undefined when it may be used without saying so. */
  readonly weak: string | undefined;
  readonly rfc: string;
}

export interface IntegrityTransform {
  readonly name: string;
  readonly id: number;
  /** Octets of key material, for GMAC with the salt at its end. */
  readonly keyOctets: number;
  readonly saltOctets: number;
  /** Octets of IV that stand in front of the ICV inside AH's ICV field: GMAC only (RFC 4543 §4). */
  readonly ivOctets: number;
  readonly icvOctets: number;
  /** GMAC is for AH only; ESP has ENCR_NULL_AUTH_AES_GMAC instead. */
  readonly ahOnly: boolean;
  readonly weak: string | undefined;
  readonly rfc: string;
}

const SWEET32 = "64-bit blocks collide after some gigabytes (RFC 8221 §5)";
const DES_KEY = "56-bit keys are searched in a day (RFC 8221 §5)";
const MD5 = "MD5 is broken (RFC 8221 §6)";

type EncryptionRow = readonly [
  name: string,
  id: number,
  keyOctets: number,
  saltOctets: number,
  ivOctets: number,
  blockOctets: number,
  icvOctets: number,
  bits: number,
  rfc: string,
  weak?: string,
];

function aes(
  suffix: string,
  id: number,
  salt: number,
  iv: number,
  block: number,
  icv: number,
  rfc: string,
): EncryptionRow[] {
  return [16, 24, 32].map((key) => [`aes${key * 8}${suffix}`, id, key + salt, salt, iv, block, icv, key * 8, rfc]);
}

const ENCRYPTION_ROWS: readonly EncryptionRow[] = [
  ...aes("gcm16", Encryption.AES_GCM_16, 4, 8, 4, 16, "RFC 4106"),
  ...aes("gcm12", Encryption.AES_GCM_12, 4, 8, 4, 12, "RFC 4106"),
  ...aes("gcm8", Encryption.AES_GCM_8, 4, 8, 4, 8, "RFC 4106"),
  ...aes("ccm16", Encryption.AES_CCM_16, 3, 8, 4, 16, "RFC 4309"),
  ...aes("ccm12", Encryption.AES_CCM_12, 3, 8, 4, 12, "RFC 4309"),
  ...aes("ccm8", Encryption.AES_CCM_8, 3, 8, 4, 8, "RFC 4309"),
  ["chacha20poly1305", Encryption.CHACHA20_POLY1305, 36, 4, 8, 4, 16, 256, "RFC 7634"],
  ...aes("gmac", Encryption.NULL_AUTH_AES_GMAC, 4, 8, 4, 16, "RFC 4543"),
  ...aes("", Encryption.AES_CBC, 0, 16, 16, 0, "RFC 3602"),
  ...aes("ctr", Encryption.AES_CTR, 4, 8, 4, 0, "RFC 3686"),
  ["3des", Encryption.TRIPLE_DES, 24, 0, 8, 8, 0, 112, "RFC 2451", SWEET32],
  ["des", Encryption.DES, 8, 0, 8, 8, 0, 56, "RFC 2405", DES_KEY],
  ["null", Encryption.NULL, 0, 0, 0, 4, 0, 0, "RFC 2410"],
];

const AEAD_IDS: ReadonlySet<number> = new Set<number>([
  Encryption.AES_GCM_16,
  Encryption.AES_GCM_12,
  Encryption.AES_GCM_8,
  Encryption.AES_CCM_16,
  Encryption.AES_CCM_12,
  Encryption.AES_CCM_8,
  Encryption.CHACHA20_POLY1305,
  Encryption.NULL_AUTH_AES_GMAC,
]);

export const ENCRYPTION_TRANSFORMS: readonly EncryptionTransform[] = ENCRYPTION_ROWS.map(
  ([name, id, keyOctets, saltOctets, ivOctets, blockOctets, icvOctets, bits, rfc, weak]) => ({
    name,
    id,
    keyOctets,
    saltOctets,
    ivOctets,
    blockOctets,
    icvOctets,
    bits,
    rfc,
    weak,
    aead: AEAD_IDS.has(id),
  }),
);

/** Tag octets of the AEADs that encrypt, by transform ID. */
export const AEAD_TAG_OCTETS: ReadonlyMap<number, number> = new Map(
  ENCRYPTION_TRANSFORMS.filter((t) => t.aead && t.id !== Encryption.NULL_AUTH_AES_GMAC).map((t) => [t.id, t.icvOctets]),
);

type IntegrityRow = readonly [
  name: string,
  id: number,
  keyOctets: number,
  icvOctets: number,
  rfc: string,
  weak?: string | undefined,
  saltOctets?: number,
];

const INTEGRITY_ROWS: readonly IntegrityRow[] = [
  ["sha256", Integrity.HMAC_SHA2_256_128, 32, 16, "RFC 4868"],
  ["sha384", Integrity.HMAC_SHA2_384_192, 48, 24, "RFC 4868"],
  ["sha512", Integrity.HMAC_SHA2_512_256, 64, 32, "RFC 4868"],
  ["sha1", Integrity.HMAC_SHA1_96, 20, 12, "RFC 2404"],
  ["md5", Integrity.HMAC_MD5_96, 16, 12, "RFC 2403", MD5],
  ["aesxcbc", Integrity.AES_XCBC_96, 16, 12, "RFC 3566"],
  ["aescmac", Integrity.AES_CMAC_96, 16, 12, "RFC 4494"],
  ["aes128gmac", Integrity.AES_128_GMAC, 20, 16, "RFC 4543", undefined, 4],
  ["aes192gmac", Integrity.AES_192_GMAC, 28, 16, "RFC 4543", undefined, 4],
  ["aes256gmac", Integrity.AES_256_GMAC, 36, 16, "RFC 4543", undefined, 4],
];

export const INTEGRITY_TRANSFORMS: readonly IntegrityTransform[] = INTEGRITY_ROWS.map(
  ([name, id, keyOctets, icvOctets, rfc, weak, saltOctets = 0]) => ({
    name,
    id,
    keyOctets,
    icvOctets,
    rfc,
    weak,
    saltOctets,
    ivOctets: saltOctets === 0 ? 0 : 8,
    ahOnly: saltOctets !== 0,
  }),
);

/** Key octets tell AES's three sizes apart. */
export function encryptionTransform(id: number, keyOctets: number): EncryptionTransform | undefined {
  return ENCRYPTION_TRANSFORMS.find((t) => t.id === id && t.keyOctets === keyOctets);
}

export function integrityTransform(id: number): IntegrityTransform | undefined {
  return INTEGRITY_TRANSFORMS.find((t) => t.id === id);
}

export function encryptionByName(name: string): EncryptionTransform | undefined {
  return ENCRYPTION_TRANSFORMS.find((t) => t.name === name);
}

export function integrityByName(name: string): IntegrityTransform | undefined {
  return INTEGRITY_TRANSFORMS.find((t) => t.name === name);
}
