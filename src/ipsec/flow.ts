/**
 * What a policy sees of a packet (RFC 4301 §4.4.1.1): addresses, next layer protocol, ports or ICMP type and code.
 * One FlowKey per lane is filled anew for each packet; its words are the key of SPD, flow cache and selector tables.
 */
import * as drops from "#core/drop";
import * as selectors from "#core/selector";
import * as ipv4 from "#wire/ip/ipv4";
import * as ipv6 from "#wire/ip/ipv6";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { IpProtocol } = selectors;
const { IPV4_HEADER_LENGTH, IPV4_MF, IPV4_OFFSET_MASK, Ipv4 } = ipv4;
const {
  IPV6_FRAGMENT_HEADER_LENGTH,
  IPV6_FRAGMENT_MORE,
  IPV6_FRAGMENT_OFFSET_MASK,
  IPV6_HEADER_LENGTH,
  Ipv6,
  Ipv6Fragment,
} = ipv6;

/** Words of a flow key. Addresses are big-endian words; IPv4 fills the first and leaves three zero. */
export const Flow = {
  FAMILY: 0,
  SOURCE: 1,
  DESTINATION: 5,
  PROTOCOL: 9,
  /** Source port << 16 | destination port. ICMP: (type << 8 | code) << 16 (RFC 7296 §3.13.1); mobility: type << 24. */
  PORTS: 10,
  FLAGS: 11,
} as const;
export const FLOW_WORDS = 12;

/** Offset 0 and more to come. */
export const FLAG_FIRST_FRAGMENT = 1;
/** Offset above 0: ports are known only from the fragment tracker. */
export const FLAG_LATER_FRAGMENT = 2;
/** PORTS is the packet's; without it the ports are OPAQUE (RFC 4301 §4.4.1.1). */
export const FLAG_PORTS = 4;
/** The value belongs to the sender alone (ICMP type and code, mobility type): the destination half says nothing. */
export const FLAG_ONE_PORT = 8;

/** Which way a packet goes: outbound its source is our side, inbound its source is the peer's. */
export const OUTBOUND = 0;
export const INBOUND = 1;

const SCTP = 132;
const DCCP = 33;
const UDP_LITE = 136;

/** Extension headers we walk at most; honest packets have two or three. */
const EXTENSION_LIMIT = 8;
/** Octets of the upper layer that must be there: two ports, or ICMP's type, code and checksum. */
const UPPER_MINIMUM = 4;
/** Version 4 and a header of five words: no options. */
const PLAIN_IPV4 = 0x45;
/** The shortest packet whose octets `repeats` may compare: IPv6 with ports. */
const SHORTEST_REPEAT: number = IPV6_HEADER_LENGTH + UPPER_MINIMUM;

export class FlowKey {
  readonly words: Int32Array = new Int32Array(FLOW_WORDS);
  /** First octet of the packet in the slab. */
  offset = 0;
  /** The packet's own length; octets of the row beyond it are TFC padding (RFC 4303 §2.7). */
  length = 0;
  /** Octets before the upper layer, options and extension headers included. */
  headerLength = 0;
  /** First octet of the upper layer (or of a later fragment's data) in the slab. */
  upperOffset = 0;
  /** IPv4 TOS or IPv6 traffic class. */
  trafficClass = 0;
  /** IPv4 DF; IPv6 packets behave as if it were always set. */
  dontFragment = 0;
  /** Identification of the datagram that a fragment belongs to. */
  fragmentId = 0;
  /** In octets. */
  fragmentOffset = 0;
  /** 1 = more fragments follow. */
  fragmentMore = 0;
  /** IPv6: first octet of the fragment header in the slab; IPv4 and whole packets: 0. */
  fragmentHeader = 0;
  /** IPv6: the octet whose next-header value names the fragment header. */
  fragmentNamedAt = 0;

  /** Fills the key from `length` octets at `offset`. Returns 0, NOT_IP or INNER_MALFORMED; then the key is undefined. */
  extract(view: DataView, offset: number, length: number): number {
    if (length < IPV4_HEADER_LENGTH) return length > 0 ? Drop.INNER_MALFORMED : Drop.NOT_IP;
    this.offset = offset;
    this.fragmentHeader = 0;
    this.fragmentNamedAt = 0;
    const version = view.getUint8(offset) >>> 4;
    if (version === 4) return this.#extract4(view, offset, length);
    if (version === 6) return this.#extract6(view, offset, length);
    return Drop.NOT_IP;
  }

  /**
   * True when `length` octets at `offset` are a further whole packet of the flow in the key, told by the same octets that
   * the key was made of; then the packet's own fields are set. False says nothing: extract. The caller vouches that the
   * key's last extraction succeeded. Costs a third of an extraction and saves the lookups behind it.
   */
  repeats(view: DataView, offset: number, length: number): boolean {
    const words = this.words;
    if (words[Flow.FLAGS] !== FLAG_PORTS || length < SHORTEST_REPEAT) return false;
    return words[Flow.FAMILY] === 4 ? this.#repeats4(view, offset, length) : this.#repeats6(view, offset, length);
  }

  #repeats4(view: DataView, offset: number, length: number): boolean {
    const words = this.words;
    const first = view.getInt32(offset);
    const total = first & 0xffff;
    const fragment = view.getUint16(offset + Ipv4.FRAGMENT);
    if (
      first >>> 24 !== PLAIN_IPV4 ||
      total > length ||
      total < IPV4_HEADER_LENGTH + UPPER_MINIMUM ||
      (fragment & (IPV4_MF | IPV4_OFFSET_MASK)) !== 0 ||
      view.getUint8(offset + Ipv4.PROTOCOL) !== words[Flow.PROTOCOL] ||
      view.getInt32(offset + Ipv4.SOURCE) !== words[Flow.SOURCE] ||
      view.getInt32(offset + Ipv4.DESTINATION) !== words[Flow.DESTINATION] ||
      view.getInt32(offset + IPV4_HEADER_LENGTH) !== words[Flow.PORTS]
    )
      return false;
    this.offset = offset;
    this.length = total;
    this.headerLength = IPV4_HEADER_LENGTH;
    this.upperOffset = offset + IPV4_HEADER_LENGTH;
    this.trafficClass = (first >>> 16) & 0xff;
    this.dontFragment = (fragment >>> 14) & 1;
    this.fragmentId = view.getUint16(offset + Ipv4.ID);
    return true;
  }

  #repeats6(view: DataView, offset: number, length: number): boolean {
    const words = this.words;
    const first = view.getInt32(offset);
    const total = IPV6_HEADER_LENGTH + view.getUint16(offset + Ipv6.PAYLOAD_LENGTH);
    if (
      first >>> 28 !== 6 ||
      total > length ||
      total < IPV6_HEADER_LENGTH + UPPER_MINIMUM ||
      view.getUint8(offset + Ipv6.NEXT_HEADER) !== words[Flow.PROTOCOL]
    )
      return false;
    for (let i = 0; i < 4; i++) {
      if (view.getInt32(offset + Ipv6.SOURCE + 4 * i) !== words[Flow.SOURCE + i]) return false;
      if (view.getInt32(offset + Ipv6.DESTINATION + 4 * i) !== words[Flow.DESTINATION + i]) return false;
    }
    if (view.getInt32(offset + IPV6_HEADER_LENGTH) !== words[Flow.PORTS]) return false;
    this.offset = offset;
    this.length = total;
    this.headerLength = IPV6_HEADER_LENGTH;
    this.upperOffset = offset + IPV6_HEADER_LENGTH;
    this.trafficClass = (first >>> 20) & 0xff;
    return true;
  }

  /** Ports that the fragment tracker remembered for this later fragment (RFC 4301 §7.3). */
  setPorts(ports: number, oneSided: boolean): void {
    const words = this.words;
    words[Flow.PORTS] = ports;
    words[Flow.FLAGS] = (words[Flow.FLAGS] ?? 0) | FLAG_PORTS | (oneSided ? FLAG_ONE_PORT : 0);
  }

  #extract4(view: DataView, offset: number, length: number): number {
    const headerLength = (view.getUint8(offset) & 0x0f) << 2;
    const total = view.getUint16(offset + Ipv4.TOTAL_LENGTH);
    if (headerLength < IPV4_HEADER_LENGTH || total < headerLength || total > length) return Drop.INNER_MALFORMED;
    const words = this.words;
    // The last packet's IPv6 words go only when the last packet was IPv6.
    if (words[Flow.FAMILY] !== 4) words.fill(0);
    words[Flow.FAMILY] = 4;
    words[Flow.SOURCE] = view.getInt32(offset + Ipv4.SOURCE);
    words[Flow.DESTINATION] = view.getInt32(offset + Ipv4.DESTINATION);
    this.length = total;
    this.headerLength = headerLength;
    this.upperOffset = offset + headerLength;
    this.trafficClass = view.getUint8(offset + Ipv4.TOS);
    const fragment = view.getUint16(offset + Ipv4.FRAGMENT);
    this.dontFragment = (fragment >>> 14) & 1;
    this.fragmentId = view.getUint16(offset + Ipv4.ID);
    const protocol = view.getUint8(offset + Ipv4.PROTOCOL);
    if ((fragment & (IPV4_MF | IPV4_OFFSET_MASK)) === 0) {
      this.fragmentOffset = 0;
      this.fragmentMore = 0;
      return this.#upper(view, protocol, total - headerLength, 0);
    }
    return this.#fragment(
      view,
      protocol,
      total - headerLength,
      (fragment & IPV4_OFFSET_MASK) << 3,
      (fragment & IPV4_MF) === 0 ? 0 : 1,
    );
  }

  #extract6(view: DataView, offset: number, length: number): number {
    if (length < IPV6_HEADER_LENGTH) return Drop.INNER_MALFORMED;
    const total = IPV6_HEADER_LENGTH + view.getUint16(offset + Ipv6.PAYLOAD_LENGTH);
    if (total > length) return Drop.INNER_MALFORMED;
    const words = this.words;
    words[Flow.FAMILY] = 6;
    for (let i = 0; i < 4; i++) {
      words[Flow.SOURCE + i] = view.getInt32(offset + Ipv6.SOURCE + 4 * i);
      words[Flow.DESTINATION + i] = view.getInt32(offset + Ipv6.DESTINATION + 4 * i);
    }
    this.length = total;
    this.trafficClass = (view.getUint16(offset) >>> 4) & 0xff;
    this.dontFragment = 1;
    this.fragmentId = 0;
    this.fragmentOffset = 0;
    this.fragmentMore = 0;
    const next = view.getUint8(offset + Ipv6.NEXT_HEADER);
    if (next === IpProtocol.TCP || next === IpProtocol.UDP || next === IpProtocol.ICMPV6) {
      this.headerLength = IPV6_HEADER_LENGTH;
      this.upperOffset = offset + IPV6_HEADER_LENGTH;
      return this.#upper(view, next, total - IPV6_HEADER_LENGTH, 0);
    }
    // RFC 2675: a jumbogram has payload length 0 and a hop-by-hop header; we carry none.
    if (next === IpProtocol.HOPOPT && total === IPV6_HEADER_LENGTH) return Drop.INNER_MALFORMED;
    return this.#walk6(view, offset, total, next);
  }

  // RFC 4301 §4.4.1.1: these four are skipped to find the next layer protocol; AH, ESP and mobility are next layers.
  #walk6(view: DataView, offset: number, total: number, first: number): number {
    let next = first;
    let namedAt = offset + Ipv6.NEXT_HEADER;
    let at = IPV6_HEADER_LENGTH;
    for (let count = 0; count <= EXTENSION_LIMIT; count++) {
      if (next === IpProtocol.FRAGMENT) {
        if (at + IPV6_FRAGMENT_HEADER_LENGTH > total || this.fragmentHeader !== 0) return Drop.INNER_MALFORMED;
        const field = view.getUint16(offset + at + Ipv6Fragment.OFFSET);
        this.fragmentHeader = offset + at;
        this.fragmentNamedAt = namedAt;
        this.fragmentId = view.getInt32(offset + at + Ipv6Fragment.ID);
        this.fragmentOffset = field & IPV6_FRAGMENT_OFFSET_MASK;
        this.fragmentMore = field & IPV6_FRAGMENT_MORE;
        namedAt = offset + at + Ipv6Fragment.NEXT_HEADER;
        next = view.getUint8(namedAt);
        at += IPV6_FRAGMENT_HEADER_LENGTH;
        // What follows is data, not headers.
        if (this.fragmentOffset !== 0) break;
      } else if (next === IpProtocol.HOPOPT || next === IpProtocol.ROUTING || next === IpProtocol.DESTINATION) {
        // RFC 8200 §4.1: hop-by-hop options stand only right behind the IPv6 header.
        if (next === IpProtocol.HOPOPT && at !== IPV6_HEADER_LENGTH) return Drop.INNER_MALFORMED;
        if (at + 8 > total) return Drop.INNER_MALFORMED;
        namedAt = offset + at;
        next = view.getUint8(namedAt);
        at += (view.getUint8(offset + at + 1) + 1) << 3;
        if (at > total) return Drop.INNER_MALFORMED;
      } else {
        break;
      }
      if (count === EXTENSION_LIMIT) return Drop.INNER_MALFORMED;
    }
    this.headerLength = at;
    this.upperOffset = offset + at;
    // RFC 6946: offset 0 and nothing to come is a whole packet.
    if (this.fragmentOffset === 0 && this.fragmentMore === 0) return this.#upper(view, next, total - at, 0);
    return this.#fragment(view, next, total - at, this.fragmentOffset, this.fragmentMore);
  }

  #fragment(view: DataView, protocol: number, length: number, fragmentOffset: number, more: number): number {
    this.fragmentOffset = fragmentOffset;
    this.fragmentMore = more;
    // RFC 791 §3.2, RFC 8200 §4.5: data before the end comes in multiples of 8; nothing ends past the largest packet.
    if (length === 0 || (more === 1 && (length & 7) !== 0)) return Drop.INNER_MALFORMED;
    if (fragmentOffset + length > 65535) return Drop.INNER_MALFORMED;
    // RFC 1858 §3, RFC 7112 §5: a first fragment holds the upper layer's header, so that no policy is passed unseen.
    if (fragmentOffset === 0) {
      if (protocol === IpProtocol.TCP && length < 16) return Drop.INNER_MALFORMED;
      return this.#upper(view, protocol, length, FLAG_FIRST_FRAGMENT);
    }
    // RFC 1858 §4: TCP flags never come in a second fragment.
    if (protocol === IpProtocol.TCP && fragmentOffset === 8) return Drop.INNER_MALFORMED;
    const words = this.words;
    words[Flow.PROTOCOL] = protocol;
    words[Flow.PORTS] = 0;
    words[Flow.FLAGS] = FLAG_LATER_FRAGMENT;
    return 0;
  }

  #upper(view: DataView, protocol: number, length: number, flags: number): number {
    const words = this.words;
    const at = this.upperOffset;
    words[Flow.PROTOCOL] = protocol;
    if (
      protocol === IpProtocol.TCP ||
      protocol === IpProtocol.UDP ||
      protocol === SCTP ||
      protocol === DCCP ||
      protocol === UDP_LITE
    ) {
      if (length < UPPER_MINIMUM) return Drop.INNER_MALFORMED;
      words[Flow.PORTS] = view.getInt32(at);
      words[Flow.FLAGS] = flags | FLAG_PORTS;
    } else if (protocol === (words[Flow.FAMILY] === 4 ? IpProtocol.ICMP : IpProtocol.ICMPV6)) {
      if (length < UPPER_MINIMUM) return Drop.INNER_MALFORMED;
      words[Flow.PORTS] = view.getUint16(at) << 16;
      words[Flow.FLAGS] = flags | FLAG_PORTS | FLAG_ONE_PORT;
    } else if (protocol === IpProtocol.MOBILITY && words[Flow.FAMILY] === 6) {
      if (length < UPPER_MINIMUM) return Drop.INNER_MALFORMED;
      words[Flow.PORTS] = view.getUint8(at + 2) << 24;
      words[Flow.FLAGS] = flags | FLAG_PORTS | FLAG_ONE_PORT;
    } else {
      words[Flow.PORTS] = 0;
      words[Flow.FLAGS] = flags;
    }
    return 0;
  }
}
