/**
 * Classic BPF programs. For Ethernet frames (packet(7), SO_ATTACH_FILTER): what passes between two gateways and is neither
 * ESP nor AH nor the little that two neighbours must say in clear. For lanes: which of them a packet is for, by its SPI.
 */
import { LITTLE_ENDIAN } from "./netlink-message.ts";

// Opcodes of linux/bpf_common.h.
const LOAD_OCTET = 0x30;
const LOAD_HALF = 0x28;
const LOAD_HALF_AT_X = 0x48;
const LOAD_OCTET_AT_X = 0x50;
const LOAD_WORD = 0x20;
const LOAD_WORD_AT_X = 0x40;
const LOAD_LENGTH = 0x80;
/** X = 4 × the low nibble of an octet: the length of an IPv4 header. */
const LOAD_X_HEADER = 0xb1;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_GREATER_EQUAL = 0x35;
const JUMP_BITS = 0x45;
const JUMP_ALWAYS = 0x05;
const SUBTRACT_X = 0x1c;
/** Unsigned, since Linux 3.7. */
const MODULO = 0x94;
const RETURN = 0x06;
const RETURN_A = 0x16;

const ALL_OCTETS = 0x40000;

export interface Instruction {
  readonly code: number;
  /** Instructions to skip when the comparison holds, and when it does not. */
  readonly yes: number;
  readonly no: number;
  readonly k: number;
}

type Line =
  | { readonly kind: "label"; readonly name: string }
  | { readonly kind: "plain"; readonly code: number; readonly k: number }
  | { readonly kind: "go"; readonly to: string }
  | { readonly kind: "jump"; readonly code: number; readonly k: number; readonly to: string };

const label = (name: string): Line => ({ kind: "label", name });
const plain = (code: number, k: number): Line => ({ kind: "plain", code, k });
const go = (to: string): Line => ({ kind: "go", to });
/** Goes to `to` when the comparison holds, else on. */
const jump = (code: number, k: number, to: string): Line => ({ kind: "jump", code, k, to });
const isAny = (values: readonly number[], to: string) => values.map((value) => jump(JUMP_EQUAL, value, to));

function assemble(lines: readonly Line[]): Instruction[] {
  const places = new Map<string, number>();
  let count = 0;
  for (const line of lines)
    if (line.kind === "label") places.set(line.name, count);
    else count++;
  const distance = (from: number, to: string) => {
    const place = places.get(to);
    if (place === undefined || place <= from) throw new Error(`bug: filter label ${to} is not ahead`);
    return place - from - 1;
  };
  const out: Instruction[] = [];
  for (const line of lines) {
    const at = out.length;
    if (line.kind === "plain") out.push({ code: line.code, yes: 0, no: 0, k: line.k });
    else if (line.kind === "go") out.push({ code: JUMP_ALWAYS, yes: 0, no: 0, k: distance(at, line.to) });
    else if (line.kind === "jump") {
      const yes = distance(at, line.to);
      if (yes > 255) throw new Error(`bug: filter label ${line.to} is too far ahead`);
      out.push({ code: line.code, yes, no: 0, k: line.k });
    }
  }
  return out;
}

const ETHERNET = 14;
const TYPE_IPV4 = 0x0800;
const TYPE_ARP = 0x0806;
const TYPE_IPV6 = 0x86dd;
const ESP = 50;
const AH = 51;
const UDP = 17;
const ICMPV6 = 58;
const FRAGMENT = 44;
const HOP_BY_HOP = 0;

/** IPv6's fixed header ends here. */
const IPV6_BODY = ETHERNET + 40;

/**
 * Matches every frame that is not ARP, neighbour discovery or multicast listener reports, ESP, AH, or UDP from or to
 * one of the ports. Of a fragmented datagram the first fragment decides; the others have no ports and do not match.
 */
export function clearTextFilter(ports: readonly number[]): Instruction[] {
  return assemble([
    plain(LOAD_HALF, 12),
    jump(JUMP_EQUAL, TYPE_ARP, "ignore"),
    jump(JUMP_EQUAL, TYPE_IPV4, "ipv4"),
    jump(JUMP_EQUAL, TYPE_IPV6, "ipv6"),
    go("match"),

    label("ipv4"),
    plain(LOAD_OCTET, ETHERNET + 9),
    ...isAny([ESP, AH], "ignore"),
    jump(JUMP_EQUAL, UDP, "udp4"),
    go("match"),

    label("udp4"),
    plain(LOAD_HALF, ETHERNET + 6),
    jump(JUMP_BITS, 0x1fff, "ignore"),
    plain(LOAD_X_HEADER, ETHERNET),
    plain(LOAD_HALF_AT_X, ETHERNET),
    ...isAny(ports, "ignore"),
    plain(LOAD_HALF_AT_X, ETHERNET + 2),
    ...isAny(ports, "ignore"),
    go("match"),

    label("ipv6"),
    plain(LOAD_OCTET, ETHERNET + 6),
    ...isAny([ESP, AH], "ignore"),
    jump(JUMP_EQUAL, UDP, "udp6"),
    jump(JUMP_EQUAL, ICMPV6, "icmp6"),
    jump(JUMP_EQUAL, HOP_BY_HOP, "hop"),
    jump(JUMP_EQUAL, FRAGMENT, "fragment6"),
    go("match"),

    label("udp6"),
    plain(LOAD_HALF, IPV6_BODY),
    ...isAny(ports, "ignore"),
    plain(LOAD_HALF, IPV6_BODY + 2),
    ...isAny(ports, "ignore"),
    go("match"),

    // RFC 4861 §4: router and neighbour solicitations and advertisements, redirects.
    label("icmp6"),
    plain(LOAD_OCTET, IPV6_BODY),
    jump(JUMP_GREATER, 137, "match"),
    jump(JUMP_GREATER_EQUAL, 133, "ignore"),
    go("match"),

    // RFC 3810 §5: multicast listener messages stand behind an eight-octet hop-by-hop header with a router alert.
    label("hop"),
    plain(LOAD_HALF, IPV6_BODY),
    jump(JUMP_EQUAL, ICMPV6 << 8, "listener"),
    go("match"),
    label("listener"),
    plain(LOAD_OCTET, IPV6_BODY + 8),
    ...isAny([130, 131, 132, 143], "ignore"),
    go("match"),

    label("fragment6"),
    plain(LOAD_OCTET, IPV6_BODY),
    ...isAny([ESP, AH], "ignore"),
    jump(JUMP_EQUAL, UDP, "fragmentOfUdp6"),
    go("match"),
    label("fragmentOfUdp6"),
    plain(LOAD_HALF, IPV6_BODY + 2),
    jump(JUMP_BITS, 0xfff8, "ignore"),
    plain(LOAD_HALF, IPV6_BODY + 8),
    ...isAny(ports, "ignore"),
    plain(LOAD_HALF, IPV6_BODY + 10),
    ...isAny(ports, "ignore"),

    label("match"),
    plain(RETURN, ALL_OCTETS),
    label("ignore"),
    plain(RETURN, 0),
  ]);
}

/** RFC 4303 §2: an ESP packet is no shorter. RFC 3948 §2.3: a keepalive is. */
const SMALLEST_ESP = 8;
const SPI_OF_ESP = 0;
/** RFC 4302 §2. */
const SPI_OF_AH = 4;

/**
 * Index of the socket of a SO_REUSEPORT group for a datagram, by the rule of core/steering.ts. The program sees the UDP
 * payload, of a train the first datagram's. Keepalives and what is too short go to lane 0; so does the non-ESP marker of
 * IKE, a zero where ESP has its SPI (RFC 3948 §2.2).
 */
export function laneOfDatagram(lanes: number): Instruction[] {
  return assemble([
    plain(LOAD_LENGTH, 0),
    jump(JUMP_GREATER_EQUAL, SMALLEST_ESP, "esp"),
    plain(RETURN, 0),
    label("esp"),
    plain(LOAD_WORD, SPI_OF_ESP),
    plain(MODULO, lanes),
    plain(RETURN_A, 0),
  ]);
}

/**
 * Matches the packets of one lane among all that every raw socket of the protocol gets. Lane 0 takes those that are too
 * short to have an SPI, so that each is counted once. A raw IPv4 socket's program sees the IP header, IPv6's does not.
 */
export function packetsOfLane(family: 4 | 6, protocol: "esp" | "ah", lane: number, lanes: number): Instruction[] {
  const at = protocol === "esp" ? SPI_OF_ESP : SPI_OF_AH;
  return assemble([
    ...(family === 4
      ? [plain(LOAD_X_HEADER, 0), plain(LOAD_LENGTH, 0), plain(SUBTRACT_X, 0)]
      : [plain(LOAD_LENGTH, 0)]),
    jump(JUMP_GREATER_EQUAL, at + 4, "spi"),
    plain(RETURN, lane === 0 ? ALL_OCTETS : 0),
    label("spi"),
    plain(family === 4 ? LOAD_WORD_AT_X : LOAD_WORD, at),
    plain(MODULO, lanes),
    jump(JUMP_EQUAL, lane, "ours"),
    plain(RETURN, 0),
    label("ours"),
    plain(RETURN, ALL_OCTETS),
  ]);
}

/** linux/filter.h: SKF_AD_OFF + SKF_AD_IFINDEX. */
const INTERFACE_INDEX = 0xfffff000 + 8;
const ICMP = 1;
/** Destination unreachable, with "fragmentation needed" (RFC 792); packet too big (RFC 4443 §3.2). */
const UNREACHABLE = 3;
const TOO_BIG = 2;

/**
 * For packets that begin with their IP header: all of one interface, and of the others ESP, AH, UDP of the ports, later
 * fragments of UDP, and what routers say of packets that do not fit.
 */
export function traceFilter(inside: number, ports: readonly number[]): Instruction[] {
  return assemble([
    plain(LOAD_WORD, INTERFACE_INDEX),
    jump(JUMP_EQUAL, inside, "match"),
    plain(LOAD_OCTET, 0),
    jump(JUMP_GREATER_EQUAL, 0x70, "ignore"),
    jump(JUMP_GREATER_EQUAL, 0x60, "ipv6"),
    jump(JUMP_GREATER_EQUAL, 0x50, "ignore"),
    jump(JUMP_GREATER_EQUAL, 0x40, "ipv4"),
    go("ignore"),

    label("ipv4"),
    plain(LOAD_OCTET, 9),
    ...isAny([ESP, AH], "match"),
    jump(JUMP_EQUAL, UDP, "udp4"),
    jump(JUMP_EQUAL, ICMP, "icmp4"),
    go("ignore"),
    label("udp4"),
    plain(LOAD_HALF, 6),
    jump(JUMP_BITS, 0x1fff, "match"),
    plain(LOAD_X_HEADER, 0),
    plain(LOAD_HALF_AT_X, 0),
    ...isAny(ports, "match"),
    plain(LOAD_HALF_AT_X, 2),
    ...isAny(ports, "match"),
    go("ignore"),
    label("icmp4"),
    plain(LOAD_X_HEADER, 0),
    plain(LOAD_OCTET_AT_X, 0),
    jump(JUMP_EQUAL, UNREACHABLE, "match"),
    go("ignore"),

    label("ipv6"),
    plain(LOAD_OCTET, 6),
    ...isAny([ESP, AH], "match"),
    jump(JUMP_EQUAL, UDP, "udp6"),
    jump(JUMP_EQUAL, FRAGMENT, "fragment6"),
    jump(JUMP_EQUAL, ICMPV6, "icmp6"),
    go("ignore"),
    label("udp6"),
    plain(LOAD_HALF, 40),
    ...isAny(ports, "match"),
    plain(LOAD_HALF, 42),
    ...isAny(ports, "match"),
    go("ignore"),
    label("fragment6"),
    plain(LOAD_OCTET, 40),
    ...isAny([ESP, AH, UDP], "match"),
    go("ignore"),
    label("icmp6"),
    plain(LOAD_OCTET, 40),
    jump(JUMP_EQUAL, TOO_BIG, "match"),

    label("ignore"),
    plain(RETURN, 0),
    label("match"),
    plain(RETURN, ALL_OCTETS),
  ]);
}

/** Matches every frame. */
export function everyFrameFilter(): Instruction[] {
  return assemble([plain(RETURN, ALL_OCTETS)]);
}

/** As struct sock_filter, in host order. */
export function encodeFilter(program: readonly Instruction[]): Uint8Array {
  const out = new Uint8Array(8 * program.length);
  const view = new DataView(out.buffer);
  for (const [i, { code, yes, no, k }] of program.entries()) {
    view.setUint16(8 * i, code, LITTLE_ENDIAN);
    view.setUint8(8 * i + 2, yes);
    view.setUint8(8 * i + 3, no);
    view.setUint32(8 * i + 4, k, LITTLE_ENDIAN);
  }
  return out;
}
