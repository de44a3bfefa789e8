/**
 * The join of IKE, data plane and rekey director: carries out what the engine wants, tells it what lanes saw, and keeps
 * the children of the configuration in the state that it asks for. Sans-IO; the world around it is main.ts.
 */
import type { Millis } from "#core/units";
import type { IkeEffect, IkeInput } from "#ike/effects";
import type { ControlEffect, ControlInput, ControlSnapshot, ControlWorld } from "./control-doors.ts";

export class IkeControl {
  readonly #world: ControlWorld;
  #effects: ControlEffect[] = [];

  constructor(world: ControlWorld) {
    this.#world = world;
  }

  /** When `timeout` is wanted; undefined = nothing waits. */
  get nextTimeout(): Millis | undefined {
    return this.#world.engine.nextTimeout;
  }

  handle(input: ControlInput, now: Millis): ControlEffect[] {
    switch (input.kind) {
      case "configure":
        this.#engine({ kind: "configure", config: input.ike }, now);
        break;
      case "datagram":
      case "computed":
      case "addresses":
      case "unreachable":
      case "timeout":
        this.#engine(input, now);
        break;
      default:
        break;
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  snapshot(): ControlSnapshot {
    return { ike: this.#world.engine.snapshot(), tunnels: [], rekeys: {} };
  }

  #engine(input: IkeInput, now: Millis): void {
    for (const effect of this.#world.engine.handle(input, now)) this.#carryOut(effect);
  }

  #carryOut(effect: IkeEffect): void {
    switch (effect.kind) {
      case "send":
      case "compute":
      case "report":
        this.#effects.push(effect);
        break;
      default:
        break;
    }
  }
}
