/**
 * Dead peer detection (RFC 3706): the peer is asked only when nothing came from it for a while (§5.5), an answer counts by its
 * sequence number (§7), and silence after all repeats is death.
 *
 *   silent for dpdDelay ──► R-U-THERE(n) ── R-U-THERE-ACK(n) ──► heard
 *                             └─ nothing: again, later each time ──► dead
 */
import type { Connection } from "#core/connection";
import { type Millis, millis } from "#core/units";

export type DpdStep =
  | { readonly kind: "nothing" }
  | { readonly kind: "ask"; readonly sequence: number }
  | { readonly kind: "dead" };

/** Between two questions that notifications in clear may bring about. */
const SUSPICION_INTERVAL = 10_000;
/** RFC 3706 §7: a random number whose top bit is 0, so that it does not run over. */
const FIRST_SEQUENCE = 0x7fff_ffff;

export interface FrozenDpd {
  readonly sequence: number | undefined;
  readonly asked: number;
  readonly at: Millis | undefined;
  readonly suspectedAt: Millis | undefined;
}

export class Dpd {
  #sequence: number | undefined = undefined;
  /** Questions without an answer since something was heard. */
  #asked = 0;
  #at: Millis | undefined = undefined;
  #suspectedAt: Millis | undefined = undefined;

  /** When to look again. */
  get at(): Millis | undefined {
    return this.#at;
  }

  isDue(now: Millis): boolean {
    return this.#at !== undefined && this.#at <= now;
  }

  /** Something verified came from the peer, or the ISAKMP SA stands: silence begins anew. */
  heard(dpdDelay: Millis, now: Millis): void {
    this.#asked = 0;
    this.#at = dpdDelay > 0 ? millis(now + dpdDelay) : undefined;
  }

  stop(): void {
    this.#asked = 0;
    this.#at = undefined;
  }

  /** Asks at the next look, whatever was heard: a hint that the peer may have gone. Whoever forges many makes us ask no more. */
  suspect(now: Millis): void {
    if (this.#asked > 0 || (this.#suspectedAt !== undefined && now < this.#suspectedAt + SUSPICION_INTERVAL)) return;
    this.#suspectedAt = now;
    this.#at = now;
  }

  /** `draw`: 32 random bits for the first number. Harmless when called too early. */
  look(now: Millis, { tries, first, longest }: Connection["retransmission"], draw: () => number): DpdStep {
    if (this.#at === undefined || this.#at > now) return { kind: "nothing" };
    if (this.#asked > tries) {
      this.stop();
      return { kind: "dead" };
    }
    // A repeat has the number of what it repeats.
    if (this.#sequence === undefined) this.#sequence = draw() & FIRST_SEQUENCE;
    else if (this.#asked === 0) this.#sequence = (this.#sequence + 1) >>> 0;
    this.#at = millis(now + Math.min(longest, first * 2 ** this.#asked));
    this.#asked++;
    return { kind: "ask", sequence: this.#sequence };
  }

  freeze(): FrozenDpd {
    return { sequence: this.#sequence, asked: this.#asked, at: this.#at, suspectedAt: this.#suspectedAt };
  }

  static thaw({ sequence, asked, at, suspectedAt }: FrozenDpd): Dpd {
    const dpd = new Dpd();
    dpd.#sequence = sequence;
    dpd.#asked = asked;
    dpd.#at = at;
    dpd.#suspectedAt = suspectedAt;
    return dpd;
  }
}
