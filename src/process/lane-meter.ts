/** What lanes tell of themselves, as one: for metrics. Read in place; no lane is asked. */
import { DROP_REASONS } from "#core/drop";
import { type HistogramReading, readTelemetry } from "#gateway/lane-telemetry";
import { threadSeconds } from "#io/thread-time";
import type { LaneThread } from "./lane-thread.ts";

export interface LaneReadings {
  /** Packets a round. */
  readonly packets: HistogramReading;
  /** Milliseconds in hand, once a packet. */
  readonly millis: HistogramReading;
  /** Every reason there is → packets. */
  readonly drops: ReadonlyMap<string, number>;
  /** Seconds on a processor: "control", "lane0", … */
  readonly threads: readonly { readonly thread: string; readonly seconds: number }[];
  /** Suite as in swanctl.conf → what serves it. */
  readonly implementations: ReadonlyMap<string, string>;
}

/** `control`: Linux' number of the control thread; `controlBefore`: seconds of those whose place it took. */
export function readLanes(
  lanes: readonly LaneThread[],
  control: number | undefined,
  controlBefore: number,
): LaneReadings {
  const ids = [
    ["control", control, controlBefore] as const,
    ...lanes.map((lane, i) => [`lane${i}`, lane.threadId, lane.secondsBefore] as const),
  ];
  return {
    ...readTelemetry(lanes.map(({ telemetry }) => telemetry)),
    drops: new Map(
      DROP_REASONS.map(({ code, name }) => [name, lanes.reduce((sum, lane) => sum + (lane.drops[-code] ?? 0), 0)]),
    ),
    threads: ids.flatMap(([thread, id, before]) => {
      const seconds = id === undefined ? undefined : threadSeconds(id);
      // A lane that stands still has none.
      return seconds === undefined && before === 0 ? [] : [{ thread, seconds: before + (seconds ?? 0) }];
    }),
    implementations: new Map(lanes.flatMap((lane) => [...lane.implementations])),
  };
}
