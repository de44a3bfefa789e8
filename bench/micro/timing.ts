/** Nanoseconds of one call of a small function: many short runs, so that most end before somebody else's turn. */
import { type Spread, spread } from "#bench/report/statistics";

/** Calls `n` times and returns something that depends on all of them, so that nothing is optimised away. */
export type Work = (n: number) => number;

const CALLS = 512;
const WARM_UPS = 400;
const RUNS = 400;
const NANOS = 1e6;

export function time(work: Work): Spread {
  let sink = 0;
  for (let i = 0; i < WARM_UPS; i++) sink += work(CALLS);
  const samples: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const started = performance.now();
    sink += work(CALLS);
    samples.push(((performance.now() - started) * NANOS) / CALLS);
  }
  if (Number.isNaN(sink)) throw new Error("the work returned no number");
  return spread(samples);
}
