/**
 * IKE messages between their sockets and the engine. Everybody can send them, so they wait in bounded queues, and each
 * turn of the event loop takes them for a bounded time: timers, lanes and operators have their turns in between.
 */
import type { Endpoint } from "#core/address";
import type { Clock } from "#core/ports";
import { RESPONDER_SPI } from "#wire/ike/header";
import { IKE_SPI_LENGTH } from "#wire/ike/spi";

export interface IkeDatagram {
  readonly octets: Uint8Array;
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** Messages of one kind that wait. */
const WAITING = 256;
/** Milliseconds one turn takes; a message that was begun is finished. */
const TURN = 4;

export class IkeInbox {
  /** Of SAs that are there, if they tell the truth; and of those who want one. Neither can keep the other out. */
  readonly #known: IkeDatagram[] = [];
  readonly #fresh: IkeDatagram[] = [];
  readonly #take: (datagram: IkeDatagram) => void;
  readonly #clock: Clock;
  readonly #nextTurn: (work: () => void) => void;
  #scheduled = false;
  #closed = false;
  #dropped = 0;

  /** `nextTurn` calls once, after what else the event loop has to do. */
  constructor(take: (datagram: IkeDatagram) => void, clock: Clock, nextTurn: (work: () => void) => void) {
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
    queue.push(datagram);
    this.#schedule();
    return true;
  }

  /** What waits is forgotten. */
  close(): void {
    this.#closed = true;
    this.#known.length = 0;
    this.#fresh.length = 0;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#nextTurn(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    const end = this.#clock.now() + TURN;
    do {
      const known = this.#known.shift();
      if (known !== undefined) this.#take(known);
      const fresh = this.#fresh.shift();
      if (fresh !== undefined) this.#take(fresh);
    } while (this.#known.length + this.#fresh.length > 0 && this.#clock.now() < end);
    if (this.#known.length + this.#fresh.length > 0) this.#schedule();
  }
}
