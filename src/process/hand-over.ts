/**
 * The former process's half of an upgrade. Until `yours` it can go on at any time, and does when anything fails.
 *
 *     former                                  next (process/take-over.ts)
 *     starts it, with descriptors ──────────► addon, configuration, lanes that wait
 *                                 ◄────────── prepared
 *     lanes stop, state is written ─ frozen ►
 *                                 ◄─ thawed ─ lanes have their SAs
 *     lets go ───────────────────── yours ──► lanes go on
 *                                 ◄── taken ─
 */
import { type ChildProcess, spawn } from "node:child_process";
import { Socket } from "node:net";
import type { GatewayConfig } from "#core/policy";
import type { Descriptor } from "#io/native";
import type { IkeEventsState } from "#metrics/ike-events";
import type { Handover } from "#src/main";
import type { FileState } from "./file-configuration.ts";
import { type GatewayState, wipeState } from "./freezing.ts";
import { numbersOf, type OpenDescriptors, renumbered } from "./inherited.ts";
import { openMemoryFile, writeState } from "./memory-file.ts";
import { UpgradeChannel, type UpgradeMessage } from "./upgrade-channel.ts";

/** Of the state's form. Another number is refused; whoever changes what is in a state changes it. */
export const STATE_FORMAT = 2;
/** Says to the next process what it is; its first descriptors are these, then those of the offer. */
export const TAKE_OVER = "ESPLANADE_TAKE_OVER";
export const BORN_WITH = { CHANNEL: 3, OFFER: 4, STATE: 5, FIRST: 6 } as const;

/** Milliseconds. */
const START = 20_000;
const THAW = 10_000;

/** Listeners by what they are for, in a form that is the caller's. */
export interface Listening {
  readonly control: number | undefined;
  readonly vici: number | undefined;
  readonly http: readonly number[];
}

export interface Offer {
  readonly format: number;
  readonly version: string;
  readonly config: GatewayConfig;
  /** Where it came from; undefined: it is not read again. */
  readonly file: FileState | undefined;
  readonly mtu: number;
  readonly guarded: boolean;
  readonly descriptors: OpenDescriptors;
  readonly listening: Listening;
  /** Who waits for the last process of the line; undefined = nobody, or the former one itself. */
  readonly keeper: number | undefined;
  /** The former process stays, for those who started it, and goes when its end of the channel is the last. */
  readonly kept: boolean;
}

/** What the next process gets when this one stands still. */
export interface StandingState {
  readonly gateway: GatewayState;
  /** undefined: nobody counts, as nobody could ask. */
  readonly events: IkeEventsState | undefined;
}

export interface HandOverParts {
  /** What Node is started with: the program and its arguments. */
  readonly program: readonly string[];
  readonly handover: Handover;
  /** Another process is the gateway from now on. */
  leaves(): void;
  /** Asked when the gateway stands still. */
  events(): IkeEventsState | undefined;
  readonly config: GatewayConfig;
  /** The configuration is still the one above. */
  unchanged(): boolean;
  readonly file: FileState | undefined;
  readonly mtu: number;
  readonly version: string;
  readonly listening: Listening;
  readonly keeper: number | undefined;
  readonly kept: boolean;
}

export interface Successor {
  readonly pid: number;
  readonly channel: UpgradeChannel;
}

export class HandOver {
  #child: ChildProcess | undefined;
  #letGo = false;
  #frozen = false;

  /** Nothing brings this process's lanes back. */
  get letGo(): boolean {
    return this.#letGo;
  }

  /** The gateway is to end: whoever was to take it over goes too. Not after `letGo`. */
  async cancel(): Promise<void> {
    await kill(this.#child);
  }

  /** A text says why this process goes on. */
  async run(parts: HandOverParts): Promise<Successor | string> {
    const files: Descriptor[] = [];
    let channel: UpgradeChannel | undefined;
    try {
      const offer = openMemoryFile();
      files.push(offer);
      const state = openMemoryFile();
      files.push(state);
      channel = this.#start(parts, offer, state);
      await this.#freeze(parts, channel, state);
      this.#letGo = true;
      parts.leaves();
      await channel.send({ kind: "yours" });
      const pid = this.#child?.pid ?? 0;
      const last = await within(START, channel.next());
      if (last?.kind !== "taken") throw new Error(`the process ${pid} took over, and did not say that it is ready`);
      // It lives longer than this process.
      this.#child?.unref();
      return { pid, channel };
    } catch (error) {
      if (this.#letGo) throw error;
      channel?.close();
      await kill(this.#child);
      if (this.#frozen) await parts.handover.resume();
      return error instanceof Error ? error.message : String(error);
    } finally {
      for (const file of files) file.close();
    }
  }

  #start(parts: HandOverParts, offer: Descriptor, state: Descriptor): UpgradeChannel {
    const { config, file, mtu, version, listening, handover, keeper, kept } = parts;
    const { descriptors, guarded } = handover;
    const own = numbersOf(descriptors);
    const listeners = [listening.control, listening.vici, ...listening.http, keeper].filter((fd) => fd !== undefined);
    let next = BORN_WITH.FIRST + own.length;
    const number = (fd: number | undefined) => (fd === undefined ? undefined : next++);
    writeState(offer, {
      format: STATE_FORMAT,
      version,
      config,
      file,
      mtu,
      guarded,
      descriptors: renumbered(descriptors, BORN_WITH.FIRST),
      listening: {
        control: number(listening.control),
        vici: number(listening.vici),
        http: listening.http.map(() => next++),
      },
      keeper: number(keeper),
      kept,
    } satisfies Offer);
    const child = spawn(process.execPath, [...parts.program], {
      stdio: ["inherit", "inherit", "inherit", "pipe", offer.fd, state.fd, ...own, ...listeners],
      // The watchdog is whosesoever turn it is (sd_watchdog_enabled(3)).
      env: { ...process.env, WATCHDOG_PID: undefined, [TAKE_OVER]: "1" },
    });
    this.#child = child;
    child.on("error", () => undefined);
    const socket = child.stdio[BORN_WITH.CHANNEL];
    if (!(socket instanceof Socket)) throw new Error("the next process could not be started");
    return new UpgradeChannel(socket);
  }

  async #freeze(parts: HandOverParts, channel: UpgradeChannel, state: Descriptor): Promise<void> {
    const { handover, events } = parts;
    await expect(channel, "prepared", START);
    refuseChange(parts);
    this.#frozen = true;
    const gateway = await handover.freeze();
    try {
      writeState(state, { gateway, events: events() } satisfies StandingState);
    } finally {
      wipeState(gateway);
    }
    await channel.send({ kind: "frozen" });
    await expect(channel, "thawed", THAW);
    refuseChange(parts);
  }
}

/** The next process goes on with what it was started with. */
function refuseChange({ unchanged }: HandOverParts): void {
  if (!unchanged()) throw new Error("the configuration was changed meanwhile; try again");
}

async function expect(channel: UpgradeChannel, kind: UpgradeMessage["kind"], limit: number): Promise<void> {
  const message = await within(limit, channel.next());
  if (message?.kind === kind) return;
  if (message?.kind === "refused") throw new Error(message.why);
  throw new Error("the next process ended before it took over; it has said why");
}

async function within<Result>(limit: number, wanted: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the next process took more than ${limit / 1000} s`)), limit);
  });
  try {
    return await Promise.race([wanted, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when it has ended. */
async function kill(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => void child.once("exit", () => resolve()));
  child.kill("SIGKILL");
  await ended;
}
