/**
 * Transport mode on the way in: the packet gets its IP header back. Raw: the outer header, with the protocol that the
 * security header named. In UDP: a header made of the datagram's addresses; TCP's and UDP's checksums are computed anew,
 * because a NAT may have changed the addresses they cover (RFC 3948 §3.1.2) and the ICV vouches for the octets.
 */
import * as drops from "#core/drop";
import * as selectors from "#core/selector";
import * as slab from "#core/slab";
import { AH_FIXED_OCTETS } from "#ipsec/ah-header";
import * as sas from "#ipsec/sa";
import { fold, pseudoSum4, pseudoSum6, sumWords } from "#wire/ip/checksum";
import * as ipv4 from "#wire/ip/ipv4";
import { refreshIpv4Checksum, writeIpv4Header } from "#wire/ip/ipv4";
import * as ipv6 from "#wire/ip/ipv6";
import { writeIpv6Header } from "#wire/ip/ipv6";
import * as tcp from "#wire/ip/tcp";
import { Udp } from "#wire/ip/udp";
import type { LaneContext } from "./lane-context.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { IpProtocol } = selectors;
const { Row, TRAIN_COLUMNS, Train } = slab;
const { SaFlag } = sas;
const { IPV4_HEADER_LENGTH, Ipv4 } = ipv4;
const { IPV6_HEADER_LENGTH, Ipv6 } = ipv6;
const { Tcp } = tcp;

const HOP_LIMIT = 64;

export class TransportIn {
  readonly #context: LaneContext;

  constructor(context: LaneContext) {
    this.#context = context;
  }

  /** Builds the packet and extracts its flow. Returns 0 or a drop code. */
  restore(rows: Int32Array, row: number, flags: number, nextHeader: number, offset: number, length: number): number {
    const { flow, view } = this.#context;
    const ip =
      (flags & SaFlag.UDP) !== 0
        ? this.#fromTrain(rows, row, nextHeader, offset, length)
        : this.#fromOuter(rows, row, nextHeader, offset, length);
    if (ip < 0) return ip;
    return flow.extract(view, ip, this.#total) < 0 ? Drop.INNER_MALFORMED : 0;
  }

  /** Octets of the packet that was built last. */
  #total = 0;

  #fromOuter(rows: Int32Array, row: number, nextHeader: number, offset: number, length: number): number {
    const { memory, view } = this.#context;
    const bytes = memory.slab;
    const outer = rows[row + Row.OFFSET] ?? 0;
    const ah = (rows[row + Row.PREFIX_LENGTH] ?? 0) !== 0;
    const security = ah ? (rows[row + Row.ICV_OFFSET] ?? 0) - AH_FIXED_OCTETS : (rows[row + Row.CRYPT_OFFSET] ?? 0);
    const ipLength = security - outer;
    const ip = offset - ipLength;
    bytes.copyWithin(ip, outer, outer + ipLength);
    this.#total = ipLength + length;
    if ((bytes[ip] ?? 0) >>> 4 === 4) {
      bytes[ip + Ipv4.PROTOCOL] = nextHeader;
      view.setUint16(ip + Ipv4.TOTAL_LENGTH, this.#total);
      refreshIpv4Checksum(view, ip, ipLength);
      return ip;
    }
    let namedAt: number = ip + Ipv6.NEXT_HEADER;
    for (let at = ip + IPV6_HEADER_LENGTH; at < offset; at += ((bytes[at + 1] ?? 0) + 1) << 3) namedAt = at;
    bytes[namedAt] = nextHeader;
    view.setUint16(ip + Ipv6.PAYLOAD_LENGTH, this.#total - IPV6_HEADER_LENGTH);
    return ip;
  }

  #fromTrain(rows: Int32Array, row: number, nextHeader: number, offset: number, length: number): number {
    const { memory, view, scratch } = this.#context;
    const { trains, slab } = memory;
    const train = (rows[row + Row.GROUP] ?? 0) * TRAIN_COLUMNS;
    const ipv4 = trains[train + Train.FAMILY] === 4;
    const header = ipv4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH;
    // In front of a packet of a train stands the packet before it, so the header must do with the datagram's own octets:
    // those of ESP header and IV, and where they are too few the payload moves over trailer and ICV. IPv6 may need more.
    const own = rows[row + Row.OFFSET] ?? 0;
    const room = (rows[row + Row.LENGTH] ?? 0) - length;
    const ip = header > room ? scratch.take(header + length) : Math.max(own, offset - header);
    if (ip < 0) return Drop.SCRATCH_FULL;
    if (ip + header !== offset) slab.copyWithin(ip + header, offset, offset + length);
    this.#total = header + length;
    const source = train + Train.ADDRESS;
    const destination = train + Train.LOCAL_ADDRESS;
    const trafficClass = rows[row + Row.TOS] ?? 0;
    if (ipv4)
      writeIpv4Header(
        view,
        ip,
        this.#total,
        trafficClass,
        0,
        0,
        HOP_LIMIT,
        nextHeader,
        trains[source] ?? 0,
        trains[destination] ?? 0,
      );
    else writeIpv6Header(view, ip, length, trafficClass, 0, HOP_LIMIT, nextHeader, trains, source, destination);
    this.#freshChecksum(ip, header, nextHeader, length, ipv4);
    return ip;
  }

  #freshChecksum(ip: number, header: number, protocol: number, length: number, ipv4: boolean): void {
    const { view } = this.#context;
    const field = protocol === IpProtocol.TCP ? Tcp.CHECKSUM : protocol === IpProtocol.UDP ? Udp.CHECKSUM : -1;
    if (field < 0 || length < field + 2) return;
    const at = ip + header;
    // A UDP datagram without checksum stays without (RFC 768).
    if (protocol === IpProtocol.UDP && ipv4 && view.getUint16(at + field) === 0) return;
    view.setUint16(at + field, 0);
    const pseudo = ipv4 ? pseudoSum4(view, ip, protocol, length) : pseudoSum6(view, ip, protocol, length);
    const sum = ~fold(sumWords(view, at, length, pseudo)) & 0xffff;
    view.setUint16(at + field, sum === 0 && protocol === IpProtocol.UDP ? 0xffff : sum);
  }
}
