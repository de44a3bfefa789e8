/** Transforms in strongSwan's words: "aes256" of swanctl.conf is "AES_CBC" with 256 bits in a list of SAs. */
import { type Message, value } from "./message.ts";

const CIPHERS: Readonly<Record<string, string>> = {
  "": "AES_CBC",
  ctr: "AES_CTR",
  gcm16: "AES_GCM_16",
  gcm12: "AES_GCM_12",
  gcm8: "AES_GCM_8",
  ccm16: "AES_CCM_16",
  ccm12: "AES_CCM_12",
  ccm8: "AES_CCM_8",
  gmac: "NULL_AES_GMAC",
};
const OTHER_CIPHERS: Readonly<Record<string, string>> = {
  chacha20poly1305: "CHACHA20_POLY1305",
  "3des": "3DES_CBC",
  des: "DES_CBC",
  null: "NULL",
};
const INTEGRITIES: Readonly<Record<string, string>> = {
  sha256: "HMAC_SHA2_256_128",
  sha384: "HMAC_SHA2_384_192",
  sha512: "HMAC_SHA2_512_256",
  sha1: "HMAC_SHA1_96",
  md5: "HMAC_MD5_96",
  aesxcbc: "AES_XCBC_96",
  aescmac: "AES_CMAC_96",
  aes128gmac: "AES_128_GMAC",
  aes192gmac: "AES_192_GMAC",
  aes256gmac: "AES_256_GMAC",
};
const PRFS: Readonly<Record<string, string>> = {
  prfsha256: "PRF_HMAC_SHA2_256",
  prfsha384: "PRF_HMAC_SHA2_384",
  prfsha512: "PRF_HMAC_SHA2_512",
  prfsha1: "PRF_HMAC_SHA1",
  prfmd5: "PRF_HMAC_MD5",
  prfaesxcbc: "PRF_AES128_XCBC",
  prfaescmac: "PRF_AES128_CMAC",
};

export interface CipherName {
  readonly name: string;
  /** Of the key; undefined where the cipher has one size alone. */
  readonly bits: string | undefined;
}

/** undefined: it is no cipher. */
export function cipherName(word: string): CipherName | undefined {
  const [, bits, mode] = /^aes(128|192|256)(\w*)$/.exec(word) ?? [];
  const name = mode === undefined ? OTHER_CIPHERS[word] : CIPHERS[mode];
  return name === undefined ? undefined : { name, bits };
}

export function integrityName(word: string): string | undefined {
  return INTEGRITIES[word];
}

export function prfName(word: string): string | undefined {
  return PRFS[word];
}

/** "CURVE_25519", "ECP_256", "ECP_256_BP", "MODP_2048", "ML_KEM_768". */
export function keyExchangeName(word: string): string | undefined {
  const [, family = "", size, brainpool] = /^(x|ecp|modp|mlkem)(\d+)(bp)?$/.exec(word) ?? [];
  if (size === undefined) return undefined;
  const name = { x: "CURVE", ecp: "ECP", modp: "MODP", mlkem: "ML_KEM" }[family];
  return `${name}_${size}${brainpool === undefined ? "" : "_BP"}`;
}

/** The keys that tell an IKE SA's suite: "aes256-sha256-modp2048". */
export function ikeSuiteKeys(suite: string): Message {
  return suiteKeys(suite.split("-"), false, true);
}

/** Of a pair of ESP or AH; of a bundle those of its ESP. */
export function childSuiteKeys(suite: string, protocol: "esp" | "ah"): Message {
  const inner = suite.slice(suite.lastIndexOf(":") + 1);
  return suiteKeys(inner === "" ? [] : inner.split("-"), protocol === "ah", false);
}

function suiteKeys(words: readonly string[], ah: boolean, prf: boolean): Message {
  const cipher = ah ? undefined : first(words, cipherName);
  const integrity = first(
    words.filter((word) => ah || cipherName(word) === undefined),
    integrityName,
  );
  // The PRF that goes with an integrity algorithm is not written.
  const implied = first(words, (word) => (integrityName(word) === undefined ? undefined : prfName(`prf${word}`)));
  const additional = words.flatMap((word) => {
    const [, place, method] = /^ke([1-7])_(.+)$/.exec(word) ?? [];
    return place === undefined || method === undefined ? [] : value(`ake${place}`, keyExchangeName(method));
  });
  return [
    value("encr-alg", cipher?.name),
    value("encr-keysize", cipher?.bits),
    value("integ-alg", integrity),
    value("prf-alg", prf ? (first(words, prfName) ?? implied) : undefined),
    value("dh-group", first(words, keyExchangeName)),
    additional,
    value("esn", words.includes("esn") ? "1" : undefined),
  ].flat();
}

function first<T>(words: readonly string[], name: (word: string) => T | undefined): T | undefined {
  for (const word of words) {
    const found = name(word);
    if (found !== undefined) return found;
  }
  return undefined;
}
