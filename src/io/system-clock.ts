/** CLOCK_MONOTONIC in milliseconds, the same in every thread: performance.now() counts from each thread's own start. */
import type { Clock } from "#core/ports";
import { millis } from "#core/units";

export function monotonicClock(): Clock {
  const [seconds, nanos] = process.hrtime();
  const offset = seconds * 1000 + nanos / 1e6 - performance.now();
  return { now: () => millis(performance.now() + offset) };
}

/** Milliseconds since 1970; it may jump. */
export function wallClock(): number {
  return Date.now();
}
