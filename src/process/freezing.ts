/**
 * A gateway that stands still so that another process goes on with it, or this one again. Packets wait in the kernel: in the
 * TUN's queues and the sockets' buffers.
 *
 *     freeze ──► state ──► another process: thaw ──► its lanes are open
 *         └────► resume: new threads of this process, the same rows
 */
import { assert } from "#core/errors";
import type { DataPlane } from "#gateway/data-plane";
import type { PlaneState } from "#gateway/plane-state";
import { threadSeconds } from "#io/thread-time";
import type { LaneThread } from "./lane-thread.ts";

export interface LaneState {
  readonly drops: Float64Array;
  readonly io: Float64Array;
  readonly telemetry: Float64Array;
  readonly seconds: number;
}

export interface GatewayState {
  readonly plane: PlaneState;
  readonly lanes: readonly LaneState[];
  /** Slots of SAs with manual keys. */
  readonly manual: readonly number[];
  /** On a processor, of all control threads so far. */
  readonly controlSeconds: number;
}

export interface FreezingParts {
  readonly plane: DataPlane;
  readonly lanes: readonly LaneThread[];
  readonly manual: Set<number>;
  /** Linux' number of the control thread. */
  readonly control: number | undefined;
  /** Resolves when a lane has carried this out; rejects when one ends. */
  done(command: number): Promise<void>;
}

export class Freezing {
  readonly #parts: FreezingParts;
  #outbound: readonly (readonly number[])[] | undefined;
  /** Of control threads whose place this one took. */
  controlBefore = 0;

  constructor(parts: FreezingParts) {
    this.#parts = parts;
  }

  /** No lane runs afterwards. Keys in what it returns are the caller's to wipe. */
  async freeze(): Promise<GatewayState> {
    const { plane, lanes, manual, control } = this.#parts;
    const outbound = await Promise.all(lanes.map((lane) => lane.rest()));
    this.#outbound = outbound;
    return {
      plane: plane.freeze(outbound),
      lanes: lanes.map(({ drops, memory, telemetry, secondsBefore }) => ({
        drops: Float64Array.from(drops),
        io: Float64Array.from(memory.ioCounters),
        telemetry: Float64Array.from(telemetry),
        seconds: secondsBefore,
      })),
      manual: [...manual],
      controlSeconds: this.controlBefore + (control === undefined ? 0 : (threadSeconds(control) ?? 0)),
    };
  }

  /** The lanes of this process go on where they stopped. Harmless where they run. */
  async resume(): Promise<void> {
    const outbound = this.#outbound;
    if (outbound === undefined) return;
    this.#outbound = undefined;
    const { lanes } = this.#parts;
    await Promise.all(lanes.map((lane) => lane.rise()));
    await this.#populate(outbound);
    this.open();
  }

  /** Lanes that wait have all that those of another process had; `open` lets them begin. Keys of `state` are wiped. */
  async thaw(state: GatewayState): Promise<void> {
    const { plane, lanes, manual } = this.#parts;
    assert(state.lanes.length === lanes.length, `${lanes.length} lanes take over from as many`);
    for (const [index, { drops, io, telemetry, seconds }] of state.lanes.entries()) {
      const lane = lanes[index];
      lane?.drops.set(drops.subarray(0, lane.drops.length));
      lane?.memory.ioCounters.set(io.subarray(0, lane.memory.ioCounters.length));
      if (lane?.telemetry.length === telemetry.length) lane.telemetry.set(telemetry);
      if (lane !== undefined) lane.secondsBefore = seconds;
    }
    for (const slot of state.manual) manual.add(slot);
    this.controlBefore = state.controlSeconds;
    plane.thaw(state.plane);
    await this.#populate(state.plane.outbound);
  }

  open(): void {
    for (const lane of this.#parts.lanes) lane.open();
  }

  async #populate(outbound: readonly (readonly number[])[]): Promise<void> {
    const { plane, done } = this.#parts;
    await Promise.all(plane.populate(outbound).map(done));
  }
}
