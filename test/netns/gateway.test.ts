// Two real gateways, `esplanade run` each, in the lab's network (src/lab/network.ts):
//
//     host A           gateway A                       gateway B           host B
//     10.1.0.10 ---- 10.1.0.1   192.0.2.1 ==== 192.0.2.2   10.2.0.1 ---- 10.2.0.10
//     fd01::10       fd01::1    2001:db8::1    2001:db8::2 fd02::1       fd02::10
//                                   sniffer    sniffer
import { test } from "node:test";
import { addressToString } from "#core/address";
import { DEMO_PLAN, type TunnelPlan } from "#lab/gateway-config";
import { at, hostA, hostB, Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { mustAgree, mustAnswerPing, mustFlow } from "./lab.ts";
import { NEEDS_ROOT } from "./root.ts";

const TUNNELS: readonly (readonly [what: string, plan: Partial<TunnelPlan>])[] = [
  ["ESP in UDP over IPv4 (RFC 3948)", {}],
  ["ESP in UDP over IPv6", { outside: 6, suite: "chacha20poly1305" }],
  ["raw ESP over IPv4 (RFC 4303)", { encapsulation: "none", suite: "aes256-sha256" }],
  ["raw ESP over IPv6", { encapsulation: "none", outside: 6 }],
  ["AH over IPv4 (RFC 4302)", { protocol: "ah", encapsulation: "none", suite: "sha256" }],
  ["AH over IPv6", { protocol: "ah", encapsulation: "none", suite: "aes128gmac", outside: 6 }],
  ["a bundle of AH over ESP (RFC 2401 §4.5)", { encapsulation: "none", suite: "aes128-sha1", bundle: "sha256" }],
];

for (const [what, changes] of TUNNELS)
  test(`tunnel mode, ${what}: TCP, UDP and ping both ways, IPv4 and IPv6 inside`, NEEDS_ROOT, async () => {
    await using lab = new Lab(1500);
    const { a, b } = await lab.startHosts();
    const gateways = await lab.startGateways({ ...DEMO_PLAN, ...changes });
    const tap = lab.openTap();
    for (const family of [4, 6] as const) {
      await mustFlow(hostA(a, family), hostB(b, family));
      await mustFlow(hostB(b, family), hostA(a, family));
      await mustAnswerPing(a, addressToString(SITE_B.host[family]));
    }
    await mustAgree(gateways, tap);
  });

const TRANSPORTS: readonly (readonly [what: string, plan: Partial<TunnelPlan>])[] = [
  ["ESP in UDP over IPv4", {}],
  ["raw ESP over IPv6", { encapsulation: "none", outside: 6 }],
  ["AH over IPv4", { protocol: "ah", encapsulation: "none", suite: "sha256" }],
];

for (const [what, changes] of TRANSPORTS)
  test(`transport mode between the gateways themselves, ${what} (RFC 4301 §4.1)`, NEEDS_ROOT, async () => {
    await using lab = new Lab(1500);
    const { gatewayA, gatewayB } = lab.network;
    const [a, b] = await Promise.all([lab.startAgent(gatewayA), lab.startAgent(gatewayB)]);
    const plan = { ...DEMO_PLAN, ...changes, mode: "transport" } as const;
    const gateways = await lab.startGateways(plan);
    const tap = lab.openTap();
    const [left, right] = [at(a, SITE_A.wan, plan.outside), at(b, SITE_B.wan, plan.outside)];
    await mustFlow(left, right);
    await mustFlow(right, left);
    await mustAnswerPing(a, right.address);
    await mustAgree(gateways, tap);
  });
