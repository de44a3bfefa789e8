/** The outer IP header of packets that leave by a raw socket (RFC 4301 §5.1.2); UDP sockets get theirs from the kernel. */
import type { LaneMemory } from "#core/lane-memory";
import * as ipv4 from "#wire/ip/ipv4";
import { writeIpv4Header } from "#wire/ip/ipv4";
import * as ipv6 from "#wire/ip/ipv6";
import { writeIpv6Header } from "#wire/ip/ipv6";
import type { SaTable } from "./sa.ts";
import * as sas from "./sa.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { IPV4_DF, IPV4_HEADER_LENGTH } = ipv4;
const { IPV6_HEADER_LENGTH } = ipv6;
const { SA_COLUMNS, Sa, SaFlag } = sas;

export class OuterHeader {
  readonly #view: DataView;
  readonly #columns: Int32Array;

  constructor(memory: LaneMemory, table: SaTable) {
    this.#view = new DataView(memory.slab.buffer, memory.slab.byteOffset, memory.slab.byteLength);
    this.#columns = table.columns;
  }

  octets(slot: number): number {
    const flags = this.#columns[slot * SA_COLUMNS + Sa.FLAGS] ?? 0;
    return (flags & SaFlag.OUTER_IPV6) !== 0 ? IPV6_HEADER_LENGTH : IPV4_HEADER_LENGTH;
  }

  /** Writes `octets(slot)` octets at `at` in front of `payloadLength` octets of `protocol`. */
  write(at: number, slot: number, protocol: number, payloadLength: number, trafficClass: number, df: number): void {
    const sa = slot * SA_COLUMNS;
    if (((this.#columns[sa + Sa.FLAGS] ?? 0) & SaFlag.OUTER_IPV6) !== 0)
      this.#writeIpv6(at, sa, protocol, payloadLength, trafficClass);
    else this.#writeIpv4(at, sa, protocol, payloadLength, trafficClass, df);
  }

  #writeIpv4(at: number, sa: number, protocol: number, payload: number, trafficClass: number, df: number): void {
    const columns = this.#columns;
    // AH authenticates the identification (RFC 4302 §3.3.3.1.1.1), and the kernel replaces a zero: so it is never zero.
    let id = ((columns[sa + Sa.IP_ID] ?? 0) + 1) & 0xffff;
    if (id === 0) id = 1;
    columns[sa + Sa.IP_ID] = id;
    writeIpv4Header(
      this.#view,
      at,
      IPV4_HEADER_LENGTH + payload,
      trafficClass,
      id,
      df !== 0 ? IPV4_DF : 0,
      columns[sa + Sa.HOP_LIMIT] ?? 64,
      protocol,
      columns[sa + Sa.LOCAL] ?? 0,
      columns[sa + Sa.REMOTE] ?? 0,
    );
  }

  #writeIpv6(at: number, sa: number, protocol: number, payload: number, trafficClass: number): void {
    const columns = this.#columns;
    const hops = columns[sa + Sa.HOP_LIMIT] ?? 64;
    writeIpv6Header(this.#view, at, payload, trafficClass, 0, hops, protocol, columns, sa + Sa.LOCAL, sa + Sa.REMOTE);
  }
}
