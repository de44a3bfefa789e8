/**
 * The one registry of key exchange methods (IANA IKEv2 transform type 4); crypto/key-agreement.ts runs them. A method has
 * public values of fixed length for each side and a shared secret of fixed length.
 */

/** IANA IKEv2 "Transform Type 4 - Key Exchange Method Transform IDs". */
export const KeMethod = {
  NONE: 0,
  MODP_768: 1,
  MODP_1024: 2,
  MODP_1536: 5,
  MODP_2048: 14,
  MODP_3072: 15,
  MODP_4096: 16,
  MODP_6144: 17,
  MODP_8192: 18,
  ECP_256: 19,
  ECP_384: 20,
  ECP_521: 21,
  BRAINPOOL_P256R1: 28,
  BRAINPOOL_P384R1: 29,
  BRAINPOOL_P512R1: 30,
  CURVE25519: 31,
  CURVE448: 32,
  ML_KEM_512: 35,
  ML_KEM_768: 36,
  ML_KEM_1024: 37,
} as const;

export interface KeyExchange {
  /** As swanctl.conf writes it: "ecp384", "x25519". */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly id: number;
  /** Of the KE payload's data, in the request and in the response. */
  readonly initiatorOctets: number;
  readonly responderOctets: number;
  readonly sharedOctets: number;
  /** Strength in bits, as shown to people; ML-KEM's counts against quantum computers too. */
  readonly bits: number;
  /** The responder encapsulates to the initiator's key: the two sides' values differ in kind. */
  readonly kem: boolean;
  /** Why it is legacy, or undefined when it may be used without saying so. */
  readonly weak: string | undefined;
  readonly rfc: string;
}

const LOGJAM = "precomputed for all peers at once (RFC 8247 §2.4)";
const SHORT = "below 112 bits of strength (RFC 8247 §2.4)";

function modp(id: number, modulusBits: number, bits: number, rfc: string, weak?: string): KeyExchange {
  const octets = modulusBits / 8;
  return {
    name: `modp${modulusBits}`,
    aliases: [],
    id,
    initiatorOctets: octets,
    responderOctets: octets,
    sharedOctets: octets,
    bits,
    kem: false,
    weak,
    rfc,
  };
}

function curve(
  names: readonly [string, ...string[]],
  id: number,
  octets: number,
  publicOctets: number,
  bits: number,
  rfc: string,
): KeyExchange {
  const [name, ...aliases] = names;
  return {
    name,
    aliases,
    id,
    initiatorOctets: publicOctets,
    responderOctets: publicOctets,
    sharedOctets: octets,
    bits,
    kem: false,
    weak: undefined,
    rfc,
  };
}

function mlKem(name: string, id: number, initiatorOctets: number, responderOctets: number, bits: number): KeyExchange {
  return {
    name,
    aliases: [],
    id,
    initiatorOctets,
    responderOctets,
    sharedOctets: 32,
    bits,
    kem: true,
    weak: undefined,
    rfc: "FIPS 203",
  };
}

/** Strongest advice first: what a default proposal would take. */
export const KEY_EXCHANGES: readonly KeyExchange[] = [
  curve(["x25519", "curve25519"], KeMethod.CURVE25519, 32, 32, 128, "RFC 8031"),
  curve(["x448", "curve448"], KeMethod.CURVE448, 56, 56, 224, "RFC 8031"),
  curve(["ecp256"], KeMethod.ECP_256, 32, 64, 128, "RFC 5903"),
  curve(["ecp384"], KeMethod.ECP_384, 48, 96, 192, "RFC 5903"),
  curve(["ecp521"], KeMethod.ECP_521, 66, 132, 256, "RFC 5903"),
  curve(["ecp256bp"], KeMethod.BRAINPOOL_P256R1, 32, 64, 128, "RFC 6954"),
  curve(["ecp384bp"], KeMethod.BRAINPOOL_P384R1, 48, 96, 192, "RFC 6954"),
  curve(["ecp512bp"], KeMethod.BRAINPOOL_P512R1, 64, 128, 256, "RFC 6954"),
  mlKem("mlkem512", KeMethod.ML_KEM_512, 800, 768, 128),
  mlKem("mlkem768", KeMethod.ML_KEM_768, 1184, 1088, 192),
  mlKem("mlkem1024", KeMethod.ML_KEM_1024, 1568, 1568, 256),
  modp(KeMethod.MODP_3072, 3072, 128, "RFC 3526"),
  modp(KeMethod.MODP_4096, 4096, 152, "RFC 3526"),
  modp(KeMethod.MODP_6144, 6144, 176, "RFC 3526"),
  modp(KeMethod.MODP_8192, 8192, 200, "RFC 3526"),
  modp(KeMethod.MODP_2048, 2048, 112, "RFC 3526"),
  modp(KeMethod.MODP_1536, 1536, 90, "RFC 3526", SHORT),
  modp(KeMethod.MODP_1024, 1024, 80, "RFC 2409", LOGJAM),
  modp(KeMethod.MODP_768, 768, 66, "RFC 2409", LOGJAM),
];

const BY_ID: ReadonlyMap<number, KeyExchange> = new Map(KEY_EXCHANGES.map((row) => [row.id, row]));

export function keyExchangeById(id: number): KeyExchange | undefined {
  return BY_ID.get(id);
}

export function keyExchangeByName(name: string): KeyExchange | undefined {
  return KEY_EXCHANGES.find((row) => row.name === name || row.aliases.includes(name));
}
