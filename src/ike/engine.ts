/**
 * The IKE engine: one sans-IO machine for all IKE SAs of a gateway, of both versions. Datagrams, jobs' results, time and
 * operators' wishes come in by `handle`; what is to be done leaves as effects in the order in which it has to be carried out.
 *
 *   datagram ─ major version ─┬─ 1 ─► v1/engine.ts (RFC 2408, 2409)
 *                             └─ else ► v2/engine.ts (RFC 7296)
 */
import type { Connection } from "#core/connection";
import type { IkeSnapshot } from "#core/ike-state";
import type { Millis } from "#core/units";
import { VERSION } from "#wire/ike/header";
import { earliest } from "./agenda.ts";
import { Counters } from "./counters.ts";
import type { IkeEffect, IkeInput, IkeWorld } from "./effects.ts";
import type { FrozenIke } from "./frozen.ts";
import { Ikev1Engine } from "./v1/engine.ts";
import type { FrozenIkev1 } from "./v1/frozen.ts";
import { Ikev2Engine, type Ikev2Options } from "./v2/engine.ts";
import type { FrozenIkev2 } from "./v2/frozen.ts";
import { Numbers, type VersionEngine } from "./version-engine.ts";

export type IkeEngineOptions = Ikev2Options;

export class IkeEngine {
  readonly #counters = new Counters();
  readonly #numbers = new Numbers();
  readonly #v1: VersionEngine<FrozenIkev1>;
  readonly #v2: VersionEngine<FrozenIkev2>;
  #connections: readonly Connection[] = [];

  constructor(world: IkeWorld, options: IkeEngineOptions = {}) {
    this.#v1 = new Ikev1Engine(world, this.#counters, this.#numbers, options);
    this.#v2 = new Ikev2Engine(world, this.#counters, this.#numbers, options);
  }

  handle(input: IkeInput, now: Millis): IkeEffect[] {
    switch (input.kind) {
      case "configure":
        this.#connections = input.config.connections;
        return this.#both(input, now);
      case "datagram":
        this.#counters.count("datagrams_in");
        return (majorVersion(input.octets) === 1 ? this.#v1 : this.#v2).handle(input, now);
      case "timeout":
        return this.#timeout(now);
      case "computed":
        return (this.#v1.isWaitingFor(input.job) ? this.#v1 : this.#v2).handle(input, now);
      case "initiate": {
        const connection = this.#connections.find(({ name }) => name === input.connection);
        return (connection?.version === 1 ? this.#v1 : this.#v2).handle(input, now);
      }
      default:
        return this.#both(input, now);
    }
  }

  #both(input: IkeInput, now: Millis): IkeEffect[] {
    return [...this.#v2.handle(input, now), ...this.#v1.handle(input, now)];
  }

  #timeout(now: Millis): IkeEffect[] {
    const due = [this.#v2, this.#v1].filter(({ nextTimeout }) => nextTimeout !== undefined && nextTimeout <= now);
    return due.flatMap((one) => one.handle({ kind: "timeout" }, now));
  }

  get nextTimeout(): Millis | undefined {
    return earliest([this.#v2.nextTimeout, this.#v1.nextTimeout]);
  }

  snapshot(): IkeSnapshot {
    const sas = [...this.#v2.sas(), ...this.#v1.sas()];
    return { sas, halfOpen: this.#v2.halfOpen + this.#v1.halfOpen, counters: this.#counters.snapshot() };
  }

  /** IKE SAs being set up: a freeze leaves them out, and a thaw begins ours again. */
  get settingUp(): number {
    return this.#v2.settingUp + this.#v1.settingUp;
  }

  /** Established IKE SAs that have something under way which a freeze cannot carry: `hold`, and wait until there is none. */
  get unsettled(): number {
    return this.#v2.unsettled + this.#v1.unsettled;
  }

  /** Changes nothing: this engine goes on after `release`, or the one that thaws it, never both. Keys in it: `wipeFrozen`. */
  freeze(): FrozenIke {
    return {
      numbers: this.#numbers.freeze(),
      counters: this.#counters.snapshot(),
      leftOut: this.settingUp,
      v1: this.#v1.freeze(),
      v2: this.#v2.freeze(),
    };
  }

  /**
   * On a new engine that was configured as the frozen one; the data plane has its SAs back by then, since SPIs that were drawn in
   * vain are given back to it. It is not held; the next `handle` (a `timeout` is due) begins what waited.
   */
  thaw(frozen: FrozenIke, now: Millis): void {
    this.#numbers.thaw(frozen.numbers);
    this.#counters.thaw(frozen.counters);
    this.#v1.thaw(frozen.v1, now);
    this.#v2.thaw(frozen.v2, now);
  }
}

/** 0 for what is no message. */
function majorVersion(octets: Uint8Array): number {
  return (octets[VERSION] ?? 0) >>> 4;
}
