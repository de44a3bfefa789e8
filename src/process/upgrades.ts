/** The upgrades of a running gateway: at most one at a time, and after the one that comes off this process has none any more. */
import type { GatewayConfig } from "#core/policy";
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
  #settle: (successor: Successor) => void = () => undefined;
  /** Another process is the gateway. */
  readonly done: Promise<Successor>;

  constructor(parts: UpgradesParts) {
    this.#parts = parts;
    this.done = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  async upgrade(): Promise<{ readonly pid: number } | { readonly why: string }> {
    const { gateway, doors, version, takeOver, config, file, say, warn } = this.#parts;
    if (this.#running !== undefined) return { why: "an upgrade is under way" };
    if (gateway.ike !== undefined)
      return { why: "its SAs are negotiated, and IKE SAs are not handed over yet: stop it and start it again" };
    const handOver = new HandOver();
    this.#running = handOver;
    try {
      const outcome = await handOver.run({
        program: [...process.execArgv, ...process.argv.slice(1)],
        handover: gateway.handover,
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
    if (this.#running?.letGo === false) await this.#running.cancel();
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
