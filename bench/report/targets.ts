/** What a benchmark must show: a figure, what is wanted of it, and whether it is so. */

export interface Target {
  readonly name: string;
  /** "≤ 100000000", as the table shows it. */
  readonly wanted: string;
  /** NaN when it could not be measured, which meets no target. */
  readonly found: number;
  readonly pass: boolean;
}

export function atMost(name: string, found: number, limit: number): Target {
  return { name, wanted: `≤ ${limit}`, found, pass: found <= limit };
}

export function atLeast(name: string, found: number, limit: number): Target {
  return { name, wanted: `≥ ${limit}`, found, pass: found >= limit };
}

export function exactly(name: string, found: number, wanted: number): Target {
  return { name, wanted: `= ${wanted}`, found, pass: found === wanted };
}

export function allPass(targets: readonly Target[]): boolean {
  return targets.every(({ pass }) => pass);
}

/** "throughput 0.87 of the runs without rekeys, wanted ≥ 0.9" of those that are missed. */
export function missed(targets: readonly Target[]): string[] {
  return targets
    .filter(({ pass }) => !pass)
    .map(({ name, wanted, found }) => `${name}: ${Number.isNaN(found) ? "not measured" : found}, wanted ${wanted}`);
}
