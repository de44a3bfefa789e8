/**
 * A gateway that stands still so that another process goes on with it, or this one again. Packets wait in the kernel: in the
 * TUN's queues and the sockets' buffers.
 *
 *     freeze ──► state ──► another process: thaw ──► its lanes are open
 *         └────► resume: new threads of this process, the same rows
 */
import { assert } from "#core/errors";
import type { Millis } from "#core/units";
import { wipe } from "#crypto/octets";
import type { DataPlane } from "#gateway/data-plane";
import type { PlaneState } from "#gateway/plane-state";
import { wipeFrozen } from "#ike/frozen";
import { threadSeconds } from "#io/thread-time";
import type { IkeService, IkeServiceState } from "./ike-service.ts";
import type { LaneThread } from "./lane-thread.ts";

export interface LaneState {
  readonly drops: Float64Array;
  readonly io: Float64Array;
  readonly telemetry: Float64Array;
  readonly seconds: number;
}

export interface GatewayState {
  readonly plane: PlaneState;
  /** undefined: all keys are manual. */
  readonly ike: IkeServiceState | undefined;
  readonly lanes: readonly LaneState[];
  /** Slots of SAs with manual keys. */
  readonly manual: readonly number[];
  /** On a processor, of all control threads so far. */
  readonly controlSeconds: number;
  /** Since when no packet is moved, of the monotonic clock. */
  readonly stillSince: Millis;
}

export interface FreezingParts {
  readonly plane: DataPlane;
  readonly ike: IkeService | undefined;
  readonly lanes: readonly LaneThread[];
  readonly manual: Set<number>;
  /** Linux' number of the control thread. */
  readonly control: number | undefined;
  now(): Millis;
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

  /** No lane runs afterwards. Keys in what it returns are the caller's to wipe (`wipeState`). Rejects: `resume`. */
  async freeze(): Promise<GatewayState> {
    const { plane, ike, lanes, manual, control } = this.#parts;
    // First control, which tells lanes nothing any more; what they still tell it waits.
    await ike?.rest();
    const stillSince = this.#parts.now();
    const outbound = await Promise.all(lanes.map((lane) => lane.rest()));
    this.#outbound = outbound;
    return {
      plane: plane.freeze(outbound),
      ike: ike?.freeze(),
      lanes: lanes.map(({ drops, memory, telemetry, secondsBefore }) => ({
        drops: Float64Array.from(drops),
        io: Float64Array.from(memory.ioCounters),
        telemetry: Float64Array.from(telemetry),
        seconds: secondsBefore,
      })),
      manual: [...manual],
      controlSeconds: this.controlBefore + (control === undefined ? 0 : (threadSeconds(control) ?? 0)),
      stillSince,
    };
  }

  /** The lanes of this process go on where they stopped. Harmless where they run. */
  async resume(): Promise<void> {
    const outbound = this.#outbound;
    this.#outbound = undefined;
    const { lanes } = this.#parts;
    if (outbound !== undefined) {
      await Promise.all(lanes.map((lane) => lane.rise()));
      await this.#populate(outbound);
    }
    this.open();
  }

  /** Lanes that wait have all that those of another process had; `open` lets all begin. Keys of `state` are wiped. */
  async thaw(state: GatewayState): Promise<void> {
    const { plane, ike, lanes, manual } = this.#parts;
    assert((ike === undefined) === (state.ike === undefined), "both negotiate, or none");
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
    if (state.ike !== undefined) ike?.thaw(state.ike);
    wipeState(state);
    await this.#populate(state.plane.outbound);
  }

  open(): void {
    for (const lane of this.#parts.lanes) lane.open();
    this.#parts.ike?.resume();
  }

  async #populate(outbound: readonly (readonly number[])[]): Promise<void> {
    const { plane, done } = this.#parts;
    await Promise.all(plane.populate(outbound).map(done));
  }
}

export function wipeState({ plane, ike }: GatewayState): void {
  for (const { rows } of plane.children)
    for (const { encryptionKey, integrityKey } of rows) wipe(encryptionKey, integrityKey);
  if (ike !== undefined) wipeFrozen(ike.control.engine);
}
