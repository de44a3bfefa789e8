import assert from "node:assert/strict";
import { test } from "node:test";
import { addressFromWords } from "#core/address";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { spi } from "#core/units";
import { Encryption, Integrity } from "#crypto/transforms";
import { SA_COLUMNS, Sa, SaNumber } from "#ipsec/sa";
import { ALL_SOCKETS, type VirtualGateway } from "#test/sim/gateway-pair";
import { childSpec, protect, selector, virtualGateway } from "#test/sim/specs";
import { dropsOf, flipped, offer, setNumber } from "#test/sim/traffic";
import type { Datagram } from "#test/sim/virtual-port";
import { hex, sharedJson, skipShared, toHex, vectorJson } from "#test/vectors/load";

interface PacketVector {
  readonly name: string;
  readonly proto: "ESP" | "AH";
  readonly mode?: "tunnel" | "transport";
  readonly cipher: string;
  readonly auth: string;
  readonly icv_len: number;
  readonly enc_key: string;
  readonly auth_key: string;
  readonly salt: string;
  readonly esn: boolean;
  readonly esn_hi?: number | null;
  readonly spi: number;
  readonly next_header: number;
  readonly protected_packet?: string;
  readonly plain_packet?: string;
  /** Octets from the SPI on, and what they carry. */
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
  "ChaCha20-Poly1305": Encryption.CHACHA20_POLY1305,
};
const MACS: Readonly<Record<string, number>> = {
  AEAD: Integrity.NONE,
  "HMAC-MD5": Integrity.HMAC_MD5_96,
  "HMAC-SHA2-256": Integrity.HMAC_SHA2_256_128,
  "HMAC-SHA2-256-128": Integrity.HMAC_SHA2_256_128,
  "HMAC-SHA2-512": Integrity.HMAC_SHA2_512_256,
};
const ANY = ["0.0.0.0/0", "::/0"];

function isTransport(vector: PacketVector): boolean {
  return vector.next_header !== 4 && vector.next_header !== 41;
}

/** What arrives: the whole packet, or ESP with an IPv4 header in front of it. */
function wirePacket(vector: PacketVector): Uint8Array {
  if (vector.protected_packet !== undefined) return hex(vector.protected_packet);
  const esp = hex(vector.esp);
  const bytes = new Uint8Array(20 + esp.length);
  bytes.set([0x45, 0, bytes.length >>> 8, bytes.length & 0xff, 0, 1, 0, 0, 64, 50, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
  bytes.set(esp, 20);
  return bytes;
}

function specOf(vector: PacketVector, packet: Uint8Array): ChildSaSpec {
  const family = (packet[0] ?? 0) >>> 4 === 4 ? 4 : 6;
  const view = new DataView(packet.buffer, packet.byteOffset);
  const at = (offset: number) =>
    addressFromWords(
      family,
      family === 4 ? [view.getInt32(offset)] : [0, 4, 8, 12].map((i) => view.getInt32(offset + i)),
    );
  const key = { encryptionKey: hex(vector.enc_key + vector.salt), integrityKey: hex(vector.auth_key) };
  const own = { ...key, spi: spi((vector.spi >>> 0 < 256 ? 0x1000 : 0) | vector.spi) };
  return childSpec({
    protocol: vector.proto === "AH" ? "ah" : "esp",
    mode: isTransport(vector) ? "transport" : "tunnel",
    suite: {
      encryption: vector.proto === "AH" ? 0 : (CIPHERS[vector.cipher] ?? -1),
      integrity: MACS[vector.auth] ?? -1,
    },
    inbound: own,
    outbound: { ...key, spi: spi(0x7777) },
    encapsulation: "none",
    local: { address: at(family === 4 ? 16 : 24), port: 0 },
    remote: { address: at(family === 4 ? 12 : 8), port: 0 },
    localSelectors: ANY.map(selector),
    remoteSelectors: ANY.map(selector),
    esn: vector.esn,
  });
}

function arrival(gateway: VirtualGateway, packet: Uint8Array, kind: string): Datagram {
  const family = (packet[0] ?? 0) >>> 4;
  const socket = ALL_SOCKETS.findIndex((one) => one.kind === kind && one.family === family);
  assert.ok(gateway.port.sockets[socket] !== undefined);
  return { bytes: packet, socket, peer: [family, 0, 0, 0, 0, 0], local: [0, 0, 0, 0], tos: 0, df: 0 };
}

function receiver(vector: PacketVector, packet: Uint8Array): VirtualGateway {
  const gateway = virtualGateway();
  const [child] = gateway.configure([protect(ANY, ANY)], specOf(vector, packet));
  assert.ok(child !== undefined);
  // Some of these SPIs are below 256, which no installation takes: the row gets its SPI behind control's back.
  gateway.table.columns[child.inbound * SA_COLUMNS + Sa.SPI] = vector.spi | 0;
  if (vector.esn) {
    const sequence = new DataView(packet.buffer).getUint32(24);
    setNumber(gateway, child.inbound, SaNumber.SEQUENCE, (vector.esn_hi ?? 0) * 2 ** 32 + sequence - 1);
  }
  return gateway;
}

function checkVector(vector: PacketVector): void {
  const packet = wirePacket(vector);
  const kind = vector.proto === "AH" ? "ah" : "esp";
  const plain = vector.plain_packet ?? vector.plain ?? "";
  const header = isTransport(vector) && vector.plain_packet === undefined ? 20 : 0;
  const right = receiver(vector, packet);
  const good = arrival(right, packet, kind);
  assert.deepEqual(
    offer(right, [good]).map((one) => toHex(one.slice(header))),
    [plain],
  );
  assert.deepEqual(offer(right, [good]), [], "once");
  assert.deepEqual(dropsOf(right), { REPLAYED: 1 });
  const wrong = receiver(vector, packet);
  assert.deepEqual(offer(wrong, [flipped(good, -1), flipped(good, -20)]), []);
  assert.deepEqual(dropsOf(wrong), { ICV_MISMATCH: 2 });
}

function checkAll(vectors: readonly PacketVector[]): void {
  for (const vector of vectors) {
    if (MACS[vector.auth] === undefined || (vector.proto === "ESP" && CIPHERS[vector.cipher] === undefined)) continue;
    test(`${vector.name}: the whole inbound engine delivers the plain packet, once`, () => checkVector(vector));
  }
}

checkAll(vectorJson<{ vectors: readonly PacketVector[] }>("esp-packets/dpdk.json").vectors);

const SCAPY = "esp-packets/linux-kernel-scapy.json";
test(`${SCAPY} is there`, { skip: skipShared(SCAPY) }, () => undefined);
checkAll(sharedJson<{ vectors: readonly PacketVector[] }>(SCAPY)?.vectors ?? []);

interface Chapoly {
  readonly esp: { readonly key: string; readonly salt: string; readonly esp: string; readonly plain_packet: string };
}

const CHAPOLY = "esp-packets/rfc7634.json";
test(`${CHAPOLY} is there`, { skip: skipShared(CHAPOLY) }, () => undefined);
for (const { esp } of [sharedJson<Chapoly>(CHAPOLY)].filter((one) => one !== undefined))
  checkAll([
    {
      name: "RFC 7634 appendix A",
      proto: "ESP",
      cipher: "ChaCha20-Poly1305",
      auth: "AEAD",
      icv_len: 16,
      enc_key: esp.key,
      auth_key: "",
      salt: esp.salt,
      esn: false,
      spi: 0x01020304,
      next_header: 4,
      esp: esp.esp,
      plain: esp.plain_packet,
    },
  ]);
