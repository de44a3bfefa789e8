/** Packets for tests, built and judged by code that shares nothing with native/. */
import { addressFromWords, type Family } from "#core/address";

/** RFC 1071 over the concatenation of `parts`, each of even length but the last. */
export function internetSum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts)
    for (let i = 0; i < part.length; i++) {
      sum += i % 2 === 0 ? (part[i] ?? 0) << 8 : (part[i] ?? 0);
      if (sum > 0xffff) sum = (sum & 0xffff) + 1;
    }
  return sum;
}

export interface TransportPacket {
  readonly family: Family;
  readonly protocol: "tcp" | "udp";
  /** Last octet of source and destination address. */
  readonly source: number;
  readonly destination: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** A multiple of four octets. */
  readonly options: Uint8Array;
  readonly identification: number;
  readonly dontFragment: boolean;
  readonly trafficClass: number;
  readonly hopLimit: number;
}

export const ACK = 0x10;
export const PSH = 0x08;
export const FIN = 0x01;
export const CWR = 0x80;

export const PLAIN: TransportPacket = {
  family: 4,
  protocol: "tcp",
  source: 1,
  destination: 2,
  sourcePort: 40000,
  destinationPort: 80,
  payload: new Uint8Array(0),
  sequence: 0xfffffff0,
  acknowledgment: 7,
  flags: ACK,
  options: new Uint8Array(0),
  identification: 0xfffe,
  dontFragment: true,
  trafficClass: 0,
  hopLimit: 64,
};

export function octets(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0, state = seed; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    out[i] = state >>> 24;
  }
  return out;
}

function address(family: Family, last: number): Uint8Array {
  return addressFromWords(family, family === 4 ? [0x0a010000 | last] : [0xfd000000 | 0, 0, 0, last]).octets;
}

function pseudoHeader(ip: Uint8Array, protocol: number, length: number): Uint8Array {
  const addresses = (ip[0] ?? 0) >> 4 === 4 ? ip.subarray(12, 20) : ip.subarray(8, 40);
  const out = new Uint8Array(addresses.length + 8);
  out.set(addresses);
  new DataView(out.buffer).setUint32(addresses.length, length);
  out[addresses.length + 7] = protocol;
  return out;
}

/** A whole packet with final checksums; with `partial`, the transport checksum is the pseudo-header's sum. */
export function build(p: TransportPacket, partial = false): Uint8Array {
  const ipLength = p.family === 4 ? 20 : 40;
  const transportHeader = p.protocol === "tcp" ? 20 + p.options.length : 8;
  const transportLength = transportHeader + p.payload.length;
  const packet = new Uint8Array(ipLength + transportLength);
  const view = new DataView(packet.buffer);
  const protocol = p.protocol === "tcp" ? 6 : 17;
  if (p.family === 4) {
    view.setUint16(0, 0x4500 | p.trafficClass);
    view.setUint16(2, packet.length);
    view.setUint16(4, p.identification);
    view.setUint16(6, p.dontFragment ? 0x4000 : 0);
    packet[8] = p.hopLimit;
    packet[9] = protocol;
    packet.set(address(4, p.source), 12);
    packet.set(address(4, p.destination), 16);
    view.setUint16(10, ~internetSum(packet.subarray(0, 20)) & 0xffff);
  } else {
    view.setUint32(0, 0x60000000 | (p.trafficClass << 20));
    view.setUint16(4, transportLength);
    packet[6] = protocol;
    packet[7] = p.hopLimit;
    packet.set(address(6, p.source), 8);
    packet.set(address(6, p.destination), 24);
  }
  view.setUint16(ipLength, p.sourcePort);
  view.setUint16(ipLength + 2, p.destinationPort);
  if (p.protocol === "tcp") {
    view.setUint32(ipLength + 4, p.sequence);
    view.setUint32(ipLength + 8, p.acknowledgment);
    packet[ipLength + 12] = (transportHeader / 4) << 4;
    packet[ipLength + 13] = p.flags;
    view.setUint16(ipLength + 14, 512);
    packet.set(p.options, ipLength + 20);
  } else {
    view.setUint16(ipLength + 4, transportLength);
  }
  packet.set(p.payload, ipLength + transportHeader);
  const pseudo = pseudoHeader(packet, protocol, transportLength);
  const sum = partial ? internetSum(pseudo) : ~internetSum(pseudo, packet.subarray(ipLength)) & 0xffff;
  view.setUint16(ipLength + (p.protocol === "tcp" ? 16 : 6), sum === 0 && p.protocol === "udp" ? 0xffff : sum);
  return packet;
}

/** True when every checksum of a TCP or UDP packet verifies. */
export function checksumsHold(packet: Uint8Array): boolean {
  const ipv4 = (packet[0] ?? 0) >> 4 === 4;
  const ipLength = ipv4 ? ((packet[0] ?? 0) & 15) * 4 : 40;
  if (ipv4 && internetSum(packet.subarray(0, ipLength)) !== 0xffff) return false;
  const transport = packet.subarray(ipLength);
  const protocol = (ipv4 ? packet[9] : packet[6]) ?? 0;
  return internetSum(pseudoHeader(packet, protocol, transport.length), transport) === 0xffff;
}

export interface VirtioHeader {
  readonly flags: number;
  readonly gsoType: number;
  readonly headerLength: number;
  readonly gsoSize: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

export const VIRTIO_LENGTH = 10;
export const NEEDS_CHECKSUM = 1;
export const GSO = { none: 0, tcp4: 1, tcp6: 4, udp: 5 } as const;

export const NO_VIRTIO: VirtioHeader = {
  flags: 0,
  gsoType: 0,
  headerLength: 0,
  gsoSize: 0,
  checksumStart: 0,
  checksumOffset: 0,
};

/** virtio's header is in host order; the tests run on little-endian machines, as the addon's users do. */
export function withVirtio(header: VirtioHeader, packet: Uint8Array): Uint8Array {
  const out = new Uint8Array(VIRTIO_LENGTH + packet.length);
  const view = new DataView(out.buffer);
  out[0] = header.flags;
  out[1] = header.gsoType;
  view.setUint16(2, header.headerLength, true);
  view.setUint16(4, header.gsoSize, true);
  view.setUint16(6, header.checksumStart, true);
  view.setUint16(8, header.checksumOffset, true);
  out.set(packet, VIRTIO_LENGTH);
  return out;
}

export function virtioOf(octets: Uint8Array): VirtioHeader {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  return {
    flags: octets[0] ?? 0,
    gsoType: octets[1] ?? 0,
    headerLength: view.getUint16(2, true),
    gsoSize: view.getUint16(4, true),
    checksumStart: view.getUint16(6, true),
    checksumOffset: view.getUint16(8, true),
  };
}

/** A super-packet as the kernel hands it over: partial checksum, segments of `size` octets. */
export function superPacket(p: TransportPacket, size: number): Uint8Array {
  const ipLength = p.family === 4 ? 20 : 40;
  const gsoType = p.protocol === "udp" ? GSO.udp : p.family === 4 ? GSO.tcp4 : GSO.tcp6;
  return withVirtio(
    {
      flags: NEEDS_CHECKSUM,
      gsoType,
      headerLength: ipLength + (p.protocol === "tcp" ? 20 + p.options.length : 8),
      gsoSize: size,
      checksumStart: ipLength,
      checksumOffset: p.protocol === "tcp" ? 16 : 6,
    },
    build(p, true),
  );
}
