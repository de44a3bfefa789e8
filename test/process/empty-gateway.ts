import type { GatewayConfig } from "#core/policy";

/** A gateway that protects nothing: what a test needs, it adds. */
export const EMPTY_GATEWAY: GatewayConfig = {
  tun: { name: "esp0", mtu: undefined, addresses: [], queues: 1 },
  listen: [],
  allowWeak: [],
  lanes: 1,
  slots: 256,
  crypto: "auto",
  offload: true,
  policies: [],
  sas: [],
};
