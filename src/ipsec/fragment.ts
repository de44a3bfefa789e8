/**
 * Fragmentation: IPv4 before encapsulation (RFC 4301 §8.1), outer IPv4 and IPv6 packets after it. Each fragment is written
 * into scratch with room around it, so that it can be encapsulated in place like any other packet.
 */
import { Drop } from "#core/drop";
import { IpProtocol } from "#core/selector";
import {
  IPV4_DF,
  IPV4_HEADER_LENGTH,
  IPV4_MF,
  IPV4_OFFSET_MASK,
  IPV4_OPTION_COPIED,
  IPV4_OPTION_END,
  IPV4_OPTION_NOP,
  Ipv4,
  refreshIpv4Checksum,
} from "#wire/ip/ipv4";
import { IPV6_FRAGMENT_HEADER_LENGTH, IPV6_FRAGMENT_MORE, IPV6_HEADER_LENGTH, Ipv6, Ipv6Fragment } from "#wire/ip/ipv6";
import type { Scratch } from "./scratch.ts";

/** Longest IPv4 header (RFC 791 §3.1). */
const IPV4_HEADER_LIMIT = 60;

export class Fragmenter {
  /** Offset and length of each fragment of the last packet, in pairs. */
  readonly fragments: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #scratch: Scratch;
  readonly #headroom: number;
  /** Octets that stay free behind each fragment: trailer, ICV and TFC padding of the SA that takes it. */
  tailroom: number;

  /** `limit`: fragments of one packet at most. */
  constructor(bytes: Uint8Array, view: DataView, scratch: Scratch, headroom: number, tailroom: number, limit = 128) {
    this.fragments = new Int32Array(2 * limit);
    this.#bytes = bytes;
    this.#view = view;
    this.#scratch = scratch;
    this.#headroom = headroom;
    this.tailroom = tailroom;
  }

  /**
   * Cuts a sound IPv4 packet into fragments of at most `size` octets. Returns their number, or PACKET_TOO_BIG (DF is set,
   * or `size` has no room for 8 octets), FRAGMENT_LIMIT, SCRATCH_FULL, INNER_MALFORMED (options).
   */
  ipv4(offset: number, size: number): number {
    const view = this.#view;
    const headerLength = (view.getUint8(offset) & 0x0f) << 2;
    const total = view.getUint16(offset + Ipv4.TOTAL_LENGTH);
    if (total <= size) return this.#whole(offset, total);
    const field = view.getUint16(offset + Ipv4.FRAGMENT);
    if ((field & IPV4_DF) !== 0) return Drop.PACKET_TOO_BIG;
    const mark = this.#scratch.mark;
    const laterHeader = this.#scratch.take(IPV4_HEADER_LIMIT);
    if (laterHeader < 0) return Drop.SCRATCH_FULL;
    const laterLength = this.#laterHeader(offset, headerLength, laterHeader);
    const count =
      laterLength < 0 ? laterLength : this.#cut4(offset, headerLength, laterHeader, laterLength, total, field, size);
    if (count < 0) this.#scratch.release(mark);
    return count;
  }

  #cut4(
    offset: number,
    headerLength: number,
    laterHeader: number,
    laterLength: number,
    total: number,
    field: number,
    size: number,
  ): number {
    const view = this.#view;
    const base = field & IPV4_OFFSET_MASK;
    const end = total - headerLength;
    let count = 0;
    for (let done = 0; done < end; count++) {
      const length = done === 0 ? headerLength : laterLength;
      const room = (size - length) & ~7;
      if (room < 8) return Drop.PACKET_TOO_BIG;
      const data = Math.min(end - done, room);
      const at = this.#take(count, length + data);
      if (at < 0) return at;
      this.#bytes.copyWithin(at, done === 0 ? offset : laterHeader, (done === 0 ? offset : laterHeader) + length);
      const from = offset + headerLength + done;
      this.#bytes.copyWithin(at + length, from, from + data);
      const more = done + data < end ? IPV4_MF : field & IPV4_MF;
      view.setUint16(at + Ipv4.TOTAL_LENGTH, length + data);
      view.setUint16(at + Ipv4.FRAGMENT, more | (base + (done >>> 3)));
      refreshIpv4Checksum(view, at, length);
      done += data;
    }
    return count;
  }

  // RFC 791 §3.1: only options with the copied flag go into later fragments.
  #laterHeader(offset: number, headerLength: number, to: number): number {
    const view = this.#view;
    const end = offset + headerLength;
    this.#bytes.copyWithin(to, offset, offset + IPV4_HEADER_LENGTH);
    let length = IPV4_HEADER_LENGTH;
    for (let at = offset + IPV4_HEADER_LENGTH; at < end; ) {
      const kind = view.getUint8(at);
      if (kind === IPV4_OPTION_END) break;
      if (kind === IPV4_OPTION_NOP) {
        at++;
        continue;
      }
      if (at + 1 >= end) return Drop.INNER_MALFORMED;
      const octets = view.getUint8(at + 1);
      if (octets < 2 || at + octets > end) return Drop.INNER_MALFORMED;
      if ((kind & IPV4_OPTION_COPIED) !== 0) {
        this.#bytes.copyWithin(to + length, at, at + octets);
        length += octets;
      }
      at += octets;
    }
    while ((length & 3) !== 0) view.setUint8(to + length++, IPV4_OPTION_END);
    view.setUint8(to, 0x40 | (length >>> 2));
    return length;
  }

  /**
   * Cuts an IPv6 packet of ours, which has no hop-by-hop or routing header, into fragments of at most `size` octets
   * (RFC 8200 §4.5). `id` must not repeat between the same two addresses while fragments live.
   */
  ipv6(offset: number, size: number, id: number): number {
    const mark = this.#scratch.mark;
    const total = IPV6_HEADER_LENGTH + this.#view.getUint16(offset + Ipv6.PAYLOAD_LENGTH);
    if (total <= size) return this.#whole(offset, total);
    const count = this.#cut6(offset, total, size, id);
    if (count < 0) this.#scratch.release(mark);
    return count;
  }

  #cut6(offset: number, total: number, size: number, id: number): number {
    const view = this.#view;
    const length = IPV6_HEADER_LENGTH + IPV6_FRAGMENT_HEADER_LENGTH;
    const room = (size - length) & ~7;
    if (room < 8) return Drop.PACKET_TOO_BIG;
    const end = total - IPV6_HEADER_LENGTH;
    const next = view.getUint8(offset + Ipv6.NEXT_HEADER);
    let count = 0;
    for (let done = 0; done < end; count++) {
      const data = Math.min(end - done, room);
      const at = this.#take(count, length + data);
      if (at < 0) return at;
      const from = offset + IPV6_HEADER_LENGTH + done;
      this.#bytes.copyWithin(at, offset, offset + IPV6_HEADER_LENGTH);
      this.#bytes.copyWithin(at + length, from, from + data);
      view.setUint16(at + Ipv6.PAYLOAD_LENGTH, IPV6_FRAGMENT_HEADER_LENGTH + data);
      view.setUint8(at + Ipv6.NEXT_HEADER, IpProtocol.FRAGMENT);
      const header = at + IPV6_HEADER_LENGTH;
      view.setUint8(header + Ipv6Fragment.NEXT_HEADER, next);
      view.setUint8(header + Ipv6Fragment.RESERVED, 0);
      view.setUint16(header + Ipv6Fragment.OFFSET, done | (done + data < end ? IPV6_FRAGMENT_MORE : 0));
      view.setInt32(header + Ipv6Fragment.ID, id);
      done += data;
    }
    return count;
  }

  #whole(offset: number, total: number): number {
    this.fragments[0] = offset;
    this.fragments[1] = total;
    return 1;
  }

  /** Room for fragment number `index`; returns its first octet or a drop code. */
  #take(index: number, length: number): number {
    if (2 * index >= this.fragments.length) return Drop.FRAGMENT_LIMIT;
    const at = this.#scratch.take(this.#headroom + length + this.tailroom);
    if (at < 0) return Drop.SCRATCH_FULL;
    this.fragments[2 * index] = at + this.#headroom;
    this.fragments[2 * index + 1] = length;
    return at + this.#headroom;
  }
}
