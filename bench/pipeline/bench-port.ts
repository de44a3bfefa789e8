/**
 * A LanePort without a kernel and without garbage: batches are prepared once and put back into the slab before each turn,
 * one copy of octets and one of rows a batch, as the native port's read does.
 */
import type { LaneMemory } from "#core/lane-memory";
import type { LanePort } from "#core/ports";
import { IN_OFFSET, OUT_OFFSET, ROW_STRIDE } from "#core/slab";
import { Stage, type Stopwatch } from "./stopwatch.ts";

/** A batch as the native port would leave it in the slab. */
export interface PreparedBatch {
  /** From OUT_OFFSET or IN_OFFSET on. */
  readonly octets: Uint8Array;
  readonly rows: Int32Array;
}

export class BenchPort implements LanePort {
  out: readonly PreparedBatch[] = [];
  in: readonly PreparedBatch[] = [];
  /** Called before the first of `in` comes again: replay windows must forget. */
  onLap: () => void = () => undefined;
  readonly #memory: LaneMemory;
  readonly #watch: Stopwatch;
  #nextOut = 0;
  #nextIn = 0;

  constructor(memory: LaneMemory, watch: Stopwatch) {
    this.#memory = memory;
    this.#watch = watch;
  }

  wait(): number {
    return 0;
  }

  /** Starts over with the first batch of each direction. */
  rewind(): void {
    this.#nextOut = 0;
    this.#nextIn = 0;
  }

  readTun(): number {
    const batch = this.out[this.#nextOut];
    if (batch === undefined) return 0;
    this.#nextOut = (this.#nextOut + 1) % this.out.length;
    this.#memory.slab.set(batch.octets, OUT_OFFSET);
    this.#memory.out.set(batch.rows);
    this.#watch.lap(Stage.PORT);
    return batch.rows.length / ROW_STRIDE;
  }

  send(): void {
    this.#watch.lap(Stage.OUT_AFTER);
  }

  receive(): number {
    const batch = this.in[this.#nextIn];
    if (batch === undefined) return 0;
    if (this.#nextIn === 0) this.onLap();
    this.#nextIn = (this.#nextIn + 1) % this.in.length;
    this.#memory.slab.set(batch.octets, IN_OFFSET);
    this.#memory.in.set(batch.rows);
    this.#watch.lap(Stage.PORT);
    return batch.rows.length / ROW_STRIDE;
  }

  deliver(): void {
    this.#watch.lap(Stage.IN_AFTER);
  }

  takeError(): undefined {
    return undefined;
  }
}
