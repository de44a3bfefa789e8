/**
 * A flood of datagrams from sources that nobody has (198.18.0.0/15, RFC 2544): most begin an IKE SA with group 2, the
 * others are noise, to both ports. Arguments: target, seconds, datagrams a second, seed. Tells how many it sent.
 */
import { setTimeout as after } from "node:timers/promises";
import { type IpAddress, parseAddress } from "#core/address";
import { ProtocolId, TransformType } from "#core/proposal";
import { IoCounter } from "#core/slab";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { Encryption, Integrity } from "#crypto/transforms";
import { openRaw } from "#io/sockets";
import { LaneRig } from "#test/io/lane-rig";
import { internetSum } from "#test/io/packets";
import { seededRandom } from "#test/sim/gateway-pair";
import { encodeMessage, type Payload } from "#wire/ike/chain";
import { ExchangeType, IkeFlag } from "#wire/ike/numbers";

export interface FloodReport {
  readonly packets: number;
  readonly seconds: number;
}

const UDP = 17;
/** IPPROTO_RAW: whole packets out, nothing in. */
const WHOLE_PACKETS = 255;
const IP_HEADER = 20;
const UDP_HEADER = 8;
const BATCH = 32;
/** Different datagrams, each of a source of its own; a multiple of the batch. */
const POOL = 32 * 1024;
const random = seededRandom(Number(process.argv[5] ?? 1));

function noise(length: number): Uint8Array {
  const octets = new Uint8Array(length);
  random.fill(octets);
  return octets;
}

/** SAi1, KEi, Ni; any octets will do as a public value: a spoofed source never gets as far as its use. */
function firstMessage(vendor: readonly Payload[]): Uint8Array {
  const row = (type: number, id: number, keyBits = 0) => ({ type, id, keyBits });
  const transforms = [
    row(TransformType.ENCR, Encryption.AES_CBC, 128),
    row(TransformType.PRF, PrfId.HMAC_SHA1),
    row(TransformType.INTEG, Integrity.HMAC_SHA1_96),
    row(TransformType.KE, KeMethod.MODP_1024),
  ];
  const fixed = { responderSpi: 0n, majorVersion: 2, minorVersion: 0, messageId: 0, flags: IkeFlag.INITIATOR };
  return encodeMessage({ initiatorSpi: 1n, ...fixed, exchangeType: ExchangeType.IKE_SA_INIT }, [
    { kind: "SA", proposals: [{ number: 1, protocol: ProtocolId.IKE, spi: new Uint8Array(0), transforms }] },
    { kind: "KE", method: KeMethod.MODP_1024, data: noise(128).fill(3, 0, 1) },
    { kind: "Nonce", data: noise(32) },
    ...vendor,
  ]);
}

function datagram(target: IpAddress, port: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(IP_HEADER + UDP_HEADER + payload.length);
  const view = new DataView(packet.buffer);
  packet.set([0x45, 0]);
  view.setUint16(2, packet.length);
  view.setUint8(8, 64);
  view.setUint8(9, UDP);
  view.setUint32(12, 0xc612_0000 + (random.next() & 0x1_ffff));
  packet.set(target.octets, 16);
  view.setUint16(10, ~internetSum(packet.subarray(0, IP_HEADER)) & 0xffff);
  view.setUint16(IP_HEADER, 1024 + (random.next() & 0x7fff));
  view.setUint16(IP_HEADER + 2, port);
  view.setUint16(IP_HEADER + 4, UDP_HEADER + payload.length);
  packet.set(payload, IP_HEADER + UDP_HEADER);
  return packet;
}

/** Too short for an answer in full, and long enough: the latter costs a key exchange until a cookie is asked for. */
const FIRST: readonly Uint8Array[] = [firstMessage([]), firstMessage([{ kind: "V", data: noise(200) }])];

function anyDatagram(target: IpAddress): Uint8Array {
  const kind = random.next() & 7;
  if (kind === 0) return datagram(target, 500, noise(20 + (random.next() & 255)));
  // Behind a non-ESP marker, and what looks like ESP of an SA that is not there.
  if (kind === 1) return datagram(target, 4500, new Uint8Array([0, 0, 0, 0, ...noise(60)]));
  if (kind === 2) return datagram(target, 4500, noise(60));
  const message = (FIRST[kind & 1] ?? noise(28)).slice();
  random.fill(message.subarray(0, 8));
  return datagram(target, 500, message);
}

async function flood(target: IpAddress, seconds: number, perSecond: number): Promise<FloodReport> {
  using socket = openRaw({ family: 4, protocol: WHOLE_PACKETS, buffers: 1 << 20 });
  using rig = new LaneRig({}, [{ fd: socket.descriptor.fd, kind: socket.kind, protocol: WHOLE_PACKETS }]);
  // Made beforehand: the flooded need the processor.
  const pool = Array.from({ length: POOL }, () => anyDatagram(target));
  const start = performance.now();
  let placed = 0;
  for (;;) {
    const elapsed = performance.now() - start;
    if (elapsed >= seconds * 1000) break;
    if (placed >= (elapsed * perSecond) / 1000) {
      await after(1);
      continue;
    }
    rig.place(rig.memory.out, pool.slice(placed % POOL, (placed % POOL) + BATCH));
    rig.lane.send(0, BATCH);
    placed += BATCH;
  }
  const packets = rig.memory.ioCounters[IoCounter.SEND_PACKETS] ?? 0;
  return { packets, seconds: (performance.now() - start) / 1000 };
}

const target = parseAddress(process.argv[2] ?? "");
if (target === undefined) throw new Error("usage: flooder TARGET SECONDS PER-SECOND SEED");
const report = await flood(target, Number(process.argv[3] ?? 1), Number(process.argv[4] ?? 1000));
process.send?.(report);
process.disconnect?.();
