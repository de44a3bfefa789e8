/** The demo's network, drawn. */
import { addressToString } from "#core/address";
import type { TunnelPlan } from "#lab/gateway-config";
import { SITE_A, SITE_B } from "#lab/network";

/** At most 80 columns. */
export function drawing(plan: TunnelPlan): string {
  const wan = [SITE_A, SITE_B].map((site) => addressToString(site.wan[plan.outside]));
  const [a = "", b = ""] = wan;
  const road = plan.encapsulation === "udp" ? "ESP in UDP" : "raw ESP";
  const line = `${a} ==== ${b}`;
  const middle = (text: string) => centred(text, line.length);
  return [
    `  host A        gateway A ${middle("wan")} gateway B       host B`,
    `  10.1.0.10 --- 10.1.0.1  ${line}  10.2.0.1 --- 10.2.0.10`,
    `  fd01::10      fd01::1   ${middle(road)}  fd02::1      fd02::10`,
    `                    sniffer ^ ${" ".repeat(Math.max(0, line.length - 8))} ^ sniffer`,
    `  ${plan.suite}, links of MTU ${plan.pathMtu}, keys made for this run`,
    "",
  ].join("\n");
}

function centred(text: string, width: number): string {
  const left = Math.floor((width - text.length) / 2);
  return " ".repeat(left) + text + " ".repeat(width - text.length - left);
}
