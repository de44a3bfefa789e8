/**
 * The doors of `IkeControl` (sans-IO): what the world gives it and what it wants done. Sockets, jobs, names and timers are
 * the world's; lanes it reaches through the `DataPlane`.
 */
import type { Endpoint } from "#core/address";
import type { IkeConfig } from "#core/connection";
import type { Job, JobResult } from "#core/ike-job";
import type { IkeReport, IkeSnapshot, Trigger } from "#core/ike-state";
import type { KeyWatch } from "#core/key-watch";
import type { Policy } from "#core/policy";
import type { RandomSource } from "#core/ports";
import type { TrafficSelector } from "#core/selector";
import type { Millis } from "#core/units";
import type { IkeEffect, IkeInput } from "#ike/effects";
import type { FrozenIke } from "#ike/frozen";
import type { ChildCounters } from "./child-usage.ts";
import type { InClear } from "./clear-fallback.ts";
import type { DataPlane } from "./data-plane.ts";

/** What is needed of `IkeEngine`. */
export interface IkePort {
  handle(input: IkeInput, now: Millis): IkeEffect[];
  readonly nextTimeout: Millis | undefined;
  snapshot(): IkeSnapshot;
  readonly settingUp: number;
  readonly unsettled: number;
  freeze(): FrozenIke;
  thaw(frozen: FrozenIke, now: Millis): void;
}

export interface ControlWorld {
  readonly engine: IkePort;
  /** Its `spis` are what the engine is born with. */
  readonly plane: DataPlane;
  readonly random: RandomSource;
  /** Octets that the way to this peer carries, as far as is known: of the interface or route. */
  pathMtu(remote: Endpoint): number;
  readonly keys?: KeyWatch | undefined;
}

/** Which SAs a command means. A child without connection: of all connections that have one of this name. */
export type ControlTarget =
  | { readonly kind: "child"; readonly child: string; readonly connection: string | undefined }
  | { readonly kind: "child-id"; readonly id: number }
  | { readonly kind: "ike"; readonly connection: string }
  | { readonly kind: "ike-id"; readonly id: number };

export type ControlInput =
  /**
   * `policies`: of the configuration itself (exceptions, manual keys); they stand in front of those of the children. Also
   * a reload: pairs of children that are still there stay.
   */
  | { readonly kind: "configure"; readonly ike: IkeConfig; readonly policies: readonly Policy[] }
  /** One IKE message, without non-ESP marker. */
  | { readonly kind: "datagram"; readonly octets: Uint8Array; readonly local: Endpoint; readonly remote: Endpoint }
  | { readonly kind: "computed"; readonly job: number; readonly result: JobResult }
  | { readonly kind: "addresses"; readonly local: readonly Endpoint[] }
  | { readonly kind: "unreachable"; readonly remote: Endpoint; readonly reason: "refused" | "unreachable" }
  /** The answer to `resolve`; empty = the name is not known (now). Ports are the connection's. */
  | { readonly kind: "resolved"; readonly name: string; readonly addresses: readonly Endpoint["address"][] }
  /**
   * One record of a lane's event ring, valid during the call. All kinds, DONE too; `DataPlane.done` and `pathError` are
   * the caller's, before this.
   */
  | { readonly kind: "event"; readonly lane: number; readonly record: Int32Array }
  | { readonly kind: "timeout" }
  /** Until `release` no exchange of ours begins: somebody wants to freeze it. */
  | { readonly kind: "hold" }
  | { readonly kind: "release" }
  /** Commands of an operator; each is answered by one `done` with its number. */
  | { readonly kind: "initiate"; readonly command: number; readonly target: ControlTarget }
  | { readonly kind: "terminate"; readonly command: number; readonly target: ControlTarget }
  /** Children that are down and configured to may fall back to clear again, whatever was known of their peers. */
  | { readonly kind: "allow-clear"; readonly command: number; readonly target: ControlTarget }
  /** Whether packets may start this child, whatever the configuration says. */
  | { readonly kind: "trap"; readonly command: number; readonly target: ControlTarget; readonly on: boolean }
  | {
      readonly kind: "rekey";
      readonly command: number;
      readonly target: ControlTarget;
      /** Of an IKE SA: with new authentication. */
      readonly reauthenticate: boolean;
    };

export type ControlOutcome =
  /** How many SAs it was about. */
  { readonly kind: "ok"; readonly count: number } | { readonly kind: "failed"; readonly why: string };

export type ControlEffect =
  | { readonly kind: "send"; readonly octets: Uint8Array; readonly local: Endpoint; readonly remote: Endpoint }
  | { readonly kind: "compute"; readonly job: number; readonly work: Job }
  | { readonly kind: "report"; readonly report: IkeReport }
  /** The data plane has these policies now, in this order: routes and guards against clear packets follow. */
  | { readonly kind: "policies"; readonly policies: readonly Policy[] }
  | { readonly kind: "resolve"; readonly name: string }
  /** A pair came or went; for programs that are told (`updown`). Takes-over of rekeys are not told. */
  | {
      readonly kind: "tunnel";
      readonly state: "up" | "down";
      readonly connection: string;
      readonly child: string;
      readonly updown: string | undefined;
      readonly local: Endpoint;
      readonly remote: Endpoint;
      readonly localSelectors: readonly TrafficSelector[];
      readonly remoteSelectors: readonly TrafficSelector[];
    }
  | { readonly kind: "done"; readonly command: number; readonly outcome: ControlOutcome };

/** A child as people see it: whichever pairs carry it at the moment. */
export interface TunnelSnapshot {
  readonly connection: string;
  readonly child: string;
  readonly policy: string;
  readonly state: "down" | "connecting" | "up" | "rekeying" | "ended" | "clear";
  /** It has fallen back: its packets are not protected. */
  readonly clear: InClear | undefined;
  /** Octets and packets of inner traffic since the tunnel was configured, across all rekeys. */
  readonly octetsIn: number;
  readonly octetsOut: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  /** Octets a second, both directions, as last measured. */
  readonly rate: number;
  /** IDs of the pair in use and of those that wait or drain. */
  readonly current: number | undefined;
  readonly spares: readonly number[];
  readonly draining: readonly number[];
  /** When the pair is replaced at the latest if nothing changes; undefined = no limit in time, or nothing there. */
  readonly nextRekey: Millis | undefined;
  readonly establishedAt: Millis | undefined;
  /** Of the pair in use. */
  readonly life: PairLife | undefined;
}

/** A tunnel with the counters of all its pairs, in the order in which they came. */
export interface ShownTunnel {
  readonly tunnel: TunnelSnapshot;
  readonly counters: readonly ChildCounters[];
}

/** How old a pair is and what it may still do. Limits: Infinity = none. Times are points of the clock. */
export interface PairLife {
  readonly installedAt: Millis;
  readonly rekeyAt: number;
  readonly expiresAt: number;
  /** Of the direction that is further. */
  readonly octets: number;
  readonly rekeyOctets: number;
  readonly lifeOctets: number;
  readonly packets: number;
  readonly rekeyPackets: number;
  readonly lifePackets: number;
}

export interface ControlSummary {
  readonly ike: IkeSnapshot;
  /** Rekeys of children, by what caused them and how they ended: "octets" → "done" → count. */
  readonly rekeys: Readonly<Partial<Record<Trigger, Readonly<Record<string, number>>>>>;
  /** How often children fell back to clear, and how many are in clear now. */
  readonly fallbacks: { readonly total: number; readonly now: number };
}
