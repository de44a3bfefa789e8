/** What `esplanade bench` was asked for. */
import { type Arguments, UsageError } from "#cli/command";
import { isSuite, parseSuite } from "#config/suite";
import { DEMO_PLAN, type TunnelPlan } from "#lab/gateway-config";
import { USUAL_SUITES } from "./cipher-speed.ts";

export interface BenchOptions {
  readonly plan: TunnelPlan;
  /** Of each test with traffic. */
  readonly seconds: number;
  /** Of each rate that is tried with small packets. */
  readonly stepSeconds: number;
  /** Milliseconds for each suite and provider. */
  readonly cipherMillis: number;
  /** The tunnel's first. */
  readonly suites: readonly string[];
  readonly json: boolean;
}

const USUAL = { seconds: 3, stepSeconds: 0.5, cipherMillis: 120 } as const;
const QUICK = { seconds: 0.7, stepSeconds: 0.2, cipherMillis: 25 } as const;

/** Throws UsageError. */
export function readOptions(args: Arguments): BenchOptions {
  const suite = args.text("suite") ?? DEMO_PLAN.suite;
  const parsed = parseSuite(suite, "esp");
  if (!isSuite(parsed)) throw new UsageError(`--suite ${suite}: ${parsed.problem}`, parsed.remedy);
  const effort = args.has("quick") ? QUICK : USUAL;
  return {
    ...effort,
    plan: { ...DEMO_PLAN, suite },
    seconds: args.number("seconds", 0.3, 60, effort.seconds),
    suites: [suite, ...USUAL_SUITES.filter((name) => name !== suite)],
    json: args.has("json"),
  };
}
