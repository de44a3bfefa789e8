/**
 * Datagrams that came to another lane than the one that owns their SA. The kernel steers a whole train by the SPI of its
 * first datagram, and receive offload joins what one peer's lanes sent at the same time; so such trains are taken apart.
 *
 *     lane a ──┐ put: copies octets, train and TOS into a free cell
 *     lane b ──┴──► cells ──► take: the owner's slab and rows, as if received
 *
 * Bounded, in shared memory, many writers and one reader. A cell's turn says whose it is: at position p it is free for
 * writing when its turn is p, and ready for reading when its turn is p + 1.
 */
import type { LaneMemory } from "#core/lane-memory";
import { IN_OFFSET, ROW_STRIDE, Row, SCRATCH_OFFSET, TRAIN_COLUMNS, TRAIN_HEADROOM, TRAINS, Train } from "#core/slab";

/** A power of two: positions wrap at 2^32. */
const CELLS = 1024;
/** What a datagram on a link of jumbo frames needs; pages that hold nothing cost nothing. */
const CELL_OCTETS = 9216;
const TURN = 0;
const LENGTH = 1;
const TOS = 2;
const SOCKET = 3;
const ORIGIN = 4;
const CELL_HEADER = ORIGIN + TRAIN_COLUMNS;
const CELL_WORDS: number = CELL_HEADER + CELL_OCTETS / 4;
/** Position of the next writer; whether the reader was told. */
const HEAD = 0;
const TOLD = 1;
const HEADER = 16;
/** Packets start at whole cache lines. */
const PACKET_ALIGN = 64;
const IN_END = SCRATCH_OFFSET;

export class LaneInbox {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #octets: Uint8Array;
  /** The reader's alone. */
  #tail = 0;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#octets = new Uint8Array(buffer);
  }

  static allocate(): LaneInbox {
    const inbox = new LaneInbox(new SharedArrayBuffer(4 * (HEADER + CELLS * CELL_WORDS)));
    for (let cell = 0; cell < CELLS; cell++) inbox.#words[HEADER + cell * CELL_WORDS + TURN] = cell;
    return inbox;
  }

  /** Writers: copies the datagram of a row of `memory.in`; false when there is no room. */
  put(memory: LaneMemory, row: number): boolean {
    const length = memory.in[row + Row.LENGTH] ?? 0;
    if (length > CELL_OCTETS) return false;
    const words = this.#words;
    let position = Atomics.load(words, HEAD);
    let cell = 0;
    for (;;) {
      cell = HEADER + (position & (CELLS - 1)) * CELL_WORDS;
      const ahead = (Atomics.load(words, cell + TURN) - position) | 0;
      if (ahead < 0) return false;
      if (ahead === 0 && Atomics.compareExchange(words, HEAD, position, (position + 1) | 0) === position) break;
      position = Atomics.load(words, HEAD);
    }
    words[cell + LENGTH] = length;
    words[cell + TOS] = memory.in[row + Row.TOS] ?? 0;
    words[cell + SOCKET] = memory.in[row + Row.SOCKET] ?? 0;
    const train = (memory.in[row + Row.GROUP] ?? 0) * TRAIN_COLUMNS;
    for (let i = 0; i < TRAIN_COLUMNS; i++) words[cell + ORIGIN + i] = memory.trains[train + i] ?? 0;
    const from = memory.in[row + Row.OFFSET] ?? 0;
    this.#octets.set(memory.slab.subarray(from, from + length), 4 * (cell + CELL_HEADER));
    Atomics.store(words, cell + TURN, (position + 1) | 0);
    return true;
  }

  /** Writers, after `put`: true when the reader must be woken. */
  tell(): boolean {
    return Atomics.exchange(this.#words, TOLD, 1) === 0;
  }

  /** The reader, before it takes: what is put from now on tells again. */
  listen(): void {
    Atomics.store(this.#words, TOLD, 0);
  }

  /** The reader: fills slab, rows and trains; returns how many rows. Called again while it returns some. */
  take(memory: LaneMemory): number {
    let rows = 0;
    let trains = 0;
    let offset = IN_OFFSET + TRAIN_HEADROOM;
    for (; rows < CELLS; rows++) {
      const cell = HEADER + (this.#tail & (CELLS - 1)) * CELL_WORDS;
      if (Atomics.load(this.#words, cell + TURN) !== ((this.#tail + 1) | 0)) break;
      const length = this.#words[cell + LENGTH] ?? 0;
      if (offset + length > IN_END) break;
      if (trains === 0 || !this.#sameOrigin(cell, memory.trains, trains - 1)) {
        if (trains === TRAINS) break;
        for (let i = 0; i < TRAIN_COLUMNS; i++)
          memory.trains[trains * TRAIN_COLUMNS + i] = this.#words[cell + ORIGIN + i] ?? 0;
        trains++;
      }
      const row = rows * ROW_STRIDE;
      memory.in.fill(0, row, row + ROW_STRIDE);
      memory.in[row + Row.OFFSET] = offset;
      memory.in[row + Row.LENGTH] = length;
      memory.in[row + Row.SLOT] = -1;
      memory.in[row + Row.GROUP] = trains - 1;
      memory.in[row + Row.TOS] = this.#words[cell + TOS] ?? 0;
      memory.in[row + Row.SOCKET] = this.#words[cell + SOCKET] ?? 0;
      const at = 4 * (cell + CELL_HEADER);
      memory.slab.set(this.#octets.subarray(at, at + length), offset);
      offset += (length + PACKET_ALIGN - 1) & -PACKET_ALIGN;
      Atomics.store(this.#words, cell + TURN, (this.#tail + CELLS) | 0);
      this.#tail = (this.#tail + 1) | 0;
    }
    return rows;
  }

  #sameOrigin(cell: number, trains: Int32Array, train: number): boolean {
    for (let i = 0; i <= Train.INTERFACE; i++)
      if (this.#words[cell + ORIGIN + i] !== trains[train * TRAIN_COLUMNS + i]) return false;
    return true;
  }
}
