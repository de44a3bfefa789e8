/** ICMP errors that the gateway sends to the source of a clear packet: built into scratch, rate-limited, never about errors. */
import { Drop } from "#core/drop";
import { IpProtocol } from "#core/selector";
import type { Millis } from "#core/units";
import { checksum, fold, pseudoSum6, sumWords } from "#wire/ip/checksum";
import {
  ICMP_HEADER_LENGTH,
  ICMP4_ADMINISTRATIVELY_PROHIBITED,
  ICMP4_FRAGMENTATION_NEEDED,
  ICMP6_ADMINISTRATIVELY_PROHIBITED,
  ICMP6_FIRST_INFORMATIONAL,
  Icmp,
  Icmp4Type,
  Icmp6Type,
} from "#wire/ip/icmp";
import { IPV4_HEADER_LENGTH, writeIpv4Header } from "#wire/ip/ipv4";
import { IPV6_HEADER_LENGTH, writeIpv6Header } from "#wire/ip/ipv6";
import { FLAG_LATER_FRAGMENT, FLAG_ONE_PORT, Flow, type FlowKey } from "./flow.ts";
import type { Scratch } from "./scratch.ts";

/** What is wrong with the packet. The parameter of TOO_BIG is the MTU in octets. */
export const IcmpError = { TOO_BIG: 0, TIME_EXCEEDED: 1, PROHIBITED: 2 } as const;

/** Nothing is to be sent; scratch offsets are never 0. */
export const NO_ANSWER = 0;

/** RFC 1812 §4.3.2.3: an ICMP error has at most 576 octets. RFC 4443 §2.4 (c): at most the minimum MTU. */
const LIMIT_4 = 576;
const LIMIT_6 = 1280;
/** RFC 1812 §4.3.2.5: precedence internetwork control (6). */
const TOS_4 = 0xc0;
const HOPS = 64;

/** A bucket of `burst` tokens, refilled at `perSecond` (RFC 1812 §4.3.2.8, RFC 4443 §2.4 (f)). */
export class TokenBucket {
  readonly #burst: number;
  readonly #perMilli: number;
  #tokens: number;
  #filledAt = 0;

  constructor(perSecond: number, burst: number) {
    this.#burst = burst;
    this.#perMilli = perSecond / 1000;
    this.#tokens = burst;
  }

  take(now: Millis): boolean {
    // A first call fills a full bucket; a clock that stands still adds nothing.
    if (now > this.#filledAt) {
      this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAt) * this.#perMilli);
      this.#filledAt = now;
    }
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

export class IcmpErrorBuilder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #scratch: Scratch;
  readonly #bucket: TokenBucket;
  readonly #headroom: number;
  readonly #tailroom: number;
  /** Octets of the last answer. */
  length = 0;

  /** `headroom` and `tailroom` octets stay free around an answer, should it go into a tunnel itself. */
  constructor(
    bytes: Uint8Array,
    view: DataView,
    scratch: Scratch,
    bucket: TokenBucket,
    headroom: number,
    tailroom: number,
  ) {
    this.#bytes = bytes;
    this.#view = view;
    this.#scratch = scratch;
    this.#bucket = bucket;
    this.#headroom = headroom;
    this.#tailroom = tailroom;
  }

  /**
   * Builds the error about the packet of `key`, from the address whose words stand at `sourceAt`, to the packet's source.
   * Returns its offset in the slab, NO_ANSWER where the rules forbid one or too many were sent, or SCRATCH_FULL.
   */
  build(error: number, parameter: number, key: FlowKey, source: Int32Array, sourceAt: number, now: Millis): number {
    const four = key.words[Flow.FAMILY] === 4;
    if (!(four ? mayAnswer4(key) : mayAnswer6(key, error))) return NO_ANSWER;
    if (!this.#bucket.take(now)) return NO_ANSWER;
    const header = (four ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH) + ICMP_HEADER_LENGTH;
    const quoted = Math.min(key.length, (four ? LIMIT_4 : LIMIT_6) - header);
    const taken = this.#scratch.take(this.#headroom + header + quoted + this.#tailroom);
    if (taken < 0) return Drop.SCRATCH_FULL;
    const at = taken + this.#headroom;
    this.#bytes.copyWithin(at + header, key.offset, key.offset + quoted);
    if (four) this.#write4(at, error, parameter, key, source[sourceAt] ?? 0, quoted);
    else this.#write6(at, error, parameter, key, source, sourceAt, quoted);
    this.length = header + quoted;
    return at;
  }

  #write4(at: number, error: number, parameter: number, key: FlowKey, source: number, quoted: number): void {
    const view = this.#view;
    const icmp = at + IPV4_HEADER_LENGTH;
    const length = ICMP_HEADER_LENGTH + quoted;
    const destination = key.words[Flow.SOURCE] ?? 0;
    writeIpv4Header(view, at, IPV4_HEADER_LENGTH + length, TOS_4, 0, 0, HOPS, IpProtocol.ICMP, source, destination);
    const type = error === IcmpError.TIME_EXCEEDED ? Icmp4Type.TIME_EXCEEDED : Icmp4Type.DESTINATION_UNREACHABLE;
    view.setUint8(icmp + Icmp.TYPE, type);
    view.setUint8(icmp + Icmp.CODE, code4(error));
    view.setUint16(icmp + Icmp.CHECKSUM, 0);
    // RFC 1191 §4: unused (zero), next-hop MTU.
    view.setInt32(icmp + Icmp.PARAMETER, error === IcmpError.TOO_BIG ? parameter & 0xffff : 0);
    view.setUint16(icmp + Icmp.CHECKSUM, checksum(view, icmp, length));
  }

  #write6(
    at: number,
    error: number,
    parameter: number,
    key: FlowKey,
    source: Int32Array,
    sourceAt: number,
    quoted: number,
  ): void {
    const view = this.#view;
    const icmp = at + IPV6_HEADER_LENGTH;
    const length = ICMP_HEADER_LENGTH + quoted;
    writeIpv6Header(view, at, length, 0, 0, HOPS, IpProtocol.ICMPV6, source, sourceAt, 0);
    for (let i = 0; i < 4; i++) view.setInt32(at + 24 + 4 * i, key.words[Flow.SOURCE + i] ?? 0);
    view.setUint8(icmp + Icmp.TYPE, type6(error));
    view.setUint8(icmp + Icmp.CODE, error === IcmpError.PROHIBITED ? ICMP6_ADMINISTRATIVELY_PROHIBITED : 0);
    view.setUint16(icmp + Icmp.CHECKSUM, 0);
    view.setInt32(icmp + Icmp.PARAMETER, error === IcmpError.TOO_BIG ? parameter : 0);
    const sum = sumWords(view, icmp, length, pseudoSum6(view, at, IpProtocol.ICMPV6, length));
    view.setUint16(icmp + Icmp.CHECKSUM, ~fold(sum) & 0xffff);
  }
}

function code4(error: number): number {
  if (error === IcmpError.TOO_BIG) return ICMP4_FRAGMENTATION_NEEDED;
  return error === IcmpError.PROHIBITED ? ICMP4_ADMINISTRATIVELY_PROHIBITED : 0;
}

function type6(error: number): number {
  if (error === IcmpError.TOO_BIG) return Icmp6Type.PACKET_TOO_BIG;
  return error === IcmpError.TIME_EXCEEDED ? Icmp6Type.TIME_EXCEEDED : Icmp6Type.DESTINATION_UNREACHABLE;
}

// RFC 1812 §4.3.2.7
function mayAnswer4(key: FlowKey): boolean {
  const { words } = key;
  const flags = words[Flow.FLAGS] ?? 0;
  if ((flags & FLAG_LATER_FRAGMENT) !== 0) return false;
  if (words[Flow.PROTOCOL] === IpProtocol.ICMP && isError4((words[Flow.PORTS] ?? 0) >>> 24)) return false;
  // Multicast, class E and the limited broadcast begin at 224; 0 and 127 are nobody's address on a wire.
  if ((words[Flow.DESTINATION] ?? 0) >>> 28 >= 14) return false;
  const first = (words[Flow.SOURCE] ?? 0) >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

function isError4(type: number): boolean {
  return (
    type === Icmp4Type.DESTINATION_UNREACHABLE ||
    type === Icmp4Type.SOURCE_QUENCH ||
    type === Icmp4Type.REDIRECT ||
    type === Icmp4Type.TIME_EXCEEDED ||
    type === Icmp4Type.PARAMETER_PROBLEM
  );
}

// RFC 4443 §2.4 (e)
function mayAnswer6(key: FlowKey, error: number): boolean {
  const { words } = key;
  const flags = words[Flow.FLAGS] ?? 0;
  if ((flags & FLAG_LATER_FRAGMENT) !== 0) return false;
  if (words[Flow.PROTOCOL] === IpProtocol.ICMPV6 && (flags & FLAG_ONE_PORT) !== 0) {
    const type = (words[Flow.PORTS] ?? 0) >>> 24;
    if (type < ICMP6_FIRST_INFORMATIONAL || type === Icmp6Type.REDIRECT) return false;
  }
  // Packet too big alone may answer a multicast packet.
  if ((words[Flow.DESTINATION] ?? 0) >>> 24 === 0xff && error !== IcmpError.TOO_BIG) return false;
  const source = words[Flow.SOURCE] ?? 0;
  if (source >>> 24 === 0xff) return false;
  const high = source | (words[Flow.SOURCE + 1] ?? 0) | (words[Flow.SOURCE + 2] ?? 0);
  const low = words[Flow.SOURCE + 3] ?? 0;
  // Unspecified and loopback.
  return high !== 0 || (low !== 0 && low !== 1);
}
