/** The lanes of a gateway as one of them sees them: which SPIs are its own, and the way to the others. */
import { Drop } from "#core/drop";
import type { LaneMemory } from "#core/lane-memory";
import { VERDICT_TAKEN } from "#core/slab";
import { laneOfSpi } from "#core/steering";
import { LaneInbox } from "./lane-inbox.ts";

const BATCHES = 8;

export class LaneMesh {
  readonly lane: number;
  readonly lanes: number;
  readonly #inboxes: readonly LaneInbox[];
  readonly #wake: (lane: number) => void;

  /** One inbox a lane; `wake` ends another lane's wait. */
  constructor(lane: number, inboxes: readonly SharedArrayBuffer[], wake: (lane: number) => void) {
    this.lane = lane;
    this.lanes = inboxes.length;
    this.#inboxes = inboxes.map((buffer) => new LaneInbox(buffer));
    this.#wake = wake;
  }

  /** The only lane owns every SPI and has no inbox. */
  static alone(): LaneMesh {
    return new LaneMesh(0, [], () => undefined);
  }

  owns(spi: number): boolean {
    return this.lanes <= 1 || laneOfSpi(spi, this.lanes) === this.lane;
  }

  /** Verdict of a datagram in a row of `memory.in` whose SPI is another lane's. */
  give(memory: LaneMemory, row: number, spi: number): number {
    const owner = laneOfSpi(spi, this.lanes);
    const inbox = this.#inboxes[owner];
    if (inbox?.put(memory, row) !== true) return Drop.LANE_OVERLOAD;
    if (inbox.tell()) this.#wake(owner);
    return VERDICT_TAKEN;
  }

  /** What other lanes gave since the last wake-up: rows of `memory.in` for each call of `process`. */
  takeAll(memory: LaneMemory, process: (count: number) => void): void {
    const inbox = this.#inboxes[this.lane];
    if (inbox === undefined) return;
    inbox.listen();
    for (let batch = 0; batch < BATCHES; batch++) {
      const count = inbox.take(memory);
      if (count === 0) return;
      process(count);
    }
    // There may be more; commands and sockets have their turn first.
    if (inbox.tell()) this.#wake(this.lane);
  }
}
