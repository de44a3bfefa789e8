/** Time by stage, taken once a batch and stage: what it costs itself is measured and taken off. */

/** What a batch goes through. The TypeScript of a direction is all of its stages but the cipher's. */
export const Stage = {
  /** The port's own work: not the engine's, not reported. */
  PORT: 0,
  /** Flow, policy, SA, header and trailer (Outbound.process). */
  OUT_BEFORE: 1,
  SEAL: 2,
  /** Bundles, fragments of outer packets, counters of drops. */
  OUT_AFTER: 3,
  /** SPI, replay check (Inbound.process before the cipher). */
  IN_BEFORE: 4,
  OPEN: 5,
  /** Replay accept, trailer, selectors, counters. */
  IN_AFTER: 6,
} as const;
export type Stage = (typeof Stage)[keyof typeof Stage];
const STAGES = 7;

const NANOS = 1e6;
const CALIBRATIONS = 100;
const CALIBRATION_LAPS = 200;

export class Stopwatch {
  /** Nanoseconds and laps by stage. */
  readonly #nanos: Float64Array = new Float64Array(STAGES);
  readonly #laps: Float64Array = new Float64Array(STAGES);
  readonly #last: Float64Array = new Float64Array(1);
  #cost = 0;

  /** Ends a lap: the time since the last one belongs to `stage`. */
  lap(stage: Stage): void {
    const now = performance.now();
    this.#nanos[stage] = (this.#nanos[stage] ?? 0) + (now - (this.#last[0] ?? 0)) * NANOS;
    this.#laps[stage] = (this.#laps[stage] ?? 0) + 1;
    this.#last[0] = now;
  }

  reset(): void {
    this.#nanos.fill(0);
    this.#laps.fill(0);
    this.#last[0] = performance.now();
  }

  /** Measures what an empty lap takes: the least of many tries, for a disturbed one would be taken off every stage. */
  calibrate(): void {
    this.#cost = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < CALIBRATIONS; attempt++) {
      this.reset();
      for (let i = 0; i < CALIBRATION_LAPS; i++) this.lap(Stage.PORT);
      this.#cost = Math.min(this.#cost, (this.#nanos[Stage.PORT] ?? 0) / CALIBRATION_LAPS);
    }
  }

  /** Nanoseconds of a stage since `reset`, without the watch's own. */
  nanos(stage: Stage): number {
    return Math.max(0, (this.#nanos[stage] ?? 0) - (this.#laps[stage] ?? 0) * this.#cost);
  }
}
