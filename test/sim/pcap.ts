/** Writes what left a virtual gateway as a capture of raw IP packets, with the headers that the kernel would have put on. */
import { writeFileSync } from "node:fs";
import { fold, pseudoSum6, sumWords } from "#wire/ip/checksum";
import { writeIpv4Header } from "#wire/ip/ipv4";
import { writeIpv6Header } from "#wire/ip/ipv6";
import { UDP_HEADER_LENGTH, Udp } from "#wire/ip/udp";
import { ALL_SOCKETS } from "./gateway-pair.ts";
import type { Datagram } from "./virtual-port.ts";

const MAGIC = 0xa1b2c3d4;
/** LINKTYPE_RAW: the first octet tells IPv4 from IPv6. */
const RAW_IP = 101;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const PORT = 4500;

/** The whole IP packet as a network would see it. `datagram` is as it left: `peer` is its destination. */
export function onTheWire(datagram: Datagram): Uint8Array {
  if (ALL_SOCKETS[datagram.socket]?.kind !== "udp") return datagram.bytes;
  const [family = 4, port = PORT, ...destination] = datagram.peer;
  const ip = family === 4 ? 20 : 40;
  const length = UDP_HEADER_LENGTH + datagram.bytes.length;
  const bytes = new Uint8Array(ip + length);
  const view = new DataView(bytes.buffer);
  if (family === 4)
    writeIpv4Header(view, 0, ip + length, datagram.tos, 1, 0, 64, 17, datagram.local[0] ?? 0, destination[0] ?? 0);
  else
    writeIpv6Header(view, 0, length, datagram.tos, 0, 64, 17, Int32Array.of(...datagram.local, ...destination), 0, 4);
  bytes.set(datagram.bytes, ip + UDP_HEADER_LENGTH);
  view.setUint16(ip + Udp.SOURCE_PORT, PORT);
  view.setUint16(ip + Udp.DESTINATION_PORT, port);
  view.setUint16(ip + Udp.LENGTH, length);
  // RFC 3948 §2.1: none in IPv4; RFC 8200 §8.1
  if (family === 6)
    view.setUint16(ip + Udp.CHECKSUM, ~fold(sumWords(view, ip, length, pseudoSum6(view, 0, 17, length))) & 0xffff);
  return bytes;
}

export function writePcap(path: string, packets: readonly Uint8Array[]): void {
  const total = packets.reduce((sum, packet) => sum + RECORD_HEADER + packet.length, FILE_HEADER);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint16(4, 2);
  view.setUint16(6, 4);
  view.setUint32(16, 65535);
  view.setUint32(20, RAW_IP);
  let at = FILE_HEADER;
  for (const [i, packet] of packets.entries()) {
    view.setUint32(at, i);
    view.setUint32(at + 8, packet.length);
    view.setUint32(at + 12, packet.length);
    bytes.set(packet, at + RECORD_HEADER);
    at += RECORD_HEADER + packet.length;
  }
  writeFileSync(path, bytes);
}
