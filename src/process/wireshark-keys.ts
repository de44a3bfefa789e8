/**
 * Keys as Wireshark's tables take them, a line an SA: `uat:esp_sa:…` and `uat:ikev2_decryption_table:…`, each an argument
 * of -o. Octets all the way: no key becomes a string.
 */
import type { ProtocolSpec, SaKeys } from "#core/child-sa-spec";
import type { WatchedIkeKeys } from "#core/key-watch";
import { spiToString } from "#core/units";
import { joinOctets, wipe } from "#crypto/octets";
import { Encryption, Integrity } from "#crypto/transforms";

/** Wireshark's names (epan/dissectors/packet-ipsec.c) of transforms; what is not there it cannot open. */
const ESP_ENCRYPTION: ReadonlyMap<number, string> = new Map([
  [Encryption.NULL, "NULL"],
  [Encryption.DES, "DES-CBC [RFC2405]"],
  [Encryption.TRIPLE_DES, "TripleDES-CBC [RFC2451]"],
  [Encryption.AES_CBC, "AES-CBC [RFC3602]"],
  [Encryption.AES_CTR, "AES-CTR [RFC3686]"],
  [Encryption.AES_GCM_8, "AES-GCM with 8 octet ICV [RFC4106]"],
  [Encryption.AES_GCM_12, "AES-GCM with 12 octet ICV [RFC4106]"],
  [Encryption.AES_GCM_16, "AES-GCM with 16 octet ICV [RFC4106]"],
]);
const NOT_CHECKED = "ANY 96 bit authentication [no checking]";
const ESP_INTEGRITY: ReadonlyMap<number, string> = new Map([
  [Integrity.NONE, "NULL"],
  [Integrity.HMAC_MD5_96, "HMAC-MD5-96 [RFC2403]"],
  [Integrity.HMAC_SHA1_96, "HMAC-SHA-1-96 [RFC2404]"],
  // It opens the packet and leaves the ICV alone.
  [Integrity.AES_XCBC_96, NOT_CHECKED],
  [Integrity.AES_CMAC_96, NOT_CHECKED],
  [Integrity.HMAC_SHA2_256_128, "HMAC-SHA-256-128 [RFC4868]"],
  [Integrity.HMAC_SHA2_384_192, "HMAC-SHA-384-192 [RFC4868]"],
  [Integrity.HMAC_SHA2_512_256, "HMAC-SHA-512-256 [RFC4868]"],
]);
/** The same of IKE's table (packet-isakmp.c); `%` is the length of the key in bits. */
const IKE_ENCRYPTION: ReadonlyMap<number, readonly [name: string, salt: number]> = new Map([
  [Encryption.TRIPLE_DES, ["3DES [RFC2451]", 0]],
  [Encryption.AES_CBC, ["AES-CBC-% [RFC3602]", 0]],
  [Encryption.AES_CTR, ["AES-CTR-% [RFC5930]", 4]],
  [Encryption.AES_CCM_8, ["AES-CCM-% with 8 octet ICV [RFC5282]", 3]],
  [Encryption.AES_CCM_12, ["AES-CCM-% with 12 octet ICV [RFC5282]", 3]],
  [Encryption.AES_CCM_16, ["AES-CCM-% with 16 octet ICV [RFC5282]", 3]],
  [Encryption.AES_GCM_8, ["AES-GCM-% with 8 octet ICV [RFC5282]", 4]],
  [Encryption.AES_GCM_12, ["AES-GCM-% with 12 octet ICV [RFC5282]", 4]],
  [Encryption.AES_GCM_16, ["AES-GCM-% with 16 octet ICV [RFC5282]", 4]],
]);
const IKE_INTEGRITY: ReadonlyMap<number, string> = new Map([
  [Integrity.NONE, "NONE [RFC4306]"],
  [Integrity.HMAC_MD5_96, "HMAC_MD5_96 [RFC2403]"],
  [Integrity.HMAC_SHA1_96, "HMAC_SHA1_96 [RFC2404]"],
  [Integrity.HMAC_SHA2_256_128, "HMAC_SHA2_256_128 [RFC4868]"],
  [Integrity.HMAC_SHA2_384_192, "HMAC_SHA2_384_192 [RFC4868]"],
  [Integrity.HMAC_SHA2_512_256, "HMAC_SHA2_512_256 [RFC4868]"],
]);

/** A line a direction; empty: AH, or a cipher that Wireshark does not have. Addresses stay open: a NAT changes them. */
export function espLines({ protocol, suite, inbound, outbound }: ProtocolSpec, family: 4 | 6): Uint8Array {
  const encryption = ESP_ENCRYPTION.get(suite.encryption);
  const integrity = ESP_INTEGRITY.get(suite.integrity);
  if (protocol !== "esp" || encryption === undefined || integrity === undefined) return new Uint8Array(0);
  const line = ({ spi, encryptionKey, integrityKey }: SaKeys) => [
    ...[text(`uat:esp_sa:"IPv${family}","*","*","${spiToString(spi)}","${encryption}","`), hex("0x", encryptionKey)],
    ...[text(`","${integrity}","`), hex("0x", integrityKey), text('"\n')],
  ];
  return joinedAndWiped([...line(inbound), ...line(outbound)]);
}

/** Empty: a cipher that Wireshark does not have. */
export function ikeLine(keys: WatchedIkeKeys): Uint8Array {
  const [name, salt = 0] = IKE_ENCRYPTION.get(keys.encryption) ?? [];
  const integrity = IKE_INTEGRITY.get(keys.integrity);
  if (name === undefined || integrity === undefined) return new Uint8Array(0);
  const encryption = name.replace("%", String((keys.SK_ei.length - salt) * 8));
  const spi = (number: bigint) => number.toString(16).padStart(16, "0");
  return joinedAndWiped([
    ...[text(`uat:ikev2_decryption_table:${spi(keys.initiatorSpi)},${spi(keys.responderSpi)},`), hex("", keys.SK_ei)],
    ...[text(","), hex("", keys.SK_er), text(`,"${encryption}",`), hex("", keys.SK_ai), text(",")],
    ...[hex("", keys.SK_ar), text(`,"${integrity}"\n`)],
  ]);
}

function joinedAndWiped(parts: readonly Uint8Array[]): Uint8Array {
  const whole = joinOctets(parts);
  wipe(...parts);
  return whole;
}

function text(written: string): Uint8Array {
  return new TextEncoder().encode(written);
}

const DIGITS = new TextEncoder().encode("0123456789abcdef");

/** Nothing at all where there is no key. */
function hex(mark: string, key: Uint8Array): Uint8Array {
  if (key.length === 0) return key;
  const digits = new Uint8Array(mark.length + 2 * key.length);
  digits.set(text(mark));
  for (const [i, octet] of key.entries()) {
    digits[mark.length + 2 * i] = DIGITS[octet >>> 4] ?? 0;
    digits[mark.length + 2 * i + 1] = DIGITS[octet & 15] ?? 0;
  }
  return digits;
}
