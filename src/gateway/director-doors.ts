/** The doors of the rekey director: what it is told, and what it wants done by the data plane and by IKE. */
import type { Trigger } from "#core/ike-state";
import type { RandomSource } from "#core/ports";
import type { Millis } from "#core/units";
import type { Outbound } from "#ike/effects";
import type { ChildUsage } from "./child-usage.ts";
import type { FamilyStatusesState } from "./family-status.ts";
import type { FamiliesState } from "./pair-families.ts";
import type { RekeyCountsState } from "./rekey-counts.ts";
import type { PairLimits } from "./rekey-timing.ts";

export interface DirectorWorld {
  readonly random: RandomSource;
  /** Counters of an installed pair. */
  usage(id: number): ChildUsage;
}

export interface DirectorState {
  readonly families: FamiliesState;
  readonly statuses: FamilyStatusesState;
  readonly counts: RekeyCountsState;
}

export type DirectorInput =
  /** `use`: its outbound is in use already. Else it waits behind the newest of its family, where there is one. */
  | {
      readonly kind: "installed";
      readonly id: number;
      readonly family: string;
      readonly replaces: number | undefined;
      readonly use: boolean;
      readonly initiator: boolean;
      /** `when-confirmed`: not before `proven` or `use`; `when-settled`: not before them or a short while. */
      readonly outbound: Outbound;
      readonly took: Millis;
      readonly limits: PairLimits;
      readonly trigger: Trigger;
      /** Silence after which IKE would ask; 0 = never. */
      readonly probeAfter: Millis;
    }
  /** IKE wants it used, or the peer uses it. */
  | { readonly kind: "use"; readonly id: number }
  /** The peer proved to have it: it said so, or a dummy packet came. */
  | { readonly kind: "proven"; readonly id: number }
  /** The lane went over to it by itself. */
  | { readonly kind: "switched"; readonly id: number }
  /** A lane told a limit of one direction of it. */
  | { readonly kind: "limit"; readonly id: number; readonly hard: boolean }
  /** IKE knows it no more. `drain`: inbound stays for what is under way. */
  | { readonly kind: "removed"; readonly id: number; readonly drain: boolean }
  | { readonly kind: "rekey"; readonly id: number; readonly trigger: Trigger }
  /** The rekey of this family that was asked for came to nothing. */
  | { readonly kind: "failed"; readonly family: string }
  | { readonly kind: "timeout" };

export type DirectorEffect =
  /** Of the data plane. */
  | { readonly kind: "use"; readonly id: number }
  | { readonly kind: "succeed"; readonly id: number; readonly successor: number | undefined }
  /** One dummy packet by it. */
  | { readonly kind: "prove"; readonly id: number }
  /** Nothing is sent by it any more: packets of its policy wait. */
  | { readonly kind: "retire"; readonly id: number }
  | { readonly kind: "discard"; readonly id: number }
  /** Of IKE. */
  | { readonly kind: "rekey"; readonly id: number; readonly trigger: Trigger }
  | { readonly kind: "delete"; readonly id: number; readonly reason: string }
  | { readonly kind: "heard"; readonly id: number }
  /** This was the last pair that could send. */
  | { readonly kind: "lost"; readonly family: string; readonly id: number };
