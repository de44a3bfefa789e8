/** The upgrades of a running gateway: at most one at a time, and after the one that comes off this process has none any more. */
import type { GatewayConfig } from "#core/policy";
import type { IkeEventsState } from "#metrics/ike-events";
import type { Gateway } from "#src/main";
import type { Doors } from "./doors.ts";
import type { FileState } from "./file-configuration.ts";
import { HandOver, type Successor } from "./hand-over.ts";
import { isWaitedFor, keep } from "./keeper.ts";
import type { TakeOver } from "./take-over.ts";

export interface UpgradesParts {
  readonly gateway: Gateway;
  readonly doors: Doors;
  readonly version: string;
  /** By which this process became the gateway; undefined: it is the first. */
  readonly takeOver: TakeOver | undefined;
  /** What runs, with secrets. */
  config(): GatewayConfig;
  /** What was counted as it happened. */
  events(): IkeEventsState | undefined;
  file(): FileState | undefined;
  /** Who watches over this process is told of the one that it is to watch. */
  handedTo(pid: number): void;
  say(text: string): void;
  warn(text: string): void;
}

export class Upgrades {
  readonly #parts: UpgradesParts;
  #running: HandOver | undefined;
  #successor: Successor | undefined;
  /** When the running one is over. */
  #ended: Promise<unknown> = Promise.resolve();
  #settle: (successor: Successor) => void = () => undefined;
  /** Another process is the gateway. */
  readonly done: Promise<Successor>;

  constructor(parts: UpgradesParts) {
    this.#parts = parts;
    this.done = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  upgrade(): Promise<{ readonly pid: number } | { readonly why: string }> {
    if (this.#running !== undefined) return Promise.resolve({ why: "an upgrade is under way" });
    const ended = this.#upgrade();
    this.#ended = ended.catch(() => undefined);
    return ended;
  }

  async #upgrade(): Promise<{ readonly pid: number } | { readonly why: string }> {
    const { gateway, doors, version, takeOver, config, file, events, say, warn } = this.#parts;
    const handOver = new HandOver();
    this.#running = handOver;
    try {
      const outcome = await handOver.run({
        program: [...process.execArgv, ...process.argv.slice(1)],
        handover: gateway.handover,
        events,
        leaves: () => {
          doors.shut();
          gateway.exchange?.shut();
        },
        mtu: gateway.mtu,
        version,
        config: config(),
        unchanged: (
          (before) => () =>
            config() === before
        )(config()),
        file: file(),
        listening: doors.listening,
        keeper: takeOver?.keeper?.fd,
        kept: takeOver?.keeper === undefined && isWaitedFor(),
      });
      if (typeof outcome === "string") {
        warn(`no upgrade, this process goes on: ${outcome}`);
        return { why: outcome };
      }
      say(`process ${outcome.pid} has taken over`);
      this.#successor = outcome;
      if (!isWaitedFor()) this.#parts.handedTo(outcome.pid);
      this.#settle(outcome);
      return { pid: outcome.pid };
    } finally {
      this.#running = undefined;
    }
  }

  /** The gateway is to end: a process that is about to take it over ends too, or ends it in our stead. */
  async cancel(): Promise<void> {
    if (this.#running?.letGo !== false) return;
    await this.#running.cancel();
    // Then this process goes on, as it must before it says goodbye; one whose lanes have ended does not.
    await Promise.race([this.#ended, this.#parts.gateway.ended]);
  }

  /** What is left to do for a process that is no gateway any more. */
  async leave(): Promise<void> {
    const { gateway, doors, takeOver } = this.#parts;
    const successor = this.#successor;
    await gateway.handover.letGo();
    await doors.release();
    takeOver?.keeper?.channel.close();
    if (successor === undefined) return;
    if (takeOver?.keeper === undefined && isWaitedFor()) await keep(successor.channel, successor.pid);
    successor.channel.close();
  }
}
