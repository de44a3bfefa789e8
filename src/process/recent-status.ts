/** A gateway's status for as many as like to ask: one look serves all who come soon after it. */
import type { GatewayStatus } from "#core/operator";

/** Of so many parts of time at most one goes into looking. */
const SHARE = 20;
/** Milliseconds: small gateways too are not looked at for every request. */
const FRESH = 100;

export class RecentStatus {
  readonly #look: () => Promise<GatewayStatus>;
  readonly #now: () => number;
  #last: { readonly status: GatewayStatus; readonly until: number } | undefined;
  /** A look that is under way serves all who ask meanwhile. */
  #looking: Promise<GatewayStatus> | undefined;

  /** `now`: milliseconds. */
  constructor(look: () => Promise<GatewayStatus>, now: () => number) {
    this.#look = look;
    this.#now = now;
  }

  async status(): Promise<GatewayStatus> {
    if (this.#last !== undefined && this.#now() < this.#last.until) return this.#last.status;
    return this.#looking ?? this.#begin();
  }

  /** Something was done that whoever did it wants to see. */
  forget(): void {
    this.#last = undefined;
    this.#looking = undefined;
  }

  #begin(): Promise<GatewayStatus> {
    const began = this.#now();
    const looking: Promise<GatewayStatus> = this.#look().then(
      (status) => {
        const ended = this.#now();
        // One that began before it was forgotten is not kept.
        if (this.#looking === looking) this.#last = { status, until: ended + Math.max(FRESH, SHARE * (ended - began)) };
        this.#over(looking);
        return status;
      },
      (error: unknown) => {
        this.#over(looking);
        throw error;
      },
    );
    this.#looking = looking;
    return looking;
  }

  #over(looking: Promise<GatewayStatus>): void {
    if (this.#looking === looking) this.#looking = undefined;
  }
}
