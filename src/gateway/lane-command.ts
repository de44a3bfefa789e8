/** What control asks of a lane: plain data that crosses threads by message; keys lie in shared memory and are wiped. */
import type { Family } from "#core/address";
import type { SaInstall, SaMove } from "#ipsec/sa";
import type { PolicySnapshot } from "./lane-policies.ts";

/** A key on its way to a lane's cipher. The octets are over a SharedArrayBuffer: nobody else ever copies them. */
export interface LaneKey {
  readonly slot: number;
  readonly encryption: number;
  readonly integrity: number;
  readonly encryptionKey: Uint8Array;
  readonly integrityKey: Uint8Array;
  readonly esn: boolean;
  readonly direction: "seal" | "open";
}

export type LaneCommand =
  | { readonly kind: "policies"; readonly id: number; readonly snapshot: PolicySnapshot }
  /** All rows of one child: they become usable together. */
  | {
      readonly kind: "install";
      readonly id: number;
      readonly installs: readonly SaInstall[];
      readonly keys: readonly LaneKey[];
    }
  /** From now on packets of this policy leave by this SA. */
  | { readonly kind: "use"; readonly id: number; readonly policy: number; readonly slot: number }
  /**
   * Outbound SA `successor` waits behind `slot` and takes over, within the batch, when that one ends; chains are spares.
   * -1 = none waits any more.
   */
  | { readonly kind: "succeed"; readonly id: number; readonly slot: number; readonly successor: number }
  /** Nothing leaves by this SA any more: its successor takes over, or packets of its policies wait. */
  | { readonly kind: "retire"; readonly id: number; readonly slot: number }
  /** The peer of a live pair is at another place, or is reached in another way; keys and numbers stay. */
  | { readonly kind: "move"; readonly id: number; readonly moves: readonly SaMove[] }
  | { readonly kind: "remove"; readonly id: number; readonly slots: readonly number[] }
  | {
      readonly kind: "path-mtu";
      readonly id: number;
      readonly slot: number;
      readonly mtu: number;
      readonly pathMtu: number;
    }
  /** An ICMP error about this outbound SA that came to another lane. */
  | {
      readonly kind: "path-error";
      readonly id: number;
      readonly slot: number;
      readonly family: Family;
      readonly mtu: number;
      /** Address words. */
      readonly destination: readonly number[];
    }
  /** One dummy packet (RFC 4303 §2.6) of so many octets of payload. */
  | { readonly kind: "dummy"; readonly id: number; readonly slot: number; readonly octets: number }
  /** To a lane that has no SA yet: rows, windows and selectors are filled; packets of policy i go by slot `outbound[i]`. */
  | {
      readonly kind: "adopt";
      readonly id: number;
      readonly slots: readonly number[];
      readonly keys: readonly LaneKey[];
      readonly outbound: readonly number[];
    }
  | { readonly kind: "stop"; readonly id: number };
