/**
 * What a lane tells control: fixed records in shared memory, one writer, one reader, bounded. Kinds that anybody's packets
 * can cause are told again by the next packet: they take half of the ring at most, then they are counted and lost. The
 * others are told once an SA or command, so they wait on the writer's side when the ring is full.
 */

export const LaneEvent = {
  /** A soft limit of `slot` is reached. */
  SOFT: 1,
  /** A hard limit of `slot` is reached: it seals and opens nothing more. */
  HARD: 2,
  /** A packet of policy `value` asks for an SA (RFC 4301 §4.4.1). Followed by its flow: family, source, destination. */
  ACQUIRE: 3,
  /** The first packet that verified on inbound `slot`; `value` 1: a dummy, which proves that the peer has the SA too. */
  FIRST_PACKET: 4,
  /** A packet with an SPI nobody knows; `value` is the SPI. */
  UNKNOWN_SPI: 5,
  /** The peer of inbound `slot` moved to another endpoint: family, port, address words. */
  PEER_MOVED: 6,
  /** A trustworthy ICMP error about outbound `slot`: `value` is the new path MTU. */
  PATH_MTU: 7,
  /** Sequence numbers of outbound `slot` end. */
  SEQUENCE_END: 8,
  /**
   * An ICMP error about an outbound SPI of another lane: `value` is the MTU. Followed by SPI, family and the address words
   * of the destination.
   */
  PATH_ERROR: 10,
  /**
   * An ICMP error about an IKE message that left by a port of the lanes: `value` 1 = refused, 0 = unreachable. Followed by
   * family, port and address words of the peer.
   */
  IKE_UNREACHABLE: 11,
  /** Command number `value` was carried out. */
  DONE: 9,
  /** Packets of the outbound SA of slot `value`, which has ended, go by its successor `slot` now. */
  SWITCHED: 12,
} as const;

/** Int32 columns of a record: kind, slot, value, and up to 11 more. */
export const EVENT_COLUMNS = 16;
const HEAD = 0;
const TAIL = 1;
const LOST = 2;
/** 1 while events wait on the writer's side: who makes room must wake the writer. */
const HELD = 3;
const HEADER = 16;

/** Caused by packets that nobody has authenticated, or told again. */
const MAY_BE_LOST: ReadonlySet<number> = new Set<number>([
  LaneEvent.ACQUIRE,
  LaneEvent.UNKNOWN_SPI,
  LaneEvent.PEER_MOVED,
  LaneEvent.PATH_MTU,
  LaneEvent.PATH_ERROR,
  LaneEvent.IKE_UNREACHABLE,
]);

export class EventRing {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #records: number;
  /** Kind, slot and value of events that found no room: one a limit of an SA, or a command. */
  readonly #waiting: number[] = [];

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#records = (this.#words.length - HEADER) / EVENT_COLUMNS;
  }

  static allocate(records: number): EventRing {
    return new EventRing(new SharedArrayBuffer(4 * (HEADER + records * EVENT_COLUMNS)));
  }

  /** Writer's side. Returns false when the event is lost. `more` stands behind `value`. */
  push(kind: number, slot: number, value: number, more?: ArrayLike<number>): boolean {
    const words = this.#words;
    if (MAY_BE_LOST.has(kind)) {
      if (2 * this.#used() < this.#records && this.#write(kind, slot, value, more)) return true;
      words[LOST] = (words[LOST] ?? 0) + 1;
      return false;
    }
    this.flush();
    if (this.#waiting.length === 0 && this.#write(kind, slot, value, more)) return true;
    this.#waiting.push(kind, slot, value);
    Atomics.store(words, HELD, 1);
    return true;
  }

  /** Writer's side: tells what waited for room. */
  flush(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    let done = 0;
    while (done < waiting.length && this.#write(waiting[done] ?? 0, waiting[done + 1] ?? 0, waiting[done + 2] ?? 0))
      done += 3;
    waiting.splice(0, done);
    if (waiting.length === 0) Atomics.store(this.#words, HELD, 0);
  }

  #used(): number {
    const words = this.#words;
    return ((words[HEAD] ?? 0) - Atomics.load(words, TAIL) + this.#records) % this.#records;
  }

  #write(kind: number, slot: number, value: number, more?: ArrayLike<number>): boolean {
    const words = this.#words;
    const head = words[HEAD] ?? 0;
    const next = (head + 1) % this.#records;
    if (next === Atomics.load(words, TAIL)) return false;
    const at = HEADER + head * EVENT_COLUMNS;
    words[at] = kind;
    words[at + 1] = slot;
    words[at + 2] = value;
    for (let i = 0; i < EVENT_COLUMNS - 3; i++) words[at + 3 + i] = more?.[i] ?? 0;
    Atomics.store(words, HEAD, next);
    return true;
  }

  /** Reader's side: copies the oldest record into `record`; false when there is none. */
  take(record: Int32Array): boolean {
    const words = this.#words;
    const tail = words[TAIL] ?? 0;
    if (tail === Atomics.load(words, HEAD)) return false;
    const at = HEADER + tail * EVENT_COLUMNS;
    for (let i = 0; i < EVENT_COLUMNS; i++) record[i] = words[at + i] ?? 0;
    Atomics.store(words, TAIL, (tail + 1) % this.#records);
    return true;
  }

  /** True when something waits for the reader. */
  get pending(): boolean {
    return Atomics.load(this.#words, HEAD) !== Atomics.load(this.#words, TAIL);
  }

  /** True while the writer has more than the ring holds: after taking, the reader wakes it. */
  get held(): boolean {
    return Atomics.load(this.#words, HELD) === 1;
  }

  get lost(): number {
    return Atomics.load(this.#words, LOST);
  }
}
