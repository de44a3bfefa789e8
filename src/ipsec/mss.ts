/** TCP MSS clamp: lowers the maximum segment size of SYNs to what fits the SA, in place (RFC 9293 §3.7.1, RFC 1624). */
import { IpProtocol } from "#core/selector";
import { adjustChecksum } from "#wire/ip/checksum";
import { IPV4_HEADER_LENGTH } from "#wire/ip/ipv4";
import { IPV6_HEADER_LENGTH } from "#wire/ip/ipv6";
import {
  TCP_HEADER_LENGTH,
  TCP_OPTION_END,
  TCP_OPTION_MSS,
  TCP_OPTION_MSS_LENGTH,
  TCP_OPTION_NOP,
  TCP_SYN,
  Tcp,
} from "#wire/ip/tcp";
import { FLAG_LATER_FRAGMENT, Flow, type FlowKey } from "./flow.ts";

/** RFC 9293 §3.7.1: the MSS counts neither IP nor TCP headers, and no options. */
export function mssFor(mtu: number, family: number): number {
  return mtu - (family === 4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH) - TCP_HEADER_LENGTH;
}

/** Returns 1 when the option was lowered to `mss`, 0 when there was nothing to do. */
export function clampMss(view: DataView, key: FlowKey, mss: number): number {
  if (key.words[Flow.PROTOCOL] !== IpProtocol.TCP) return 0;
  if (((key.words[Flow.FLAGS] ?? 0) & FLAG_LATER_FRAGMENT) !== 0) return 0;
  const tcp = key.upperOffset;
  const end = key.offset + key.length;
  if (tcp + TCP_HEADER_LENGTH > end || (view.getUint8(tcp + Tcp.FLAGS) & TCP_SYN) === 0) return 0;
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
