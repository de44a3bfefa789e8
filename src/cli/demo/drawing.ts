/** The demo's network, drawn. */
import { addressToString } from "#core/address";
import type { TunnelPlan } from "#lab/gateway-config";
import { SITE_A, SITE_B } from "#lab/network";

/** At most 80 columns. */
export function drawing(plan: TunnelPlan): string {
  const [a, b] = [SITE_A, SITE_B].map((site) => addressToString(site.wan[plan.outside]));
  const wire = ` ${a} ==== ${b} `;
  const road = centred(plan.encapsulation === "udp" ? "ESP in UDP" : "raw ESP", wire.length);
  const ends = `sniffer ^${" ".repeat(Math.max(2, wire.length - 18))}^ sniffer`;
  return [
    `  host A       gateway A${centred("", wire.length)}gateway B   host B`,
    `  10.1.0.10 -- 10.1.0.1 ${wire}10.2.0.1 -- 10.2.0.10`,
    `  fd01::10     fd01::1  ${road}fd02::1     fd02::10`,
    `                        ${centred(ends, wire.length)}`.trimEnd(),
    "",
    `  ${plan.suite}, IKEv2 with certificates of this run, links of MTU ${plan.pathMtu}`,
    "",
  ].join("\n");
}

function centred(text: string, width: number): string {
  const left = Math.max(0, Math.floor((width - text.length) / 2));
  return (" ".repeat(left) + text).padEnd(width);
}
