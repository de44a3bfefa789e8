/** A gateway's status for as many as like to ask: one look serves all who come soon after it. */
import type { GatewayStatus } from "#core/operator";

/** Of so many parts of time at most one goes into looking. */
const SHARE = 20;
/** Milliseconds: small gateways too are not looked at for every request. */
const FRESH = 100;

export class RecentStatus {
  readonly #look: () => GatewayStatus;
  readonly #now: () => number;
  #last: { readonly status: GatewayStatus; readonly until: number } | undefined;

  /** `now`: milliseconds. */
  constructor(look: () => GatewayStatus, now: () => number) {
    this.#look = look;
    this.#now = now;
  }

  status(): GatewayStatus {
    const began = this.#now();
    if (this.#last !== undefined && began < this.#last.until) return this.#last.status;
    const status = this.#look();
    const ended = this.#now();
    this.#last = { status, until: ended + Math.max(FRESH, SHARE * (ended - began)) };
    return status;
  }

  /** Something was done that whoever did it wants to see. */
  forget(): void {
    this.#last = undefined;
  }
}
