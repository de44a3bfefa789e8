/** A process of `npm run sim`: lives the schedules it is told to, and says which failed. */
import { type StormKind, scheduleOf } from "./schedule.ts";
import { runSchedule } from "./schedule-run.ts";

/** Seeds from `from` up to but not with `to`. */
export interface Portion extends StormKind {
  readonly from: number;
  readonly to: number;
}

export interface Failure {
  readonly seed: number;
  readonly found: readonly string[];
}

export interface PortionDone extends Portion {
  readonly failures: readonly Failure[];
}

export function runPortion(portion: Portion): PortionDone {
  const { from, to } = portion;
  const failures: Failure[] = [];
  for (let seed = from; seed < to; seed++) {
    const found = runSchedule(scheduleOf(portion, seed));
    if (found.length > 0) failures.push({ seed, found });
  }
  return { ...portion, failures };
}

/** Only where a parent gives portions. */
if (process.send !== undefined && process.argv[1]?.endsWith("sim-worker.js"))
  process.on("message", (portion: Portion) => process.send?.(runPortion(portion)));
