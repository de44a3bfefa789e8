/** What `esplanade demo` was asked for. */
import type { Arguments } from "#cli/command";
import { UsageError } from "#cli/command";
import { isSuite, parseSuite } from "#config/suite";
import type { TunnelPlan } from "#lab/gateway-config";

export interface DemoOptions {
  readonly plan: TunnelPlan;
  /** Of each throughput test. */
  readonly seconds: number;
  readonly keep: boolean;
  readonly json: boolean;
}

/** Throws UsageError. */
export function readOptions(args: Arguments): DemoOptions {
  const plan: TunnelPlan = {
    protocol: "esp",
    mode: "tunnel",
    suite: args.text("suite") ?? "aes128gcm16",
    outside: args.has("ipv6") ? 6 : 4,
    encapsulation: args.has("raw") ? "none" : "udp",
    pathMtu: Math.floor(args.number("mtu", 1280, 65_535, 1500)),
  };
  const suite = parseSuite(plan.suite, plan.protocol);
  if (!isSuite(suite)) throw new UsageError(`--suite ${plan.suite}: ${suite.problem}`, suite.remedy);
  return { plan, seconds: args.number("seconds", 0.1, 3600, 2), keep: args.has("keep"), json: args.has("json") };
}
