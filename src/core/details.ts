/**
 * What runs, SA by SA: finer than a status, for who shows single SAs (vici). Plain data without secrets; times are points of
 * the clock that `now` is of.
 */
import type { IkeSaSnapshot } from "./ike-state.ts";
import type { TrafficSelector } from "./selector.ts";
import type { Millis } from "./units.ts";

/** What one direction of a pair has carried of inner packets. */
export interface DirectionDetails {
  readonly octets: number;
  readonly packets: number;
  /** undefined: nothing yet. */
  readonly lastUsed: Millis | undefined;
}

/** A pair of SAs in the data plane. */
export interface PairDetails {
  /** IKE's number, as in `ChildSnapshot`. */
  readonly id: number;
  readonly connection: string;
  readonly child: string;
  /** Name of the policy that it serves. */
  readonly policy: string;
  /** current carries our packets, spare waits to, draining only receives what is still under way. */
  readonly role: "current" | "spare" | "draining";
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
  readonly inbound: DirectionDetails;
  readonly outbound: DirectionDetails;
  readonly installedAt: Millis;
  /** undefined: no limit in time. */
  readonly rekeyAt: Millis | undefined;
  readonly expiresAt: Millis | undefined;
}

export interface GatewayDetails {
  readonly now: Millis;
  readonly sas: readonly IkeSaSnapshot[];
  readonly pairs: readonly PairDetails[];
  /** IKE SAs whose peer has proven nothing yet. */
  readonly halfOpen: number;
  /** `connection/child` of those that a packet may start. */
  readonly trapped: readonly string[];
}
