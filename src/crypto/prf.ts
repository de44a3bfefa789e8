/** The one registry of pseudorandom functions: IANA's IDs (IKEv2 transform type 2), names, sizes in octets, strength. */
import { assert } from "#core/errors";
import { nodePrimitives } from "./node-cipher.ts";
import { wipe } from "./octets.ts";
import { Integrity } from "./transforms.ts";

/** IANA IKEv2 "Transform Type 2 - Pseudorandom Function Transform IDs". */
export const PrfId = {
  HMAC_MD5: 1,
  HMAC_SHA1: 2,
  AES128_XCBC: 4,
  HMAC_SHA2_256: 5,
  HMAC_SHA2_384: 6,
  HMAC_SHA2_512: 7,
  AES128_CMAC: 8,
} as const;

export interface Prf {
  /** As swanctl.conf writes it: "prfsha256". */
  readonly name: string;
  readonly id: number;
  /** The preferred key length: of SK_d, SK_pi and SK_pr (RFC 7296 §2.13). */
  readonly keyOctets: number;
  readonly outputOctets: number;
  /** Fixed-length keys: nonces are cut to half of one each where they are the key (RFC 7296 §2.14). */
  readonly fixedKey: boolean;
  /** The transform of type 3 that is the same function, cut short. */
  readonly integrity: number;
  /** Why it is legacy, or undefined when it may be used without saying so. */
  readonly weak: string | undefined;
  readonly rfc: string;
}

function hmac(name: string, id: number, octets: number, integrity: number, rfc: string, weak?: string): Prf {
  return { name, id, keyOctets: octets, outputOctets: octets, fixedKey: false, integrity, weak, rfc };
}

function aes(name: string, id: number, integrity: number, rfc: string): Prf {
  return { name, id, keyOctets: 16, outputOctets: 16, fixedKey: true, integrity, weak: undefined, rfc };
}

export const PRFS: readonly Prf[] = [
  hmac("prfsha256", PrfId.HMAC_SHA2_256, 32, Integrity.HMAC_SHA2_256_128, "RFC 4868"),
  hmac("prfsha384", PrfId.HMAC_SHA2_384, 48, Integrity.HMAC_SHA2_384_192, "RFC 4868"),
  hmac("prfsha512", PrfId.HMAC_SHA2_512, 64, Integrity.HMAC_SHA2_512_256, "RFC 4868"),
  hmac("prfsha1", PrfId.HMAC_SHA1, 20, Integrity.HMAC_SHA1_96, "RFC 2104"),
  hmac("prfmd5", PrfId.HMAC_MD5, 16, Integrity.HMAC_MD5_96, "RFC 2104", "MD5 is broken (RFC 8247 §2.2)"),
  aes("prfaesxcbc", PrfId.AES128_XCBC, Integrity.AES_XCBC_96, "RFC 4434"),
  aes("prfaescmac", PrfId.AES128_CMAC, Integrity.AES_CMAC_96, "RFC 4615"),
];

const BY_ID: ReadonlyMap<number, Prf> = new Map(PRFS.map((row) => [row.id, row]));

export function prfById(id: number): Prf | undefined {
  return BY_ID.get(id);
}

export function prfByName(name: string): Prf | undefined {
  return PRFS.find((row) => row.name === name);
}

function known(id: number): Prf {
  const row = BY_ID.get(id);
  assert(row !== undefined, `PRF ${id} was chosen and is not there`);
  return row;
}

function mac(integrity: number, key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const made = nodePrimitives.mac(integrity, key);
  assert(made !== undefined, `integrity ${integrity} takes no key of ${key.length} octets`);
  return made.compute(NOTHING, parts);
}

const NOTHING = new Uint8Array(0);
const ZERO_KEY = new Uint8Array(16);

/** A key of any length becomes one of 16 octets; always a copy. */
function fixedKey({ id, integrity }: Prf, key: Uint8Array): Uint8Array {
  if (key.length === ZERO_KEY.length) return key.slice();
  // RFC 4434 §2: short keys are padded with zeros, long ones hashed. RFC 4615 §3: all are hashed.
  if (id === PrfId.AES128_XCBC && key.length < ZERO_KEY.length) {
    const padded = new Uint8Array(ZERO_KEY.length);
    padded.set(key);
    return padded;
  }
  return mac(integrity, ZERO_KEY, [key]);
}

/** `outputOctets` over the parts in a row; `key` is of any length and stays the caller's to wipe. */
export function prf(id: number, key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const row = known(id);
  if (!row.fixedKey) return mac(row.integrity, key, parts);
  const own = fixedKey(row, key);
  const output = mac(row.integrity, own, parts);
  wipe(own);
  return output;
}

/** prf+ (RFC 7296 §2.13): at most 255 outputs long. */
export function prfPlus(id: number, key: Uint8Array, parts: readonly Uint8Array[], octets: number): Uint8Array {
  const { outputOctets } = known(id);
  assert(octets <= 255 * outputOctets, `prf+ is asked for ${octets} octets`);
  const stream = new Uint8Array(octets);
  let block: Uint8Array = NOTHING;
  for (let at = 0, count = 1; at < octets; at += outputOctets, count++) {
    const next = prf(id, key, [block, ...parts, Uint8Array.of(count)]);
    wipe(block);
    block = next;
    stream.set(block.subarray(0, octets - at), at);
  }
  wipe(block);
  return stream;
}
