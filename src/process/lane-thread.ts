/** Control's end of a lane: the Worker, its commands, its events, its end. */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { EVENT_COLUMNS, EventRing } from "#core/event-ring";
import { allocateLaneMemory, type LaneMemory } from "#core/lane-memory";
import type { CryptoChoice } from "#core/policy";
import type { LaneLink } from "#gateway/data-plane";
import type { LaneCommand } from "#gateway/lane-command";
import { allocateDropCounters } from "#gateway/lane-context";
import type { PolicySnapshot } from "#gateway/lane-policies";
import { allocateTelemetry } from "#gateway/lane-telemetry";
import type { Descriptor } from "#io/native";
import type { SaTable } from "#ipsec/sa";
import type { BirthSocket, LaneBirth, LaneMessage, LaneQuestion } from "./lane-birth.ts";

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

export class LaneThread implements LaneLink {
  readonly sockets: readonly BirthSocket[];
  readonly memory: LaneMemory;
  readonly drops: Float64Array;
  readonly telemetry: Float64Array;
  readonly ready: Promise<LaneReady>;
  /** Linux' number of the thread; undefined until it is ready. */
  threadId: number | undefined;
  /** Suite → what serves it. */
  readonly implementations: Map<string, string> = new Map();
  readonly #lane: number;
  readonly #worker: Worker;
  readonly #commands: MessagePort;
  readonly #wake: Descriptor;
  readonly #events: EventRing;
  readonly #told: Int32Array;
  readonly #ikeWaiting: Int32Array;
  readonly #listener: LaneListener;
  readonly #record: Int32Array = new Int32Array(EVENT_COLUMNS);
  readonly #ended: Promise<void>;
  #stopping = false;
  /** Those who wait for the lane's next turn: one question is under way for all of them. */
  #turn: { readonly done: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(options: LaneThreadOptions, listener: LaneListener) {
    this.#lane = options.lane;
    this.#listener = listener;
    this.#wake = options.wake;
    this.sockets = options.sockets;
    this.memory = allocateLaneMemory(options.table.capacity);
    this.drops = allocateDropCounters();
    this.telemetry = allocateTelemetry();
    this.#events = EventRing.allocate(EVENTS);
    const told = new SharedArrayBuffer(4);
    const ikeWaiting = new SharedArrayBuffer(4);
    this.#told = new Int32Array(told);
    this.#ikeWaiting = new Int32Array(ikeWaiting);
    const { port1, port2 } = new MessageChannel();
    this.#commands = port1;
    this.#commands.unref();
    const birth: LaneBirth = {
      lane: options.lane,
      memory: this.memory,
      sas: options.table.buffers,
      events: this.#events.buffer,
      told,
      ikeWaiting,
      drops: this.drops,
      telemetry: this.telemetry,
      policies: options.policies,
      sockets: options.sockets,
      tunFd: options.tunFd,
      wakeFd: options.wake.fd,
      inboxes: options.inboxes,
      wakeFds: options.wakeFds,
      commands: port2,
      crypto: options.crypto,
      offloads: options.offloads,
    };
    this.#worker = new Worker(new URL(import.meta.resolve("#src/lane")), { workerData: birth, transferList: [port2] });
    this.ready = new Promise((resolve, reject) => {
      this.#worker.on("message", (message: LaneMessage) => {
        if (message.kind === "ready") {
          this.threadId = message.thread;
          resolve(message);
        } else if (message.kind === "turned") {
          this.#turn?.resolve();
          this.#turn = undefined;
        } else if (message.kind === "serves") this.implementations.set(message.suite, message.impl);
        else this.#take(message);
      });
      this.#worker.once("error", reject);
      this.#worker.once("exit", (code) => reject(new Error(`lane ${options.lane} ended at once with code ${code}`)));
    });
    // Whoever starts lanes awaits `ready`; later deaths are told by `died`.
    this.ready.catch(() => undefined);
    this.#ended = new Promise((resolve) => {
      let why = "";
      this.#worker.once("error", (error) => {
        why = reasonOf(error);
      });
      this.#worker.once("exit", (code) => {
        resolve();
        if (!this.#stopping) this.#listener.died(options.lane, why === "" ? `exit code ${code}` : why);
      });
    });
  }

  send(command: LaneCommand): void {
    this.#commands.postMessage(command);
    this.#wake.signal();
  }

  /** Resolves when the lane has come to its commands once more; never when it does not. */
  turn(): Promise<void> {
    if (this.#turn !== undefined) return this.#turn.done;
    let resolve: () => void = () => undefined;
    const done = new Promise<void>((settle) => {
      resolve = settle;
    });
    this.#turn = { done, resolve };
    const question: LaneQuestion = { kind: "turn" };
    this.#commands.postMessage(question);
    this.#wake.signal();
    return done;
  }

  /** Resolves when the Worker has ended; its descriptors may be closed then. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.send({ kind: "stop", id: 0 });
    const limit = setTimeout(() => void this.#worker.terminate(), STOP_LIMIT);
    await this.#ended;
    clearTimeout(limit);
    this.#commands.close();
  }

  /** The process ends now: the lane goes with it, and nobody waits for it. */
  abandon(): void {
    this.#stopping = true;
    this.send({ kind: "stop", id: 0 });
  }

  #take(message: LaneMessage): void {
    if (message.kind === "ike") {
      Atomics.sub(this.#ikeWaiting, 0, 1);
      this.#listener.ike(this.#lane, message.bytes, message.train);
      return;
    }
    // First the flag, then the ring: an event that comes between is told once more, never lost.
    Atomics.store(this.#told, 0, 0);
    while (this.#events.take(this.#record)) this.#listener.event(this.#lane, this.#record);
    // There is room again for what the lane holds back, and it may be waiting for packets that do not come.
    if (this.#events.held) this.#wake.signal();
  }
}

/** What the system refused needs no stack; what is our own bug has nothing better. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "syscall" in error ? error.message : (error.stack ?? error.message);
}
