// Whole ESP and AH packets that other implementations made, through BatchCipher of every provider.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CipherKey } from "#core/ports";
import { Encryption, encryptionTransform, Integrity, integrityTransform } from "#crypto/transforms";
import { supports } from "#test/crypto/supports";
import { hex, sharedJson, skipShared, toHex, vectorJson } from "#test/vectors/load";
import { newSlab, PROVIDERS, type Provider } from "./providers.ts";
import { newRows, setRow, verdict } from "./rows.ts";

interface PacketVector {
  readonly name: string;
  readonly proto: "ESP" | "AH";
  readonly cipher: string;
  readonly auth: string;
  readonly icv_len: number;
  readonly enc_key: string;
  readonly auth_key: string;
  readonly salt: string;
  readonly esn: boolean;
  readonly esn_hi?: number | null;
  readonly protected_packet?: string;
  readonly plain_packet?: string;
  readonly esp?: string;
  readonly plain?: string;
}

const CIPHERS: Readonly<Record<string, number>> = {
  "AES-GCM-16": Encryption.AES_GCM_16,
  "AES-CCM-16": Encryption.AES_CCM_16,
  "AES-CBC": Encryption.AES_CBC,
  "AES-CTR": Encryption.AES_CTR,
  "3DES-CBC": Encryption.TRIPLE_DES,
  "DES-CBC": Encryption.DES,
  NULL: Encryption.NULL,
};
const AUTHS: Readonly<Record<string, number>> = {
  AEAD: Integrity.NONE,
  NULL: Integrity.NONE,
  "HMAC-MD5": Integrity.HMAC_MD5_96,
  "HMAC-SHA2-256": Integrity.HMAC_SHA2_256_128,
  "HMAC-SHA2-512": Integrity.HMAC_SHA2_512_256,
};

function keyOf(vector: PacketVector, direction: "seal" | "open"): CipherKey {
  const ah = vector.proto === "AH";
  return {
    encryption: ah ? Encryption.NONE : (CIPHERS[vector.cipher] ?? -1),
    integrity: AUTHS[vector.auth] ?? -1,
    encryptionKey: hex(vector.enc_key + vector.salt),
    integrityKey: hex(vector.auth_key),
    esn: vector.esn,
    direction,
  };
}

function isOffered({ primitives }: Provider, key: CipherKey): boolean {
  const encryption = { id: key.encryption, keyOctets: key.encryptionKey.length };
  const integrity = { id: key.integrity, keyOctets: key.integrityKey.length };
  return supports(primitives, encryption, key.integrity === Integrity.NONE ? undefined : integrity);
}

function ivOctets(key: CipherKey): number {
  return encryptionTransform(key.encryption, key.encryptionKey.length)?.ivOctets ?? 0;
}

function icvOctets(key: CipherKey): number {
  const encryption = encryptionTransform(key.encryption, key.encryptionKey.length);
  return integrityTransform(key.integrity)?.icvOctets ?? encryption?.icvOctets ?? 0;
}

const AT = 512;

/** The decrypted payload with its trailer, or the drop code. */
function openEsp(provider: Provider, key: CipherKey, esp: Uint8Array, high: number): string | number {
  const slab = newSlab(4096);
  const cipher = provider.create(slab, 4);
  cipher.install(3, key);
  slab.set(esp, AT);
  const rows = newRows(1);
  const length = esp.length - 8 - ivOctets(key) - icvOctets(key);
  setRow(rows, 0, { slot: 3, offset: AT, length, high });
  cipher.open(rows, 1);
  const start = AT + 8 + ivOctets(key);
  return verdict(rows, 0) === 0 ? toHex(slab.subarray(start, start + length)) : verdict(rows, 0);
}

function espOf(vector: PacketVector): Uint8Array {
  if (vector.esp !== undefined) return hex(vector.esp);
  const packet = hex(vector.protected_packet);
  return packet.subarray((packet[0] ?? 0) >> 4 === 4 ? 20 : 40);
}

function checkEsp(provider: Provider, vector: PacketVector): void {
  const key = keyOf(vector, "open");
  const esp = espOf(vector);
  const high = vector.esn_hi ?? 0;
  const plain = vector.plain_packet ?? vector.plain ?? "";
  const opened = openEsp(provider, key, esp, high);
  assert.ok(typeof opened === "string", `verdict ${opened}`);
  assert.equal(opened.slice(0, plain.length), plain);
  // RFC 4303 §2.4, §2.5: what is left is the padding 1, 2, 3 …, its length and the next header.
  const trailer = hex(opened.slice(plain.length));
  const padding = trailer.length - 2;
  assert.equal(trailer[padding], padding);
  for (let i = 0; i < padding; i++) assert.equal(trailer[i], i + 1);
  const iv = esp.subarray(8, 8 + ivOctets(key));
  if (provider.name === "node" || provider.name === "noble") sealAgain(provider, vector, esp, opened, iv, high);
}

/** These providers take their random IVs from outside, so CBC packets can be made again octet for octet. */
function sealAgain(
  provider: Provider,
  vector: PacketVector,
  esp: Uint8Array,
  payload: string,
  iv: Uint8Array,
  high: number,
): void {
  const key = keyOf(vector, "seal");
  if (![Encryption.AES_CBC, Encryption.TRIPLE_DES, Encryption.DES].some((id) => id === key.encryption)) return;
  const slab = newSlab(4096);
  const cipher = provider.create(slab, 1, { fill: (target) => target.set(iv) });
  cipher.install(0, key);
  slab.set(esp.subarray(0, 8), AT);
  slab.set(hex(payload), AT + 8 + iv.length);
  const rows = newRows(1);
  setRow(rows, 0, { slot: 0, offset: AT, length: payload.length / 2, high });
  cipher.seal(rows, 1);
  assert.equal(verdict(rows, 0), 0);
  assert.equal(toHex(slab.subarray(AT, AT + esp.length)), toHex(esp));
}

/** RFC 4302 §3.3.3.1.1: type of service, flags, offset, TTL and checksum of IPv4 count as zero; the ICV too. */
function checkAh(provider: Provider, vector: PacketVector): void {
  const packet = hex(vector.protected_packet);
  const icvAt = 20 + 12;
  const payloadAt = icvAt + vector.icv_len;
  const slab = newSlab(4096);
  const muted = packet.slice(0, payloadAt);
  for (const at of [1, 6, 7, 8, 10, 11]) muted[at] = 0;
  muted.fill(0, icvAt);
  slab.set(muted, 2048);
  const row = { slot: 0, prefixOffset: 2048, prefixLength: muted.length, icvOffset: AT + icvAt };
  const ahRow = { ...row, offset: AT + payloadAt, length: packet.length - payloadAt };
  const rows = newRows(1);

  const opener = provider.create(slab, 1);
  opener.install(0, keyOf(vector, "open"));
  slab.set(packet, AT);
  setRow(rows, 0, ahRow);
  opener.open(rows, 1);
  assert.equal(verdict(rows, 0), 0);

  const sealer = provider.create(slab, 1);
  sealer.install(0, keyOf(vector, "seal"));
  slab.fill(0, AT + icvAt, AT + payloadAt);
  setRow(rows, 0, ahRow);
  sealer.seal(rows, 1);
  assert.equal(verdict(rows, 0), 0);
  assert.equal(toHex(slab.subarray(AT, AT + packet.length)), toHex(packet));
}

function checkVector(provider: Provider, vector: PacketVector): void {
  const label = `${provider.name}: ${vector.name}`;
  const key = keyOf(vector, "open");
  if (vector.auth === "NULL") {
    test(`${label}: encryption without integrity cannot be installed, its cipher alone opens the packet`, () => {
      assert.throws(() => provider.create(newSlab(64), 1).install(0, key), { code: "CONFIG" });
      const salt = hex(vector.salt);
      const cipherKey = key.encryptionKey.subarray(0, key.encryptionKey.length - salt.length);
      const mode = provider.primitives.blockMode(key.encryption, cipherKey);
      assert.ok(mode !== undefined);
      const esp = espOf(vector);
      const data = 8 + ivOctets(key);
      // RFC 3686 §4: nonce, IV, block counter 1.
      const iv = salt.length === 0 ? esp.subarray(8, data) : hex(`${vector.salt}${toHex(esp.subarray(8, 16))}00000001`);
      const plain = vector.plain_packet ?? vector.plain ?? "";
      assert.equal(toHex(mode.decrypt(iv, esp.subarray(data))).slice(0, plain.length), plain);
    });
    return;
  }
  test(label, { skip: vector.proto === "ESP" && !isOffered(provider, key) && "not offered by this provider" }, () =>
    vector.proto === "AH" ? checkAh(provider, vector) : checkEsp(provider, vector),
  );
}

const SCAPY = "esp-packets/linux-kernel-scapy.json";
const CHAPOLY = "esp-packets/rfc7634.json";
const TESTMGR = "aead/linux-testmgr-esp.json";

interface KernelVector {
  readonly key: string;
  readonly iv: string;
  readonly assoc: string;
  readonly plain: string;
  readonly cipher: string;
  readonly comment: string;
  readonly enc_key?: string;
  readonly auth_key?: string;
}

const KERNEL_AEADS: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  "rfc4106(gcm(aes))": { 8: Encryption.AES_GCM_8, 12: Encryption.AES_GCM_12, 16: Encryption.AES_GCM_16 },
  "rfc4309(ccm(aes))": { 8: Encryption.AES_CCM_8, 12: Encryption.AES_CCM_12, 16: Encryption.AES_CCM_16 },
  "rfc4543(gcm(aes))": { 16: Encryption.NULL_AUTH_AES_GMAC },
  "rfc7539esp(chacha20,poly1305)": { 16: Encryption.CHACHA20_POLY1305 },
};

/** The kernel's associated data is SPI, sequence number of 32 or 64 bits, IV: so it makes a packet. */
function checkKernelAead(provider: Provider, ids: Readonly<Record<number, number>>, vector: KernelVector): void {
  const assoc = hex(vector.assoc);
  const esn = assoc.length === 20;
  const key: CipherKey = {
    encryption: ids[(vector.cipher.length - vector.plain.length) / 2] ?? -1,
    integrity: Integrity.NONE,
    encryptionKey: hex(vector.key),
    integrityKey: new Uint8Array(0),
    esn,
    direction: "open",
  };
  const high = esn ? new DataView(assoc.buffer).getInt32(4) : 0;
  const spi = vector.assoc.slice(0, 8);
  const low = esn ? vector.assoc.slice(16, 24) : vector.assoc.slice(8, 16);
  const esp = hex(`${spi}${low}${vector.assoc.slice(-16)}${vector.cipher}`);
  assert.equal(openEsp(provider, key, esp, high), vector.plain, vector.comment);
}

/** Not all of these have a packet's associated data, so cipher and MAC are checked on their own. */
function checkKernelPair(provider: Provider, algorithm: string, vector: KernelVector): void {
  const hashes: Readonly<Record<string, number>> = {
    sha1: Integrity.HMAC_SHA1_96,
    sha256: Integrity.HMAC_SHA2_256_128,
    sha512: Integrity.HMAC_SHA2_512_256,
  };
  const hash = /hmac\((\w+)\)/.exec(algorithm)?.[1] ?? "";
  const mac = provider.primitives.mac(hashes[hash] ?? -1, hex(vector.auth_key));
  assert.ok(mac !== undefined);
  const id = algorithm.includes("des3") ? Encryption.TRIPLE_DES : Encryption.AES_CBC;
  const mode = algorithm.includes("null") ? undefined : provider.primitives.blockMode(id, hex(vector.enc_key));
  const ciphertext = mode === undefined ? hex(vector.plain) : mode.encrypt(hex(vector.iv), hex(vector.plain));
  const tag = mac.compute(new Uint8Array(0), [hex(vector.assoc), ciphertext]);
  assert.equal(toHex(ciphertext) + toHex(tag), vector.cipher, vector.comment);
}

for (const provider of PROVIDERS) {
  for (const vector of vectorJson<{ vectors: readonly PacketVector[] }>("esp-packets/dpdk.json").vectors)
    checkVector(provider, vector);

  test(`${provider.name}: ${SCAPY} is there`, { skip: skipShared(SCAPY) }, () => undefined);
  for (const vector of sharedJson<{ vectors: readonly PacketVector[] }>(SCAPY)?.vectors ?? [])
    if (vector.cipher in CIPHERS) checkVector(provider, vector);

  test(`${provider.name}: ChaCha20-Poly1305 packet of RFC 7634 appendix A`, { skip: skipShared(CHAPOLY) }, () => {
    const { esp } = sharedJson<{ esp: { key: string; salt: string; esp: string; plain_packet: string } }>(CHAPOLY) ?? {
      esp: { key: "", salt: "", esp: "", plain_packet: "" },
    };
    const vector = { ...esp, name: "", proto: "ESP", auth: "AEAD", icv_len: 16, esn: false } as const;
    const key: CipherKey = {
      encryption: Encryption.CHACHA20_POLY1305,
      integrity: Integrity.NONE,
      encryptionKey: hex(vector.key + vector.salt),
      integrityKey: new Uint8Array(0),
      esn: false,
      direction: "open",
    };
    const opened = openEsp(provider, key, hex(vector.esp), 0);
    assert.equal(String(opened).slice(0, vector.plain_packet.length), vector.plain_packet);
  });

  const kernel = sharedJson<{ algorithms: Readonly<Record<string, readonly KernelVector[]>> }>(TESTMGR);
  test(`${provider.name}: ${TESTMGR} is there`, { skip: skipShared(TESTMGR) }, () => undefined);
  for (const [algorithm, vectors] of Object.entries(kernel?.algorithms ?? {})) {
    const ids = KERNEL_AEADS[algorithm];
    const missing =
      algorithm.includes("des3") &&
      provider.primitives.blockMode(Encryption.TRIPLE_DES, new Uint8Array(24)) === undefined &&
      "not offered by this provider";
    test(`${provider.name}: linux ${algorithm}, ${vectors.length} cases`, { skip: missing }, () => {
      for (const vector of vectors)
        if (ids === undefined) checkKernelPair(provider, algorithm, vector);
        else checkKernelAead(provider, ids, vector);
    });
  }
}
