/**
 * Packets of protect policies that wait for an SA (RFC 4301 §4.4.1: the packet that asked is not lost). Copies, because the
 * slab is the next batch's; bounded in octets, for each policy and in all, the oldest goes first; and in time. What waits
 * leaves through an SA or is dropped, never otherwise.
 *
 *   policy ──► queue of packets ──► chain of cells each ──► rows of the out table when an SA is used
 */
import { Drop } from "#core/drop";
import type { LaneMemory } from "#core/lane-memory";
import { HEADROOM, OUT_LENGTH, OUT_OFFSET, ROW_STRIDE, ROWS, Row } from "#core/slab";

const CELL_OCTETS = 2048;
/** 16 MiB in all, 4 MiB a policy: what a gigabit brings in 34 milliseconds, a late control thread with it. */
const CELLS = 8192;
const CELLS_PER_POLICY = 2048;
/** Longer than a set-up of SAs with a lost message, in milliseconds; a TCP sender has asked again by then. */
export const HOLD_TIME = 4000;

const NONE = -1;
const SLOT_ALIGN = 64;

interface Queue {
  first: number;
  last: number;
  packets: number;
  cells: number;
}

/** Arrays are indexed by cell; what is of a packet stands at its first one. */
class Cells {
  readonly bytes: Uint8Array = new Uint8Array(CELLS * CELL_OCTETS);
  /** The packet's next cell, or the next free one. */
  readonly next: Int32Array = Int32Array.from({ length: CELLS }, (_, cell) => (cell + 1 < CELLS ? cell + 1 : NONE));
  readonly nextPacket: Int32Array = new Int32Array(CELLS);
  readonly length: Int32Array = new Int32Array(CELLS);
  /** Drop code it gets when nothing comes. */
  readonly reason: Int32Array = new Int32Array(CELLS);
  readonly since: Float64Array = new Float64Array(CELLS);
  firstFree = 0;
  free: number = CELLS;
}

export class HeldPackets {
  readonly #memory: LaneMemory;
  readonly #drops: Float64Array;
  /** Made for the first packet. */
  #cells: Cells | undefined;
  #queues = new Map<number, Queue>();

  constructor(memory: LaneMemory, drops: Float64Array) {
    this.#memory = memory;
    this.#drops = drops;
  }

  get empty(): boolean {
    return this.#queues.size === 0;
  }

  /** Those that have packets here, at the moment. */
  get policies(): number[] {
    return [...this.#queues.keys()];
  }

  count(policy: number): number {
    return this.#queues.get(policy)?.packets ?? 0;
  }

  /** Keeps a copy of `length` octets at `offset` of the slab. False: it is too large for ever. */
  hold(policy: number, offset: number, length: number, reason: number, now: number): boolean {
    const needed = Math.ceil(length / CELL_OCTETS);
    if (needed === 0 || needed > CELLS_PER_POLICY) return false;
    this.#cells ??= new Cells();
    const cells = this.#cells;
    let queue = this.#queues.get(policy);
    if (queue === undefined) {
      queue = { first: NONE, last: NONE, packets: 0, cells: 0 };
      this.#queues.set(policy, queue);
    }
    while (queue.cells + needed > CELLS_PER_POLICY) this.#dropOldest(policy, queue, Drop.HOLD_FULL);
    while (cells.free < needed) {
      const [victim, longest] = this.#longest();
      this.#dropOldest(victim, longest, Drop.HOLD_FULL);
    }
    const packet = cells.firstFree;
    let last = packet;
    for (let i = 0; i < needed; i++) {
      last = i === 0 ? packet : (cells.next[last] ?? NONE);
      const from = offset + i * CELL_OCTETS;
      const to = Math.min(offset + length, from + CELL_OCTETS);
      cells.bytes.set(this.#memory.slab.subarray(from, to), last * CELL_OCTETS);
    }
    cells.firstFree = cells.next[last] ?? NONE;
    cells.next[last] = NONE;
    cells.free -= needed;
    cells.nextPacket[packet] = NONE;
    cells.length[packet] = length;
    cells.reason[packet] = reason;
    cells.since[packet] = now;
    if (queue.last === NONE) queue.first = packet;
    else cells.nextPacket[queue.last] = packet;
    queue.last = packet;
    queue.packets++;
    queue.cells += needed;
    // A victim may have been this policy's only other packets.
    this.#queues.set(policy, queue);
    return true;
  }

  /** Moves the policy's oldest packets, `limit` at most, to rows of the out table from row 0 on. Returns how many. */
  take(policy: number, limit: number, tailroom: number): number {
    const cells = this.#cells;
    const queue = this.#queues.get(policy);
    if (cells === undefined || queue === undefined) return 0;
    const { slab, out } = this.#memory;
    let at = OUT_OFFSET;
    let count = 0;
    while (queue.packets > 0 && count < Math.min(limit, ROWS)) {
      const length = cells.length[queue.first] ?? 0;
      const end = at + HEADROOM + length + tailroom;
      if (end > OUT_OFFSET + OUT_LENGTH) break;
      let to = at + HEADROOM;
      let left = length;
      for (let cell = queue.first; left > 0; cell = cells.next[cell] ?? NONE) {
        const octets = Math.min(left, CELL_OCTETS);
        slab.set(cells.bytes.subarray(cell * CELL_OCTETS, cell * CELL_OCTETS + octets), to);
        to += octets;
        left -= octets;
      }
      const row = count * ROW_STRIDE;
      out.fill(0, row, row + ROW_STRIDE);
      out[row + Row.OFFSET] = at + HEADROOM;
      out[row + Row.LENGTH] = length;
      out[row + Row.SLOT] = -1;
      // Each is looked up by itself.
      out[row + Row.GROUP] = count;
      this.#remove(policy, queue, cells);
      at = (end + SLOT_ALIGN - 1) & -SLOT_ALIGN;
      count++;
    }
    return count;
  }

  /** Drops what has waited too long, each for the reason it had to wait. */
  expire(now: number): void {
    const cells = this.#cells;
    if (cells === undefined) return;
    for (const [policy, queue] of this.#queues)
      while (queue.packets > 0 && now - (cells.since[queue.first] ?? 0) >= HOLD_TIME)
        this.#dropOldest(policy, queue, cells.reason[queue.first] ?? Drop.NO_SA);
  }

  /** Policies have other numbers now: for each the one it had. Packets of policies that are gone are dropped. */
  renumber(formerIndex: readonly number[]): void {
    if (this.empty) return;
    const former = this.#queues;
    const now = new Map<number, Queue>();
    for (const [policy, index] of formerIndex.entries()) {
      const queue = former.get(index);
      if (queue === undefined) continue;
      now.set(policy, queue);
      former.delete(index);
    }
    for (const [policy, queue] of former) while (queue.packets > 0) this.#dropOldest(policy, queue, Drop.NO_POLICY);
    this.#queues = now;
  }

  #longest(): [number, Queue] {
    let best: [number, Queue] | undefined;
    for (const entry of this.#queues) if (best === undefined || entry[1].cells > best[1].cells) best = entry;
    return best ?? [NONE, { first: NONE, last: NONE, packets: 0, cells: 0 }];
  }

  #dropOldest(policy: number, queue: Queue, reason: number): void {
    this.#drops[-reason] = (this.#drops[-reason] ?? 0) + 1;
    if (this.#cells !== undefined) this.#remove(policy, queue, this.#cells);
  }

  #remove(policy: number, queue: Queue, cells: Cells): void {
    const packet = queue.first;
    let count = 1;
    let last = packet;
    for (let next = cells.next[last] ?? NONE; next !== NONE; next = cells.next[last] ?? NONE) {
      last = next;
      count++;
    }
    cells.next[last] = cells.firstFree;
    cells.firstFree = packet;
    cells.free += count;
    queue.cells -= count;
    queue.packets--;
    queue.first = cells.nextPacket[packet] ?? NONE;
    if (queue.packets > 0) return;
    queue.last = NONE;
    this.#queues.delete(policy);
  }
}
