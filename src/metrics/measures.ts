/** What is exported to Prometheus, as plain data: counters as they stand, times in seconds since 1970, 0 = there is none. */

export interface DirectionMeasures {
  readonly octets: number;
  readonly packets: number;
  /** All of them; the next three are part of it. */
  readonly drops: number;
  readonly icvFailures: number;
  readonly replays: number;
  readonly misfits: number;
}

/** One configured child, over all its pairs of SAs and all its peers. */
export interface ChildMeasures {
  readonly connection: string;
  readonly child: string;
  readonly up: boolean;
  /** It has fallen back to clear. */
  readonly clear: boolean;
  readonly inbound: DirectionMeasures;
  readonly outbound: DirectionMeasures;
  /** Of the pair in use; of several peers the one whose pair ends first. Infinity = no such limit. */
  readonly established: number;
  readonly rekey: number;
  readonly expiry: number;
  readonly remainingOctets: number;
}

export interface HistogramMeasures {
  /** Inclusive upper bounds. */
  readonly bounds: readonly number[];
  /** Not summed up; one more than bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Trigger → result → count. */
export type RekeyMeasures = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface Measures {
  readonly version: string;
  readonly node: string;
  readonly backend: string;
  /** What serves the suites that are or were in use. */
  readonly implementations: readonly { readonly suite: string; readonly impl: string }[];
  readonly children: readonly ChildMeasures[];
  readonly ikeSas: readonly { readonly state: string; readonly version: number }[];
  readonly halfOpen: number;
  readonly childSas: readonly { readonly state: string; readonly protocol: string; readonly mode: string }[];
  /** Last packet that verified. */
  readonly peers: readonly { readonly connection: string; readonly lastInbound: number }[];
  /** Reason → packets; every reason there is. */
  readonly drops: ReadonlyMap<string, number>;
  /** By trigger (`Trigger`), then result. */
  readonly rekeys: Readonly<Record<"child" | "ike", RekeyMeasures>>;
  /** Of IKE (ike/counters.ts). */
  readonly ike: Readonly<Record<string, number>>;
  readonly messages: Readonly<Record<"in" | "out", Readonly<Record<string, number>>>>;
  readonly fallbacks: number;
  readonly certificates: readonly {
    readonly connection: string;
    readonly use: "local" | "remote" | "authority";
    readonly subject: string;
    readonly notAfter: number;
  }[];
  readonly lastReload: { readonly successful: boolean; readonly successAt: number };
  readonly roundPackets: HistogramMeasures;
  readonly roundSeconds: HistogramMeasures;
  /** How late the control thread came to its turn in the last minute, in seconds. */
  readonly controlDelay: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Seconds on a processor by thread. */
  readonly threads: readonly { readonly thread: string; readonly seconds: number }[];
}
