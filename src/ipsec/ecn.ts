/** Traffic class across a tunnel: DSCP (RFC 4301 §5.1.2) and ECN (RFC 6040). */
import * as drops from "#core/drop";
import { adjustChecksum } from "#wire/ip/checksum";
import * as ipv4 from "#wire/ip/ipv4";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { Ipv4 } = ipv4;

/** RFC 3168 §5: the two low bits of the traffic class. */
const ECN_MASK = 3;
export const Ecn = { NOT_ECT: 0, ECT_1: 1, ECT_0: 2, CE: 3 } as const;

/** Take the inner packet's DSCP; 0–63 set a fixed one. */
export const DSCP_COPY = -1;

/** Outer traffic class at tunnel ingress. RFC 6040 §4.1: normal mode copies ECN; without `ecn` the outer is Not-ECT. */
export function outerTrafficClass(inner: number, dscp: number, ecn: boolean): number {
  const upper = dscp === DSCP_COPY ? inner & ~ECN_MASK & 0xff : (dscp & 63) << 2;
  return upper | (ecn ? inner & ECN_MASK : Ecn.NOT_ECT);
}

// RFC 6040 §4.2, figure 4. A row per inner ECN field; columns: outer Not-ECT, ECT(1), ECT(0), CE.
const EGRESS = Int8Array.of(
  ...[Ecn.NOT_ECT, Ecn.NOT_ECT, Ecn.NOT_ECT, -1],
  ...[Ecn.ECT_1, Ecn.ECT_1, Ecn.ECT_1, Ecn.CE],
  ...[Ecn.ECT_0, Ecn.ECT_1, Ecn.ECT_0, Ecn.CE],
  ...[Ecn.CE, Ecn.CE, Ecn.CE, Ecn.CE],
);

/** Inner traffic class at tunnel egress: DSCP stays (RFC 4301 §5.1.2), ECN is combined. ECN_DROP where it must be dropped. */
export function innerTrafficClass(inner: number, outer: number): number {
  const ecn = EGRESS[((inner & ECN_MASK) << 2) | (outer & ECN_MASK)] ?? -1;
  return ecn < 0 ? Drop.ECN_DROP : (inner & ~ECN_MASK & 0xff) | ecn;
}

/** Writes the traffic class of the IPv4 or IPv6 packet at `offset`, with IPv4's header checksum. */
export function setTrafficClass(view: DataView, offset: number, family: number, trafficClass: number): void {
  const before = view.getUint16(offset);
  if (family === 4) {
    const after = (before & 0xff00) | (trafficClass & 0xff);
    if (after === before) return;
    view.setUint16(offset, after);
    view.setUint16(offset + Ipv4.CHECKSUM, adjustChecksum(view.getUint16(offset + Ipv4.CHECKSUM), before, after));
  } else {
    view.setUint16(offset, (before & 0xf00f) | ((trafficClass & 0xff) << 4));
  }
}
