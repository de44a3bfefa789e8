/** The outer IP header of packets that leave by a raw socket (RFC 4301 §5.1.2); UDP sockets get theirs from the kernel. */
import type { LaneMemory } from "#core/lane-memory";
import { SA_COLUMNS, Sa, SaFlag, type SaTable } from "./sa.ts";

export const IPV4_HEADER_OCTETS = 20;
export const IPV6_HEADER_OCTETS = 40;
const VERSION_IHL = 0x45;
const DONT_FRAGMENT = 0x4000;

export class OuterHeader {
  readonly #view: DataView;
  readonly #columns: Int32Array;

  constructor(memory: LaneMemory, table: SaTable) {
    this.#view = new DataView(memory.slab.buffer, memory.slab.byteOffset, memory.slab.byteLength);
    this.#columns = table.columns;
  }

  octets(slot: number): number {
    const flags = this.#columns[slot * SA_COLUMNS + Sa.FLAGS] ?? 0;
    return (flags & SaFlag.OUTER_IPV6) !== 0 ? IPV6_HEADER_OCTETS : IPV4_HEADER_OCTETS;
  }

  /** Writes `octets(slot)` octets at `at` in front of `payloadLength` octets of `protocol`. */
  write(at: number, slot: number, protocol: number, payloadLength: number, trafficClass: number, df: number): void {
    const sa = slot * SA_COLUMNS;
    if (((this.#columns[sa + Sa.FLAGS] ?? 0) & SaFlag.OUTER_IPV6) !== 0)
      this.#writeIpv6(at, sa, protocol, payloadLength, trafficClass);
    else this.#writeIpv4(at, sa, protocol, payloadLength, trafficClass, df);
  }

  #writeIpv4(at: number, sa: number, protocol: number, payload: number, trafficClass: number, df: number): void {
    const view = this.#view;
    const columns = this.#columns;
    // AH authenticates the identification (RFC 4302 §3.3.3.1.1.1), and the kernel replaces a zero: so it is never zero.
    let id = ((columns[sa + Sa.IP_ID] ?? 0) + 1) & 0xffff;
    if (id === 0) id = 1;
    columns[sa + Sa.IP_ID] = id;
    const local = columns[sa + Sa.LOCAL] ?? 0;
    const remote = columns[sa + Sa.REMOTE] ?? 0;
    const first = (VERSION_IHL << 8) | trafficClass;
    const length = IPV4_HEADER_OCTETS + payload;
    const fragment = df !== 0 ? DONT_FRAGMENT : 0;
    const ttl = (((columns[sa + Sa.HOP_LIMIT] ?? 64) << 8) | protocol) & 0xffff;
    let sum = first + length + id + fragment + ttl;
    sum += (local >>> 16) + (local & 0xffff) + (remote >>> 16) + (remote & 0xffff);
    sum = (sum & 0xffff) + (sum >>> 16);
    sum = (sum & 0xffff) + (sum >>> 16);
    view.setUint16(at, first);
    view.setUint16(at + 2, length);
    view.setUint16(at + 4, id);
    view.setUint16(at + 6, fragment);
    view.setUint16(at + 8, ttl);
    view.setUint16(at + 10, ~sum & 0xffff);
    view.setInt32(at + 12, local);
    view.setInt32(at + 16, remote);
  }

  #writeIpv6(at: number, sa: number, protocol: number, payload: number, trafficClass: number): void {
    const view = this.#view;
    const columns = this.#columns;
    view.setInt32(at, (6 << 28) | (trafficClass << 20));
    view.setUint16(at + 4, payload);
    view.setUint8(at + 6, protocol);
    view.setUint8(at + 7, columns[sa + Sa.HOP_LIMIT] ?? 64);
    for (let i = 0; i < 4; i++) {
      view.setInt32(at + 8 + 4 * i, columns[sa + Sa.LOCAL + i] ?? 0);
      view.setInt32(at + 24 + 4 * i, columns[sa + Sa.REMOTE + i] ?? 0);
    }
  }
}
