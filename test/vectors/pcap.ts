/** Reads captures (pcap and pcapng) and takes the IKE messages out of them. */

/** Frames as they were captured, with their link type. */
interface Frame {
  readonly link: number;
  readonly octets: Uint8Array;
}

const LINK_NULL = 0;
const LINK_ETHERNET = 1;
const LINK_RAW = 101;
const LINK_SLL = 113;

function view(octets: Uint8Array): DataView {
  return new DataView(octets.buffer, octets.byteOffset, octets.length);
}

function pcapFrames(octets: Uint8Array): Frame[] {
  const data = view(octets);
  const little = data.getUint32(0, true) === 0xa1b2c3d4;
  const link = data.getUint32(20, little) & 0xffff;
  const frames: Frame[] = [];
  for (let at = 24; at + 16 <= octets.length; ) {
    const length = data.getUint32(at + 8, little);
    frames.push({ link, octets: octets.subarray(at + 16, at + 16 + length) });
    at += 16 + length;
  }
  return frames;
}

function pcapngFrames(octets: Uint8Array): Frame[] {
  const data = view(octets);
  const little = data.getUint32(8, true) === 0x1a2b3c4d;
  const links: number[] = [];
  const frames: Frame[] = [];
  for (let at = 0; at + 12 <= octets.length; ) {
    const type = data.getUint32(at, little);
    const length = data.getUint32(at + 4, little);
    if (type === 1) links.push(data.getUint16(at + 8, little));
    if (type === 6) {
      const link = links[data.getUint32(at + 8, little)] ?? LINK_ETHERNET;
      const captured = data.getUint32(at + 20, little);
      frames.push({ link, octets: octets.subarray(at + 28, at + 28 + captured) });
    }
    at += length;
  }
  return frames;
}

function ipPacket({ link, octets }: Frame): Uint8Array {
  if (link === LINK_RAW) return octets;
  if (link === LINK_NULL) return octets.subarray(4);
  if (link === LINK_SLL) return octets.subarray(16);
  const vlan = octets[12] === 0x81 && octets[13] === 0;
  return octets.subarray(vlan ? 18 : 14);
}

/** UDP payload and ports of a packet that is no fragment; undefined for others. */
function udp(packet: Uint8Array): { readonly ports: readonly number[]; readonly payload: Uint8Array } | undefined {
  const version = (packet[0] ?? 0) >>> 4;
  const header = version === 4 ? ((packet[0] ?? 0) & 0xf) * 4 : 40;
  const protocol = version === 4 ? packet[9] : packet[6];
  const data = view(packet);
  if (protocol !== 17 || packet.length < header + 8) return undefined;
  if (version === 4 && (data.getUint16(6) & 0x3fff) !== 0) return undefined;
  const ports = [data.getUint16(header), data.getUint16(header + 2)];
  return { ports, payload: packet.slice(header + 8, header + data.getUint16(header + 4)) };
}

/** Every datagram of port 500, and of port 4500 those with the non-ESP marker, without it (RFC 3948 §2.2). */
export function ikeMessages(capture: Uint8Array): Uint8Array[] {
  const frames = view(capture).getUint32(0) === 0x0a0d0d0a ? pcapngFrames(capture) : pcapFrames(capture);
  const messages: Uint8Array[] = [];
  for (const frame of frames) {
    const datagram = udp(ipPacket(frame));
    if (datagram === undefined) continue;
    const { ports, payload } = datagram;
    if (ports.includes(500)) messages.push(payload);
    else if (ports.includes(4500) && payload.length > 4 && view(payload).getUint32(0) === 0) {
      messages.push(payload.subarray(4));
    }
  }
  return messages;
}

/** Items with a 32-bit length before each. */
export function lengthPrefixed(octets: Uint8Array): Uint8Array[] {
  const data = view(octets);
  const items: Uint8Array[] = [];
  for (let at = 0; at < octets.length; ) {
    const length = data.getUint32(at);
    items.push(octets.slice(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return items;
}
