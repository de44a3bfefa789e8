/** IP packets for tests, with right checksums. */
import { address } from "./gateway-pair.ts";

export interface PacketOptions {
  readonly source: string;
  readonly destination: string;
  readonly protocol?: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly payload?: Uint8Array;
  readonly tos?: number;
  readonly df?: boolean;
  readonly id?: number;
  readonly ttl?: number;
}

export const UDP = 17;
export const TCP = 6;

/** A UDP datagram by default; TCP gets a header without options. */
export function packet(options: PacketOptions): Uint8Array {
  const payload = options.payload ?? new Uint8Array(8);
  const protocol = options.protocol ?? UDP;
  const upper = upperLayer(protocol, options, payload);
  const source = address(options.source);
  const destination = address(options.destination);
  const bytes = source.family === 4 ? ipv4(options, upper, protocol) : ipv6(options, upper, protocol);
  const header = source.family === 4 ? 20 : 40;
  bytes.set(source.octets, source.family === 4 ? 12 : 8);
  bytes.set(destination.octets, source.family === 4 ? 16 : 24);
  if (source.family === 4) setSum(bytes, 10, sumOf(bytes.subarray(0, 20), 0));
  const field = protocol === UDP ? 6 : protocol === TCP ? 16 : -1;
  if (field >= 0) {
    const pseudo = sumOf(source.octets, sumOf(destination.octets, protocol + upper.length));
    setSum(bytes, header + field, sumOf(bytes.subarray(header), pseudo));
  }
  return bytes;
}

function upperLayer(protocol: number, options: PacketOptions, payload: Uint8Array): Uint8Array {
  const header = protocol === UDP ? 8 : protocol === TCP ? 20 : 0;
  const upper = new Uint8Array(header + payload.length);
  upper.set(payload, header);
  const view = new DataView(upper.buffer);
  if (header > 0) {
    view.setUint16(0, options.sourcePort ?? 40000);
    view.setUint16(2, options.destinationPort ?? 7);
  }
  if (protocol === UDP) view.setUint16(4, upper.length);
  if (protocol === TCP) view.setUint16(12, 0x5010);
  return upper;
}

function ipv4(options: PacketOptions, upper: Uint8Array, protocol: number): Uint8Array {
  const bytes = new Uint8Array(20 + upper.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x4500 | (options.tos ?? 0));
  view.setUint16(2, bytes.length);
  view.setUint16(4, options.id ?? 0x1234);
  view.setUint16(6, (options.df ?? false) ? 0x4000 : 0);
  view.setUint8(8, options.ttl ?? 64);
  view.setUint8(9, protocol);
  bytes.set(upper, 20);
  return bytes;
}

function ipv6(options: PacketOptions, upper: Uint8Array, protocol: number): Uint8Array {
  const bytes = new Uint8Array(40 + upper.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x60000000 | ((options.tos ?? 0) << 20));
  view.setUint16(4, upper.length);
  view.setUint8(6, protocol);
  view.setUint8(7, options.ttl ?? 64);
  bytes.set(upper, 40);
  return bytes;
}

function sumOf(octets: Uint8Array, start: number): number {
  let sum = start;
  for (let i = 0; i < octets.length; i++) sum += (octets[i] ?? 0) << (i % 2 === 0 ? 8 : 0);
  return sum;
}

function setSum(bytes: Uint8Array, at: number, sum: number): void {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  const value = ~folded & 0xffff;
  bytes[at] = value >>> 8;
  bytes[at + 1] = value & 0xff;
}
