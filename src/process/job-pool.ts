/**
 * IKE's slow work off the control thread: few Workers, a bounded queue, every job answered exactly once.
 *
 * All of it, the cheap key exchanges too. Measured on two shared cores (median): the way there and back takes 0.09 ms, of
 * which the control thread works 0.02; answering with ecp256 takes 0.1 ms, x25519 0.13, modp2048 0.8, ecp384 1.8. So
 * working in place would save a peer 0.1 ms and take several times as much from all others.
 *
 * Jobs that come in one turn of the event loop go over in one message, as each wakes the other thread.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Job, JobResult } from "#core/ike-job";
import type { JobAnswer, JobOrder } from "./ike-worker.ts";
import { packJob, wipeJob } from "./job-secrets.ts";

/** Jobs that wait. A peer waits for the answer to its message, and repeats it when none comes. */
const QUEUE = 512;
/** Orders under way to one Worker: while it works on the first, others are already there. They fail with it. */
const UNDER_WAY = 16;

export interface JobPoolOptions {
  readonly workers: number;
  /** Of the Workers' entry; tests give another one. */
  readonly entry: URL;
}

export interface JobCounters {
  readonly done: number;
  readonly failed: number;
  /** Refused because too many waited. */
  readonly busy: number;
  /** Workers that ended by themselves. */
  readonly deaths: number;
  readonly waiting: number;
}

interface Order {
  readonly id: number;
  readonly work: Job;
  readonly done: (result: JobResult) => void;
}

/** One Worker with what it has been given. */
interface Hand {
  readonly worker: Worker;
  readonly orders: Map<number, Order>;
}

const failed = (why: string): JobResult => ({ kind: "failed", why });

export class JobPool {
  readonly #options: JobPoolOptions;
  readonly #hands = new Set<Hand>();
  readonly #queue: Order[] = [];
  readonly #counts = { done: 0, failed: 0, busy: 0, deaths: 0 };
  #ids = 0;
  #handsOut = false;
  #closed = false;

  constructor(options: Partial<JobPoolOptions> = {}) {
    this.#options = {
      // Lanes and control have the other cores.
      workers: availableParallelism() > 2 ? 2 : 1,
      entry: new URL("./ike-worker.js", import.meta.url),
      ...options,
    };
  }

  /** Of pools before this one. */
  thaw({ done, failed, busy, deaths }: JobCounters): void {
    this.#counts.done += done;
    this.#counts.failed += failed;
    this.#counts.busy += busy;
    this.#counts.deaths += deaths;
  }

  /** Nobody waits for a result. */
  get isIdle(): boolean {
    return this.#queue.length === 0 && [...this.#hands].every(({ orders }) => orders.size === 0);
  }

  get counters(): JobCounters {
    return { ...this.#counts, waiting: this.#queue.length };
  }

  /** Starts a Worker before there is work: the first peer would wait for it to load. */
  prepare(): void {
    this.#hire();
  }

  /** `done` is called once, never before this returns, and not at all after `close`. */
  submit(work: Job, done: (result: JobResult) => void): void {
    if (this.#closed || this.#queue.length >= QUEUE) {
      wipeJob(work);
      this.#counts.busy++;
      queueMicrotask(() => this.#closed || done(failed("busy: too many key exchanges and signatures wait")));
      return;
    }
    this.#queue.push({ id: ++this.#ids, work, done });
    this.#hire();
    this.#handOutSoon();
  }

  /** Jobs that were not done are forgotten. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { work } of this.#queue.splice(0)) wipeJob(work);
    const hands = [...this.#hands];
    this.#hands.clear();
    await Promise.all(hands.map(({ worker }) => worker.terminate()));
  }

  #hire(): void {
    const idle = [...this.#hands].some(({ orders }) => orders.size === 0);
    if (idle || this.#hands.size >= this.#options.workers) return;
    const worker = new Worker(this.#options.entry);
    const hand: Hand = { worker, orders: new Map() };
    this.#hands.add(hand);
    worker.on("message", (answers: readonly JobAnswer[]) => {
      this.#handOutSoon();
      for (const { id, result } of answers) {
        const order = hand.orders.get(id);
        hand.orders.delete(id);
        if (order !== undefined) this.#answer(order, result);
      }
    });
    // `exit` follows, and says it to those who wait.
    worker.on("error", () => undefined);
    worker.on("exit", () => this.#bury(hand));
  }

  /** After what this callback of the event loop does. */
  #handOutSoon(): void {
    if (this.#handsOut) return;
    this.#handsOut = true;
    queueMicrotask(() => {
      this.#handsOut = false;
      this.#handOut();
    });
  }

  #handOut(): void {
    const parcels = new Map<Worker, { readonly orders: JobOrder[]; readonly secrets: ArrayBuffer[] }>();
    for (;;) {
      const free = [...this.#hands].sort((a, b) => a.orders.size - b.orders.size)[0];
      if (free === undefined || free.orders.size >= UNDER_WAY) break;
      const order = this.#queue.shift();
      if (order === undefined) break;
      free.orders.set(order.id, order);
      const { work, secrets } = packJob(order.work);
      const parcel = parcels.get(free.worker) ?? { orders: [], secrets: [] };
      parcels.set(free.worker, parcel);
      parcel.orders.push({ id: order.id, work });
      parcel.secrets.push(...secrets.map(({ buffer }) => buffer));
    }
    for (const [worker, { orders, secrets }] of parcels) worker.postMessage(orders, secrets);
  }

  #bury(hand: Hand): void {
    if (!this.#hands.delete(hand)) return;
    this.#counts.deaths++;
    for (const order of hand.orders.values())
      this.#answer(order, failed("the worker that computed it ended; it is tried again with the next attempt"));
    if (this.#closed || this.#queue.length === 0) return;
    this.#hire();
    this.#handOutSoon();
  }

  #answer(order: Order, result: JobResult): void {
    if (this.#closed) return;
    if (result.kind === "failed") this.#counts.failed++;
    else this.#counts.done++;
    order.done(result);
  }
}
