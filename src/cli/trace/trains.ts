/**
 * The datagrams of a train: with segmentation offload the kernel shows many ESP packets in UDP as one (UDP_SEGMENT, UDP_GRO),
 * and does not say where one ends. Each begins with the SA's SPI and the next sequence number (RFC 4303 §2).
 */
import { fold, sumWords } from "#wire/ip/checksum";

const UDP = 17;
const UDP_HEADER = 8;
const ESP_HEADER = 8;
/** Packets may have got lost on the way to where they were joined. */
const LARGEST_GAP = 1024;

/** Copies, or the packet itself when it is one. `ports`: where ESP in UDP is spoken. */
export function datagramsOf(packet: Uint8Array, ports: readonly number[]): readonly Uint8Array[] {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const ip = udpHeaderAt(view);
  if (ip === undefined || !ports.some((port) => [view.getUint16(ip), view.getUint16(ip + 2)].includes(port)))
    return [packet];
  const start = ip + UDP_HEADER;
  const size = segmentSize(view, start);
  if (size === undefined) return [packet];
  const datagrams: Uint8Array[] = [];
  for (let at = start; at < packet.length; at += size)
    datagrams.push(
      withHeaders(packet, start, packet.subarray(at, Math.min(at + size, packet.length)), datagrams.length),
    );
  return datagrams;
}

/** undefined: no UDP, a fragment, or cut short. */
function udpHeaderAt(view: DataView): number | undefined {
  if (view.byteLength < 28) return undefined;
  const version = view.getUint8(0) >>> 4;
  const ip = version === 4 ? (view.getUint8(0) & 15) * 4 : 40;
  if (view.getUint8(version === 4 ? 9 : 6) !== UDP || (version === 4 && (view.getUint16(6) & 0x3fff) !== 0))
    return undefined;
  return view.byteLength < ip + UDP_HEADER + ESP_HEADER ? undefined : ip;
}

/** Octets from one ESP header to the next; undefined: there is no second one. */
function segmentSize(view: DataView, start: number): number | undefined {
  const spi = view.getUint32(start);
  // The non-ESP marker (RFC 3948 §2.2).
  if (spi === 0) return undefined;
  const sequence = view.getUint32(start + 4);
  for (let at = start + 2 * ESP_HEADER; at + ESP_HEADER <= view.byteLength; at++) {
    const ahead = (view.getUint32(at + 4) - sequence) >>> 0;
    if (view.getUint32(at) === spi && ahead > 0 && ahead <= LARGEST_GAP) return at - start;
  }
  return undefined;
}

function withHeaders(packet: Uint8Array, start: number, payload: Uint8Array, index: number): Uint8Array {
  const datagram = new Uint8Array(start + payload.length);
  datagram.set(packet.subarray(0, start));
  datagram.set(payload, start);
  const view = new DataView(datagram.buffer);
  const udp = start - UDP_HEADER;
  view.setUint16(udp + 4, UDP_HEADER + payload.length);
  if (view.getUint8(0) >>> 4 === 6) {
    view.setUint16(4, UDP_HEADER + payload.length);
    return datagram;
  }
  // RFC 3948 §2.1: the checksum of ESP in UDP is zero.
  view.setUint16(udp + 6, 0);
  view.setUint16(2, datagram.length);
  view.setUint16(4, (view.getUint16(4) + index) & 0xffff);
  view.setUint16(10, 0);
  view.setUint16(10, ~fold(sumWords(view, 0, udp, 0)) & 0xffff);
  return datagram;
}
