/**
 * Transport mode on the way out (RFC 4303 §3.1.1, RFC 4302 §3.1.1): the packet's own IP header moves forward and the
 * security protocol goes behind it and behind the extension headers that routers read.
 *
 *     | IP | TCP … |   ──►   | IP | ESP | TCP … | trailer | ICV |      in UDP: the socket makes the IP header
 */
import * as drops from "#core/drop";
import * as selectors from "#core/selector";
import * as slab from "#core/slab";
import { millis } from "#core/units";
import * as flows from "#ipsec/flow";
import { PENDING, Reassembler } from "#ipsec/reassembler";
import * as sas from "#ipsec/sa";
import * as ipv4 from "#wire/ip/ipv4";
import { refreshIpv4Checksum } from "#wire/ip/ipv4";
import * as ipv6 from "#wire/ip/ipv6";
import type { BundleOut } from "./bundle-out.ts";
import type { LaneContext } from "./lane-context.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { IpProtocol } = selectors;
const { HEADROOM, Row, VERDICT_GO } = slab;
const { FLAG_FIRST_FRAGMENT, FLAG_LATER_FRAGMENT, Flow } = flows;
const { SA_COLUMNS, Sa, SaFlag } = sas;
const { Ipv4 } = ipv4;
const { IPV6_HEADER_LENGTH, Ipv6 } = ipv6;

/** Trailer and ICV behind a datagram. */
const TAILROOM = 64;

export class TransportOut {
  readonly #context: LaneContext;
  readonly #bundle: BundleOut;
  /** Where the packet's protocol number stands, in octets from its start. */
  #namedAt = 0;
  /** Made for the first fragment: it holds four megabytes. */
  #reassembler: Reassembler | undefined;

  constructor(context: LaneContext, bundle: BundleOut) {
    this.#context = context;
    this.#bundle = bundle;
  }

  /**
   * RFC 4303 §3.3.4: transport mode is for whole datagrams. The context's flow is the row's packet. VERDICT_GO: the row is
   * whole, and so is the flow. Else a drop code; FRAGMENT_HELD: a fragment, kept until the others come.
   */
  assemble(row: number, now: number): number {
    const { memory, flow, view, scratch } = this.#context;
    if (((flow.words[Flow.FLAGS] ?? 0) & (FLAG_FIRST_FRAGMENT | FLAG_LATER_FRAGMENT)) === 0) return VERDICT_GO;
    this.#reassembler ??= new Reassembler();
    const length = this.#reassembler.add(view, flow, millis(now));
    if (length <= 0) return length === PENDING ? Drop.FRAGMENT_HELD : length;
    const at = scratch.take(HEADROOM + length + TAILROOM);
    if (at < 0) return Drop.SCRATCH_FULL;
    this.#reassembler.copyTo(view, at + HEADROOM);
    memory.out[row + Row.OFFSET] = at + HEADROOM;
    memory.out[row + Row.LENGTH] = length;
    return flow.extract(view, at + HEADROOM, length);
  }

  /** The row is a whole IP packet. Returns Life.FRESH, Life.SOFT or a drop code. */
  encapsulate(row: number, slot: number, now: number): number {
    const { memory, espOut, ahOut, table } = this.#context;
    const rows = memory.out;
    const bytes = memory.slab;
    const offset = rows[row + Row.OFFSET] ?? 0;
    const length = rows[row + Row.LENGTH] ?? 0;
    const ipLength = this.#headerLength(offset, length);
    if (ipLength < 0) return ipLength;
    const payload = offset + ipLength;
    const payloadLength = length - ipLength;
    const protocol = bytes[offset + this.#namedAt] ?? 0;
    const flags = table.columns[slot * SA_COLUMNS + Sa.FLAGS] ?? 0;

    if ((flags & SaFlag.AH) !== 0) {
      const ahLength = ahOut.headerOctets(slot);
      const ip = this.#moveHeader(offset, ipLength, ahLength);
      this.#completeHeader(ip, ipLength, IpProtocol.AH, ahLength + payloadLength);
      const life = ahOut.authenticate(rows, row, slot, protocol, ip, ipLength, payloadLength, length, now);
      if (life < 0) this.#restoreHeader(ip, offset, ipLength, protocol, payloadLength);
      return life;
    }
    if ((flags & SaFlag.UDP) !== 0)
      return espOut.encapsulate(rows, row, slot, protocol, payload, payloadLength, length, now);
    const bundled = (flags & SaFlag.BUNDLED) !== 0;
    const ahLength = bundled ? ahOut.headerOctets(table.columns[slot * SA_COLUMNS + Sa.BUNDLE] ?? 0) : 0;
    // Before ESP writes its header over the packet's own.
    const ip = this.#moveHeader(offset, ipLength, espOut.headerOctets(slot) + ahLength);
    const life = espOut.encapsulate(rows, row, slot, protocol, payload, payloadLength, length, now);
    if (life < 0) {
      this.#restoreHeader(ip, offset, ipLength, protocol, payloadLength);
      return life;
    }
    const espLength = rows[row + Row.LENGTH] ?? 0;
    this.#completeHeader(ip, ipLength, bundled ? IpProtocol.AH : IpProtocol.ESP, ahLength + espLength);
    if (bundled) this.#bundle.add(row, ip, ipLength);
    else {
      rows[row + Row.OFFSET] = ip;
      rows[row + Row.LENGTH] = ipLength + espLength;
    }
    return life;
  }

  /** Octets of IP header and of the IPv6 extension headers that stay in front (RFC 4303 §3.1.1). */
  #headerLength(offset: number, length: number): number {
    const bytes = this.#context.memory.slab;
    if ((bytes[offset] ?? 0) >>> 4 === 4) {
      this.#namedAt = Ipv4.PROTOCOL;
      return ((bytes[offset] ?? 0) & 0x0f) << 2;
    }
    this.#namedAt = Ipv6.NEXT_HEADER;
    let at = IPV6_HEADER_LENGTH;
    for (;;) {
      const next = bytes[offset + this.#namedAt] ?? 0;
      if (next !== IpProtocol.HOPOPT && next !== IpProtocol.ROUTING) return at;
      const octets = ((bytes[offset + at + 1] ?? 0) + 1) << 3;
      if (at + octets > length) return Drop.INNER_MALFORMED;
      this.#namedAt = at;
      at += octets;
    }
  }

  /** Moves the header `gap` octets forward; returns its new offset. */
  #moveHeader(offset: number, ipLength: number, gap: number): number {
    this.#context.memory.slab.copyWithin(offset - gap, offset, offset + ipLength);
    return offset - gap;
  }

  /** A refused packet is as it came: another SA may take it. */
  #restoreHeader(ip: number, offset: number, ipLength: number, protocol: number, payloadLength: number): void {
    this.#context.memory.slab.copyWithin(offset, ip, ip + ipLength);
    this.#completeHeader(offset, ipLength, protocol, payloadLength);
  }

  /** Gives the header its new protocol and payload length. */
  #completeHeader(ip: number, ipLength: number, protocol: number, payloadLength: number): void {
    const { memory, view } = this.#context;
    memory.slab[ip + this.#namedAt] = protocol;
    if ((memory.slab[ip] ?? 0) >>> 4 === 4) {
      view.setUint16(ip + Ipv4.TOTAL_LENGTH, ipLength + payloadLength);
      // The kernel fills in a zero identification, which AH would not have covered.
      if (view.getUint16(ip + Ipv4.ID) === 0) view.setUint16(ip + Ipv4.ID, 1);
      refreshIpv4Checksum(view, ip, ipLength);
    } else view.setUint16(ip + Ipv6.PAYLOAD_LENGTH, ipLength - IPV6_HEADER_LENGTH + payloadLength);
  }
}
