/** IKEv1's machine (RFC 2408, 2409), sans-IO, for all ISAKMP SAs of a gateway and the pairs that quick mode makes. */
import type { IkeSaSnapshot } from "#core/ike-state";
import type { Millis } from "#core/units";
import type { Counters } from "#ike/counters";
import type { IkeEffect, IkeInput, IkeWorld } from "#ike/effects";
import type { Numbers, VersionEngine } from "#ike/version-engine";

export class Ikev1Engine implements VersionEngine {
  readonly #counters: Counters;

  constructor(_world: IkeWorld, counters: Counters, _numbers: Numbers) {
    this.#counters = counters;
  }

  handle(input: IkeInput, _now: Millis): IkeEffect[] {
    if (input.kind === "datagram") this.#counters.count("drop_ikev1");
    return [];
  }

  get nextTimeout(): Millis | undefined {
    return undefined;
  }

  isWaitingFor(_job: number): boolean {
    return false;
  }

  get halfOpen(): number {
    return 0;
  }

  sas(): readonly IkeSaSnapshot[] {
    return [];
  }
}
