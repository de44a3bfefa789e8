/** The memory of one lane: what the engine, the cipher and the native port share. */
import { ENDPOINT_COLUMNS, IO_COUNTERS, ROW_STRIDE, ROWS, SLAB_LENGTH, TRAIN_COLUMNS, TRAINS } from "./slab.ts";

export interface LaneMemory {
  readonly slab: Uint8Array;
  /** Rows of packets on their way out and in. */
  readonly out: Int32Array;
  readonly in: Int32Array;
  readonly trains: Int32Array;
  /** One row a slot. */
  readonly endpoints: Int32Array;
  readonly ioCounters: Float64Array;
}

export function allocateLaneMemory(slots: number): LaneMemory {
  const int32 = (length: number) => new Int32Array(new SharedArrayBuffer(4 * length));
  return {
    slab: new Uint8Array(new SharedArrayBuffer(SLAB_LENGTH)),
    out: int32(ROWS * ROW_STRIDE),
    in: int32(ROWS * ROW_STRIDE),
    trains: int32(TRAINS * TRAIN_COLUMNS),
    endpoints: int32(slots * ENDPOINT_COLUMNS),
    ioCounters: new Float64Array(new SharedArrayBuffer(8 * IO_COUNTERS)),
  };
}
