/** The last word on a pair: what its keys have processed. Nothing is sent by it any more and nothing came for a while. */
import type { IkeReport } from "#core/ike-state";
import type { ChildUsage } from "./child-usage.ts";
import type { InstalledChild } from "./data-plane.ts";
import type { Tunnel } from "./tunnels.ts";

export function retiredReport(
  { connection, child }: Tunnel,
  { inboundSpi, outboundSpi }: Pick<InstalledChild, "inboundSpi" | "outboundSpi">,
  { inbound, outbound }: ChildUsage,
): IkeReport {
  return {
    kind: "sa-retired",
    connection,
    child,
    inboundSpi,
    outboundSpi,
    keyOctetsIn: inbound.keyOctets,
    keyOctetsOut: outbound.keyOctets,
    packetsIn: inbound.packets,
    packetsOut: outbound.packets,
  };
}
