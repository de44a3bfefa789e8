/**
 * What a lane measures of itself, in shared memory with the lane as its only writer: how many packets one round of it
 * moves, and how long packets of a round are in its hands (from their arrival in the batch until all of it has left).
 */
import { IoCounter } from "#core/slab";

/** Inclusive upper bounds; a last bucket holds what is above. */
const ROUND_PACKETS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
/** Milliseconds. */
const ROUND_MILLIS: readonly number[] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100];

const PACKETS_SUM: number = ROUND_PACKETS.length + 1;
const MILLIS: number = PACKETS_SUM + 1;
const MILLIS_SUM: number = MILLIS + ROUND_MILLIS.length + 1;
const NUMBERS: number = MILLIS_SUM + 1;

/** Counts by bucket, not summed up, and the sum of all that was observed. */
export interface HistogramReading {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

export function allocateTelemetry(): Float64Array {
  return new Float64Array(new SharedArrayBuffer(8 * NUMBERS));
}

export class LaneTelemetry {
  readonly #numbers: Float64Array;
  readonly #io: Float64Array;
  #moved: number;

  /** `io`: the lane's I/O counters, which say how many packets came. */
  constructor(numbers: Float64Array, io: Float64Array) {
    this.#numbers = numbers;
    this.#io = io;
    this.#moved = this.#arrived;
  }

  get #arrived(): number {
    return (this.#io[IoCounter.TUN_READ_PACKETS] ?? 0) + (this.#io[IoCounter.RECEIVE_PACKETS] ?? 0);
  }

  /** A round of the engine has ended that took `millis`. One in which nothing came does not count. */
  round(millis: number): void {
    const arrived = this.#arrived;
    const packets = arrived - this.#moved;
    if (packets === 0) return;
    this.#moved = arrived;
    this.#add(bucketOf(ROUND_PACKETS, packets), 1);
    this.#add(PACKETS_SUM, packets);
    this.#add(MILLIS + bucketOf(ROUND_MILLIS, millis), packets);
    this.#add(MILLIS_SUM, packets * millis);
  }

  #add(at: number, value: number): void {
    this.#numbers[at] = (this.#numbers[at] ?? 0) + value;
  }
}

/** Of several lanes as one. */
export function readTelemetry(lanes: readonly Float64Array[]): {
  readonly packets: HistogramReading;
  readonly millis: HistogramReading;
} {
  const total = (at: number) => lanes.reduce((sum, numbers) => sum + (numbers[at] ?? 0), 0);
  const reading = (bounds: readonly number[], first: number, sum: number): HistogramReading => ({
    bounds,
    counts: Array.from({ length: bounds.length + 1 }, (_, i) => total(first + i)),
    sum: total(sum),
  });
  return { packets: reading(ROUND_PACKETS, 0, PACKETS_SUM), millis: reading(ROUND_MILLIS, MILLIS, MILLIS_SUM) };
}

function bucketOf(bounds: readonly number[], value: number): number {
  let at = 0;
  while (at < bounds.length && value > (bounds[at] ?? 0)) at++;
  return at;
}
