/** The benchmark's result: raw measurements, and what follows from them. */
import type { CpuUse } from "#bench/netns/cpu";
import type { MachineFacts } from "#bench/netns/machine";
import type { BenchOptions } from "#bench/netns/options";
import { metric, rank } from "./metrics.ts";
import { median, type Spread, spread } from "./statistics.ts";

export const BASELINE = "link";
export const OURS = "esplanade";

export interface Measurement {
  readonly round: number;
  readonly candidate: string;
  readonly test: string;
  /** Values by quantity, e.g. `gbitPerSecond`. */
  readonly values: Readonly<Record<string, number>>;
  readonly cpu: CpuUse;
  /** How often the test was run until other processes left it alone. */
  readonly attempts: number;
  /** Other processes took too much of the machine even in the best attempt. */
  readonly disturbed: boolean;
}

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly version: string;
}

export interface Absentee {
  readonly name: string;
  readonly why: string;
  readonly remedy: string;
}

export interface Failure {
  readonly round: number;
  readonly candidate: string;
  readonly test: string | undefined;
  readonly message: string;
}

export interface Summary extends Spread {
  /** Median of the ratios to the bare link of the same round. */
  readonly toLink: number | undefined;
}

/** The options, without what only says where the report goes. */
export interface Settings extends Omit<BenchOptions, "against" | "tests" | "json" | "svg"> {
  readonly tests: readonly string[];
}

export interface Results {
  readonly kind: "esplanade-bench-netns";
  readonly date: string;
  readonly machine: MachineFacts;
  readonly options: Settings;
  readonly rows: readonly Row[];
  readonly absent: readonly Absentee[];
  readonly measurements: readonly Measurement[];
  readonly failures: readonly Failure[];
  /** By candidate, then by metric. */
  readonly summary: Readonly<Record<string, Readonly<Record<string, Summary>>>>;
  /** Esplanade ÷ peer, by peer, then by metric: medians of the ratios of each round. */
  readonly against: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
}

export type Evidence = Omit<Results, "kind" | "summary" | "against">;

export function conclude(evidence: Evidence): Results {
  const table = new RoundTable(evidence.measurements);
  const summary: Record<string, Record<string, Summary>> = {};
  const against: Record<string, Record<string, Spread>> = {};
  for (const { name } of evidence.rows) {
    const metrics: Record<string, Summary> = {};
    const ratios: Record<string, Spread> = {};
    for (const key of table.metricsOf(name)) {
      const toLink = name === BASELINE ? [] : table.ratios(name, BASELINE, key);
      metrics[key] = {
        ...spread(table.values(name, key)),
        toLink: toLink.length === 0 ? undefined : median(toLink),
      };
      const oursToIt = name === BASELINE || name === OURS ? [] : table.ratios(OURS, name, key);
      if (oursToIt.length > 0) ratios[key] = spread(oursToIt);
    }
    if (Object.keys(metrics).length > 0) summary[name] = metrics;
    if (Object.keys(ratios).length > 0) against[name] = ratios;
  }
  return { kind: "esplanade-bench-netns", ...evidence, summary, against };
}

/** All metrics that any row has: test by test in the order asked for. */
export function metricsIn(results: Results): string[] {
  const keys = new Set(Object.values(results.summary).flatMap((metrics) => Object.keys(metrics)));
  const test = (key: string) => results.options.tests.indexOf(key.split(".")[0] ?? "");
  return [...keys].sort((x, y) => test(x) - test(y) || rank(x) - rank(y));
}

class RoundTable {
  /** Candidate → metric → round → value. */
  readonly #values = new Map<string, Map<string, Map<number, number>>>();

  constructor(measurements: readonly Measurement[]) {
    for (const { candidate, test, round, values } of measurements) {
      const metrics = this.#values.get(candidate) ?? new Map<string, Map<number, number>>();
      this.#values.set(candidate, metrics);
      for (const [quantity, value] of Object.entries(values)) {
        const { key } = metric(`${test}.${quantity}`);
        const rounds = metrics.get(key) ?? new Map<number, number>();
        metrics.set(key, rounds.set(round, value));
      }
    }
  }

  metricsOf(candidate: string): string[] {
    return [...(this.#values.get(candidate)?.keys() ?? [])];
  }

  values(candidate: string, key: string): number[] {
    return [...(this.#values.get(candidate)?.get(key)?.values() ?? [])];
  }

  /** Round by round, where both have a value and the divisor is not nought. */
  ratios(candidate: string, divisor: string, key: string): number[] {
    const divisors = this.#values.get(divisor)?.get(key);
    const ratios: number[] = [];
    for (const [round, value] of this.#values.get(candidate)?.get(key) ?? []) {
      const by = divisors?.get(round);
      if (by !== undefined && by !== 0) ratios.push(value / by);
    }
    return ratios;
  }
}
