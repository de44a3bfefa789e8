/** The command line of `npm run sim`. */
import { readValues, text, whole } from "#bench/report/command-line";
import type { StormKind } from "./schedule.ts";

export interface SimCommand extends StormKind {
  /** The first seed, and how many follow from it. */
  readonly from: number;
  readonly seeds: number;
  readonly jobs: number;
  /** It stops after so many failing seeds. */
  readonly failures: number;
  readonly json: string | undefined;
  /** Replay of this seed, with or without all that happens. */
  readonly seed: number | undefined;
  readonly trace: boolean;
}

export const USAGE = `usage: npm run sim -- [options]
  --ikev1       IKEv1's storms in IKEv2's place
  --upgrades    other processes take the gateways over meanwhile
  --seeds N     schedules of rekeys, deletes, restarts and silences (100000)
  --from N      the first seed (1)
  --jobs N      processes (2)
  --failures N  stops after so many failing seeds (1)
  --json FILE   what was run, and which seeds failed
  --seed N      this one alone, with its schedule
  --trace       with --seed: every datagram, input and effect`;

const OPTIONS = {
  ikev1: { type: "boolean", default: false },
  upgrades: { type: "boolean", default: false },
  seeds: text("100000"),
  from: text("1"),
  jobs: text("2"),
  failures: text("1"),
  json: { type: "string" },
  seed: { type: "string" },
  trace: { type: "boolean", default: false },
} as const;

const MOST = 2 ** 31;

export function parseSimCommand(args: readonly string[]): SimCommand {
  const values = readValues(args, OPTIONS);
  return {
    ikev1: values.ikev1,
    upgrades: values.upgrades,
    from: whole("from", values.from, 0, MOST),
    seeds: whole("seeds", values.seeds, 1, MOST),
    jobs: whole("jobs", values.jobs, 1, 64),
    failures: whole("failures", values.failures, 1, 10_000),
    json: values.json,
    seed: values.seed === undefined ? undefined : whole("seed", values.seed, 0, MOST),
    trace: values.trace,
  };
}
