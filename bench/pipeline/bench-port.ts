/**
 * A LanePort without a kernel and without garbage: batches are prepared once and put back into the slab before each turn,
 * where and as the native port's read and receive leave them.
 */
import type { LaneMemory } from "#core/lane-memory";
import type { LanePort } from "#core/ports";
import { ROW_STRIDE } from "#core/slab";
import { Stage, type Stopwatch } from "./stopwatch.ts";

/** Octets that lie at `offset` of the slab. */
export interface Piece {
  readonly octets: Uint8Array;
  readonly offset: number;
}

/** A batch as the native port would leave it in the slab: a piece a packet, or a piece a train. */
export interface PreparedBatch {
  readonly pieces: readonly Piece[];
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
    this.#fill(batch.pieces);
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
    this.#fill(batch.pieces);
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

  #fill(pieces: readonly Piece[]): void {
    for (const { octets, offset } of pieces) this.#memory.slab.set(octets, offset);
  }
}
