/** Pairs of SAs by IKE's number and by the data plane's, and what may be sent only when the lane has them. */
import type { NegotiatedChild } from "#ike/effects";
import type { ControlEffect } from "./control-doors.ts";
import type { InstalledChild } from "./data-plane.ts";
import type { Tunnel } from "./tunnels.ts";

/** A pair as both sides name it. */
export interface Installed {
  readonly id: number;
  /** The data plane's number. */
  readonly plane: number;
  readonly sas: Pick<InstalledChild, "inboundSpi" | "outboundSpi">;
  readonly tunnel: Tunnel;
  readonly facts: Pick<NegotiatedChild, "local" | "remote" | "localSelectors" | "remoteSelectors">;
  /** The program that is told of it. */
  readonly updown: string | undefined;
}

export class InstalledPairs {
  readonly #pairs = new Map<number, Installed>();
  readonly #idOfPlane = new Map<number, number>();
  /** Messages that tell a peer of SAs which the lane has not confirmed yet, by the command that installs them. */
  readonly #behind = new Map<number, ControlEffect[]>();
  #installing: number | undefined;

  /** Messages that wait are none of it: it is frozen when there are none (`isSettled`). */
  freeze(): readonly Installed[] {
    return [...this.#pairs.values()];
  }

  thaw(state: readonly Installed[]): void {
    for (const pair of state) {
      this.#pairs.set(pair.id, pair);
      this.#idOfPlane.set(pair.plane, pair.id);
    }
  }

  /** Every lane has what was installed there, and peers know of it. */
  get isSettled(): boolean {
    return this.#behind.size === 0;
  }

  get(id: number | undefined): Installed | undefined {
    return id === undefined ? undefined : this.#pairs.get(id);
  }

  get all(): Iterable<Installed> {
    return this.#pairs.values();
  }

  has(id: number): boolean {
    return this.#pairs.has(id);
  }

  idOfPlane(plane: number | undefined): number | undefined {
    return plane === undefined ? undefined : this.#idOfPlane.get(plane);
  }

  /** `command` installs it in a lane: what IKE sends after this, in the same breath, waits for the answer. */
  add(pair: Installed, command: number): void {
    this.#pairs.set(pair.id, pair);
    this.#idOfPlane.set(pair.plane, pair.id);
    this.#installing = command;
    this.#behind.set(command, []);
  }

  remove({ id, plane }: Installed): void {
    this.#pairs.delete(id);
    this.#idOfPlane.delete(plane);
  }

  /** One answer of the engine: installations of others do not hold back what it sends. */
  breath(carryOut: () => void): void {
    const outer = this.#installing;
    this.#installing = undefined;
    carryOut();
    this.#installing = outer;
  }

  /** The peer may use a new pair as soon as it hears of it: then the lane has its inbound SA. False: send it now. */
  holdsBack(effect: ControlEffect): boolean {
    const behind = this.#installing === undefined ? undefined : this.#behind.get(this.#installing);
    behind?.push(effect);
    return behind !== undefined;
  }

  /** The lane has answered: what waited for it may go. */
  done(command: number): readonly ControlEffect[] {
    const waiting = this.#behind.get(command) ?? [];
    this.#behind.delete(command);
    return waiting;
  }
}
