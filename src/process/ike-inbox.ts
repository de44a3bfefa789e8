/**
 * What comes for the engine in numbers: messages from their sockets, and results of jobs. Everybody can send messages, so
 * they wait in bounded queues, and each turn of the event loop takes all of it for a bounded time: timers, lanes and
 * operators have their turns in between.
 */
import type { Endpoint } from "#core/address";
import type { JobResult } from "#core/ike-job";
import type { Clock } from "#core/ports";
import { RESPONDER_SPI } from "#wire/ike/header";
import { IKE_SPI_LENGTH } from "#wire/ike/spi";

export interface IkeDatagram {
  readonly octets: Uint8Array;
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

export type Arrival =
  | ({ readonly kind: "datagram" } & IkeDatagram)
  | { readonly kind: "computed"; readonly job: number; readonly result: JobResult };

/** Messages of one kind that wait. */
const WAITING = 256;
/** Milliseconds one turn takes; what was begun is finished. */
const TURN = 4;

export class IkeInbox {
  /** As many as there are jobs: the pool's bound is theirs too. */
  readonly #computed: Arrival[] = [];
  /** Of SAs that are there, if they tell the truth; and of those who want one. None can keep the others out. */
  readonly #known: Arrival[] = [];
  readonly #fresh: Arrival[] = [];
  readonly #take: (arrival: Arrival) => void;
  readonly #clock: Clock;
  readonly #nextTurn: (work: () => void) => void;
  #scheduled = false;
  #closed = false;
  #dropped = 0;
  #paused = false;

  /** `nextTurn` calls once, after what else the event loop has to do. */
  constructor(take: (arrival: Arrival) => void, clock: Clock, nextTurn: (work: () => void) => void) {
    this.#take = take;
    this.#clock = clock;
    this.#nextTurn = nextTurn;
  }

  /** Messages that found no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** False: there is no room. */
  offer(datagram: IkeDatagram): boolean {
    const spi = datagram.octets.subarray(RESPONDER_SPI, RESPONDER_SPI + IKE_SPI_LENGTH);
    const queue = spi.some((octet) => octet !== 0) ? this.#known : this.#fresh;
    if (queue.length >= WAITING || this.#closed) {
      this.#dropped++;
      return false;
    }
    queue.push({ kind: "datagram", ...datagram });
    this.#schedule();
    return true;
  }

  /** Never refused: the job has been paid for, and secrets of the engine wait for it. */
  computed(job: number, result: JobResult): void {
    if (this.#closed) return;
    this.#computed.push({ kind: "computed", job, result });
    this.#schedule();
  }

  /** What comes waits, and what finds no room is dropped, as ever. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (this.#isLeft) this.#schedule();
  }

  /** Messages that nobody has taken yet, for whoever takes them instead. */
  get waiting(): readonly IkeDatagram[] {
    return [...this.#known, ...this.#fresh].flatMap((arrival) => {
      if (arrival.kind !== "datagram") return [];
      const { octets, local, remote } = arrival;
      return [{ octets, local, remote }];
    });
  }

  /** What waits is forgotten. */
  close(): void {
    this.#closed = true;
    this.#computed.length = 0;
    this.#known.length = 0;
    this.#fresh.length = 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.#paused) return;
    this.#scheduled = true;
    this.#nextTurn(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    const end = this.#clock.now() + TURN;
    do {
      for (const queue of this.#queues) {
        // Whoever takes one may want no more.
        const next = this.#paused ? undefined : queue.shift();
        if (next !== undefined) this.#take(next);
      }
    } while (this.#isLeft && !this.#paused && this.#clock.now() < end);
    if (this.#isLeft) this.#schedule();
  }

  get #queues(): readonly Arrival[][] {
    return [this.#computed, this.#known, this.#fresh];
  }

  get #isLeft(): boolean {
    return this.#queues.some(({ length }) => length > 0);
  }
}
