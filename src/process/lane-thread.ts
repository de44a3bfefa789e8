/** Control's end of a lane: the Worker, its commands, its events, its end. */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { assert } from "#core/errors";
import { EVENT_COLUMNS, EventRing } from "#core/event-ring";
import { allocateLaneMemory, type LaneMemory } from "#core/lane-memory";
import type { CryptoChoice } from "#core/policy";
import type { LaneLink } from "#gateway/data-plane";
import type { LaneCommand } from "#gateway/lane-command";
import { allocateDropCounters } from "#gateway/lane-context";
import type { PolicySnapshot } from "#gateway/lane-policies";
import { allocateTelemetry } from "#gateway/lane-telemetry";
import type { Descriptor } from "#io/native";
import { threadSeconds } from "#io/thread-time";
import type { SaTable } from "#ipsec/sa";
import { type BirthSocket, Gate, type LaneBirth, type LaneMessage, type LaneQuestion } from "./lane-birth.ts";

const EVENTS = 1024;
/** A lane that does not stop by then is stuck in a call that never ends. */
const STOP_LIMIT = 3000;

/** What a lane says when it is ready. */
export type LaneReady = Extract<LaneMessage, { kind: "ready" }>;

export interface LaneThreadOptions {
  readonly lane: number;
  readonly table: SaTable;
  readonly policies: PolicySnapshot;
  readonly sockets: readonly BirthSocket[];
  readonly tunFd: number;
  readonly wake: Descriptor;
  readonly inboxes: LaneBirth["inboxes"];
  readonly wakeFds: LaneBirth["wakeFds"];
  readonly crypto: CryptoChoice;
  readonly offloads: LaneBirth["offloads"];
}

export interface LaneListener {
  /** One record of the event ring (core/event-ring.ts); valid during the call. */
  event(lane: number, record: Int32Array): void;
  ike(lane: number, bytes: Uint8Array, train: Int32Array): void;
  /** The lane ended without being asked to. */
  died(lane: number, why: string): void;
}

/** One thread of a lane. */
interface Life {
  readonly worker: Worker;
  readonly commands: MessagePort;
  readonly ready: Promise<LaneReady>;
  readonly ended: Promise<void>;
  threadId: number | undefined;
  lastWords: readonly number[];
}

export class LaneThread implements LaneLink {
  readonly sockets: readonly BirthSocket[];
  readonly memory: LaneMemory;
  readonly drops: Float64Array;
  readonly telemetry: Float64Array;
  /** Suite → what serves it. */
  readonly implementations: Map<string, string> = new Map();
  /** Seconds on a processor of threads that were this lane before. */
  secondsBefore = 0;
  readonly #options: LaneThreadOptions;
  readonly #lane: number;
  readonly #wake: Descriptor;
  readonly #events: EventRing;
  readonly #told: Int32Array;
  readonly #ikeWaiting: Int32Array;
  readonly #gate: Int32Array;
  readonly #listener: LaneListener;
  readonly #record: Int32Array = new Int32Array(EVENT_COLUMNS);
  #life: Life;
  #stopping = false;
  /** Those who wait for the lane's next turn: one question is under way for all of them. */
  #turn: { readonly done: Promise<void>; readonly resolve: () => void } | undefined;

  /** `open`: false = it waits for `open` before it touches a packet. */
  constructor(options: LaneThreadOptions, listener: LaneListener, open = true) {
    this.#options = options;
    this.#lane = options.lane;
    this.#listener = listener;
    this.#wake = options.wake;
    this.sockets = options.sockets;
    this.memory = allocateLaneMemory(options.table.capacity);
    this.drops = allocateDropCounters();
    this.telemetry = allocateTelemetry();
    this.#events = EventRing.allocate(EVENTS);
    this.#told = sharedWords(1);
    this.#ikeWaiting = sharedWords(1);
    this.#gate = sharedWords(2);
    this.#gate[Gate.OPEN] = open ? 1 : 0;
    this.#life = this.#begin();
  }

  get ready(): Promise<LaneReady> {
    return this.#life.ready;
  }

  /** Linux' number of the thread; undefined until it is ready. */
  get threadId(): number | undefined {
    return this.#life.threadId;
  }

  get endpoints(): Int32Array {
    return this.memory.endpoints;
  }

  #begin(): Life {
    const { table, policies, sockets, tunFd, wake, inboxes, wakeFds, crypto, offloads } = this.#options;
    const { port1, port2 } = new MessageChannel();
    port1.unref();
    const birth: LaneBirth = {
      lane: this.#lane,
      memory: this.memory,
      sas: table.buffers,
      events: this.#events.buffer,
      told: shared(this.#told),
      ikeWaiting: shared(this.#ikeWaiting),
      drops: this.drops,
      telemetry: this.telemetry,
      policies,
      sockets,
      tunFd,
      wakeFd: wake.fd,
      inboxes,
      wakeFds,
      commands: port2,
      gate: shared(this.#gate),
      crypto,
      offloads,
    };
    const worker = new Worker(new URL(import.meta.resolve("#src/lane")), { workerData: birth, transferList: [port2] });
    const life: Life = {
      worker,
      commands: port1,
      threadId: undefined,
      lastWords: [],
      ready: new Promise((resolve, reject) => {
        worker.on("message", (message: LaneMessage) => {
          if (message.kind === "ready") {
            life.threadId = message.thread;
            resolve(message);
          } else if (message.kind === "turned") this.#turned();
          else if (message.kind === "serves") this.implementations.set(message.suite, message.impl);
          else if (message.kind === "rests") life.lastWords = message.outbound;
          else this.#take(message);
        });
        worker.once("error", reject);
        worker.once("exit", (code) => reject(new Error(`lane ${this.#lane} ended at once with code ${code}`)));
      }),
      ended: new Promise((resolve) => {
        let why = "";
        worker.once("error", (error) => {
          why = reasonOf(error);
        });
        worker.once("exit", (code) => {
          resolve();
          if (!this.#stopping) this.#listener.died(this.#lane, why === "" ? `exit code ${code}` : why);
        });
      }),
    };
    // Whoever starts lanes awaits \`ready\`; later deaths are told by \`died\`.
    life.ready.catch(() => undefined);
    return life;
  }

  send(command: LaneCommand): void {
    this.#post(command);
  }

  /** Resolves when the lane has come to its commands once more; never when it does not. */
  turn(): Promise<void> {
    if (this.#turn !== undefined) return this.#turn.done;
    let resolve: () => void = () => undefined;
    const done = new Promise<void>((settle) => {
      resolve = settle;
    });
    this.#turn = { done, resolve };
    this.#post({ kind: "turn" });
    return done;
  }

  #turned(): void {
    this.#turn?.resolve();
    this.#turn = undefined;
  }

  #post(message: LaneCommand | LaneQuestion): void {
    this.#life.commands.postMessage(message);
    Atomics.add(this.#gate, Gate.BELL, 1);
    Atomics.notify(this.#gate, Gate.BELL);
    this.#wake.signal();
  }

  /** Packets from now on. */
  open(): void {
    Atomics.store(this.#gate, Gate.OPEN, 1);
    Atomics.add(this.#gate, Gate.BELL, 1);
    Atomics.notify(this.#gate, Gate.BELL);
  }

  /** Resolves when the Worker has ended; its descriptors may be closed then. */
  async stop(): Promise<void> {
    const { worker, commands, ended } = this.#life;
    this.#stopping = true;
    this.send({ kind: "stop", id: 0 });
    const limit = setTimeout(() => void worker.terminate(), STOP_LIMIT);
    await ended;
    clearTimeout(limit);
    commands.close();
  }

  /** Stops, in such a way that another thread can go on: what it had to tell has been told. The slot each policy goes by. */
  async rest(): Promise<readonly number[]> {
    const { threadId } = this.#life;
    // Afterwards the thread has no account any more.
    this.secondsBefore += (threadId === undefined ? undefined : threadSeconds(threadId)) ?? 0;
    this.#life.threadId = undefined;
    await this.stop();
    // It came to its last command.
    this.#turned();
    this.#drain();
    return this.#life.lastWords;
  }

  /** After \`rest\`: another thread, with an empty cipher, which waits for \`open\`. */
  async rise(): Promise<void> {
    Atomics.store(this.#gate, Gate.OPEN, 0);
    Atomics.store(this.#told, 0, 0);
    Atomics.store(this.#ikeWaiting, 0, 0);
    this.#stopping = false;
    this.#life = this.#begin();
    await this.#life.ready;
  }

  /** The process ends now: the lane goes with it, and nobody waits for it. */
  abandon(): void {
    this.#stopping = true;
    this.send({ kind: "stop", id: 0 });
  }

  #take(message: Extract<LaneMessage, { kind: "ike" | "events" }>): void {
    if (message.kind === "ike") {
      Atomics.sub(this.#ikeWaiting, 0, 1);
      this.#listener.ike(this.#lane, message.bytes, message.train);
      return;
    }
    this.#drain();
    // There is room again for what the lane holds back, and it may be waiting for packets that do not come.
    if (this.#events.held) this.#wake.signal();
  }

  #drain(): void {
    // First the flag, then the ring: an event that comes between is told once more, never lost.
    Atomics.store(this.#told, 0, 0);
    while (this.#events.take(this.#record)) this.#listener.event(this.#lane, this.#record);
  }
}

function sharedWords(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * count));
}

function shared({ buffer }: Int32Array): SharedArrayBuffer {
  assert(buffer instanceof SharedArrayBuffer, "lanes and control share memory");
  return buffer;
}

/** What the system refused needs no stack; what is our own bug has nothing better. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "syscall" in error ? error.message : (error.stack ?? error.message);
}
