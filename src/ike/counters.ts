import { AUTHENTICATION_COUNTERS, type AuthenticationCounter } from "./authentications.ts";

const NAMES = [
  // What came and went.
  "datagrams_in",
  "datagrams_out",
  "requests_answered",
  "requests_repeated",
  "retransmissions",
  "jobs_started",
  "jobs_failed",
  "jobs_late",
  // Dropped before anything was decoded.
  "drop_malformed_header",
  "drop_major_version",
  "drop_unknown_exchange",
  "drop_unknown_spi",
  "drop_wrong_direction",
  "drop_half_open_limit",
  // Made room for another; not a datagram that was dropped.
  "half_open_displaced",
  "drop_budget",
  "drop_zero_spi",
  "drop_not_configured",
  "drop_aggressive",
  // Dropped by the window or by the seal.
  "drop_message_id",
  "drop_not_verified",
  "drop_fragment",
  "drop_malformed",
  "drop_unprotected",
  "drop_request_pending",
  // A message that the state does not expect.
  "drop_state",
  // Answers to strangers.
  "cookies_sent",
  "answer_invalid_major_version",
  "answer_invalid_ike_spi",
  "answer_unsupported_payload",
  "answer_invalid_cookie",
  "answer_no_proposal",
  // Their failures that no report tells of: too many.
  "refusals_untold",
  // Life of SAs.
  "ike_established",
  "ike_failed",
  "ike_rekeyed",
  "ike_deleted",
  "ike_peer_dead",
  "ike_collisions",
  "child_established",
  "child_refused",
  "child_rekeyed",
  "child_deleted",
  "child_collisions",
  "temporary_failures",
  "authentication_failed",
  "dpd_sent",
  "peer_moved",
  "initiate_repeated",
  "queue_full",
  "child_limit",
  "refresh_refused",
  "lifetime_ignored",
  "export_downgrades",
] as const;

export type Counter = (typeof NAMES)[number] | AuthenticationCounter;

/** The closed set of things IKE counts: every datagram that was dropped has exactly one of these names. */
export const COUNTERS: readonly Counter[] = [...NAMES, ...AUTHENTICATION_COUNTERS];

export class Counters {
  readonly #counts = new Map<Counter, number>(COUNTERS.map((name) => [name, 0]));

  count(name: Counter, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  get(name: Counter): number {
    return this.#counts.get(name) ?? 0;
  }

  snapshot(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** Goes on from another's `snapshot`; names that are counted no more are left out. */
  thaw(counted: Readonly<Record<string, number>>): void {
    for (const name of COUNTERS) this.count(name, counted[name] ?? 0);
  }
}
