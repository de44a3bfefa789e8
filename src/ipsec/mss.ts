/** TCP MSS clamp: lowers the maximum segment size of SYNs to what fits the SA, in place (RFC 9293 §3.7.1, RFC 1624). */
import * as selectors from "#core/selector";
import { adjustChecksum } from "#wire/ip/checksum";
import * as ipv4 from "#wire/ip/ipv4";
import * as ipv6 from "#wire/ip/ipv6";
import * as tcp from "#wire/ip/tcp";
import type { FlowKey } from "./flow.ts";
import * as flows from "./flow.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { IpProtocol } = selectors;
const { IPV4_HEADER_LENGTH } = ipv4;
const { IPV6_HEADER_LENGTH } = ipv6;
const { TCP_HEADER_LENGTH, TCP_OPTION_END, TCP_OPTION_MSS, TCP_OPTION_MSS_LENGTH, TCP_OPTION_NOP, TCP_SYN, Tcp } = tcp;
const { FLAG_LATER_FRAGMENT, Flow } = flows;

/** RFC 9293 §3.7.1: the MSS counts neither IP nor TCP headers, and no options. */
export function mssFor(mtu: number, family: number): number {
  return mtu - (family === 4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH) - TCP_HEADER_LENGTH;
}

/** True for the packets `clampMss` is about: asked first, for it is seldom true. */
export function isSyn(view: DataView, key: FlowKey): boolean {
  if (key.words[Flow.PROTOCOL] !== IpProtocol.TCP) return false;
  if (((key.words[Flow.FLAGS] ?? 0) & FLAG_LATER_FRAGMENT) !== 0) return false;
  const tcp = key.upperOffset;
  return tcp + TCP_HEADER_LENGTH <= key.offset + key.length && (view.getUint8(tcp + Tcp.FLAGS) & TCP_SYN) !== 0;
}

/** Returns 1 when the option was lowered to `mss`, 0 when there was nothing to do. */
export function clampMss(view: DataView, key: FlowKey, mss: number): number {
  if (!isSyn(view, key)) return 0;
  const tcp = key.upperOffset;
  const end = key.offset + key.length;
  const optionsEnd = tcp + ((view.getUint8(tcp + Tcp.DATA_OFFSET) >>> 4) << 2);
  if (optionsEnd > end) return 0;
  // Each turn goes at least one octet on; a header has 40 octets of options at most.
  for (let at = tcp + Tcp.OPTIONS; at < optionsEnd; ) {
    const kind = view.getUint8(at);
    if (kind === TCP_OPTION_END) return 0;
    if (kind === TCP_OPTION_NOP) {
      at++;
      continue;
    }
    if (at + 1 >= optionsEnd) return 0;
    const length = view.getUint8(at + 1);
    if (length < 2 || at + length > optionsEnd) return 0;
    if (kind === TCP_OPTION_MSS && length === TCP_OPTION_MSS_LENGTH) return lower(view, tcp, at + 2, mss);
    at += length;
  }
  return 0;
}

function lower(view: DataView, tcp: number, at: number, mss: number): number {
  const before = view.getUint16(at);
  if (before <= mss) return 0;
  view.setUint16(at, mss);
  // On an odd octet the value's halves belong to two words of the sum, which is the same as a swapped word.
  const odd = ((at - tcp) & 1) === 1;
  const sum = view.getUint16(tcp + Tcp.CHECKSUM);
  view.setUint16(tcp + Tcp.CHECKSUM, adjustChecksum(sum, odd ? swap(before) : before, odd ? swap(mss) : mss));
  return 1;
}

function swap(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8);
}
