/**
 * The doors of the IKE engine (sans-IO): what comes in, what it wants done, and the slow work it gives away.
 * Addresses are the outer ones; `nat` port datagrams come and go without their non-ESP marker.
 */
import type { Endpoint } from "#core/address";
import type { Mode, Protocol, ProtocolSpec, SaKeys, SuiteIds } from "#core/child-sa-spec";
import type { ChildConfig, IkeConfig } from "#core/connection";
import type { Job, JobResult } from "#core/ike-job";
import type { IkeReport, Trigger } from "#core/ike-state";
import type { KeyWatch } from "#core/key-watch";
import type { TrafficSelector } from "#core/selector";
import type { Millis, Octets, Spi } from "#core/units";

export type IkeInput =
  | { readonly kind: "configure"; readonly config: IkeConfig }
  /** One IKE message. `local.port` tells 500 from 4500. */
  | { readonly kind: "datagram"; readonly octets: Uint8Array; readonly local: Endpoint; readonly remote: Endpoint }
  | { readonly kind: "timeout" }
  /** Sets up the IKE SA where there is none, and one pair for the child. No child = IKE SA alone (RFC 6023 where allowed). */
  | {
      readonly kind: "initiate";
      readonly connection: string;
      readonly child: string | undefined;
      readonly trigger: Trigger;
      /** The packet that asked (RFC 7296 §2.9): goes in front of the child's selectors. */
      readonly packet?: { readonly local: TrafficSelector; readonly remote: TrafficSelector };
      /** Where the connection's remote is a name or a range. */
      readonly remote?: Endpoint;
    }
  | { readonly kind: "rekey-child"; readonly id: number; readonly trigger: Trigger }
  | { readonly kind: "rekey-ike"; readonly ike: number; readonly trigger: Trigger }
  | { readonly kind: "reauthenticate"; readonly ike: number; readonly trigger: Trigger }
  /** Deletes one pair at the peer too (RFC 7296 §1.4.1). */
  | { readonly kind: "delete-child"; readonly id: number; readonly reason: string }
  | { readonly kind: "delete-ike"; readonly ike: number; readonly reason: string }
  /** The data plane heard something that verified from the peer of this pair: it lives. */
  | { readonly kind: "heard"; readonly id: number }
  /** The data plane saw the first packet that verified on this inbound SA: the peer uses the new pair. */
  | { readonly kind: "first-packet"; readonly id: number }
  /** The peer of this pair moved (ESP that verified came from another endpoint, RFC 7296 §2.23). */
  | { readonly kind: "peer-moved"; readonly id: number; readonly remote: Endpoint }
  /** Our own addresses changed (MOBIKE, RFC 4555). */
  | { readonly kind: "addresses"; readonly local: readonly Endpoint[] }
  /** An ICMP error about one of our IKE datagrams: told in messages, decides nothing. */
  | { readonly kind: "unreachable"; readonly remote: Endpoint; readonly reason: "refused" | "unreachable" }
  /** Until `release` no exchange of ours begins; what is under way goes on, and the peer's requests are answered. */
  | { readonly kind: "hold" }
  | { readonly kind: "release" }
  | { readonly kind: "computed"; readonly job: number; readonly result: JobResult };

/** A pair of SAs that was agreed on; the director adds lifetimes, lane's columns and installs it. */
export interface NegotiatedChild {
  /** Unique in the process, never reused. */
  readonly id: number;
  readonly ike: number;
  readonly connection: string;
  readonly child: string;
  /** What it was negotiated by; another configuration may have come meanwhile. */
  readonly config: ChildConfig;
  readonly protocol: Protocol;
  readonly mode: Mode;
  readonly suite: SuiteIds;
  readonly inbound: SaKeys;
  readonly outbound: SaKeys;
  readonly esn: boolean;
  /** The AH over this ESP (IKEv1's AH+ESP bundle); its keys are wiped with the pair's. */
  readonly outerAh: ProtocolSpec | undefined;
  /** What the peer's lifetimes leave of ours (RFC 2407 §4.5, RESPONDER-LIFETIME §4.6.3.1); undefined: IKEv2 negotiates none. */
  readonly agreedLifetime: { readonly time: Millis; readonly octets: Octets } | undefined;
  readonly encapsulation: "udp" | "none";
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** We are behind a NAT: keepalives (RFC 3948 §4). */
  readonly behindNat: boolean;
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
  /** KE method of the pair's own key exchange; 0 = keyed from the IKE SA alone. */
  readonly keMethod: number;
  /** The pair it takes over from. */
  readonly replaces: number | undefined;
  /** We began the exchange that made it. */
  readonly initiator: boolean;
  readonly trigger: Trigger;
  /** From our request to the answer; 0 where the peer began. Set-up time and RTT for the director. */
  readonly took: Millis;
}

/** Why a pair ends: of itself or by somebody's wish, or because the peer does not answer any more. */
export type EndCause = "close" | "dpd";

/**
 * When a new pair's outbound SA is used: `use` at once; `later`: at `use-child-sa` or, for a rekey that we began, when the
 * director switches; `when-confirmed`: the same, but not before `confirm-child-sa` (RFC 2408 §3.1, the commit bit of the peer);
 * `when-settled`: the same, after the peer has had time to take our last message, which it does not answer (IKEv1).
 */
export type Outbound = "use" | "later" | "when-confirmed" | "when-settled";

export type IkeEffect =
  | { readonly kind: "send"; readonly octets: Uint8Array; readonly local: Endpoint; readonly remote: Endpoint }
  /** Inbound is to be live before the next effect is carried out. */
  | {
      readonly kind: "install-child-sa";
      readonly child: NegotiatedChild;
      readonly outbound: Outbound;
    }
  | { readonly kind: "confirm-child-sa"; readonly id: number }
  | { readonly kind: "use-child-sa"; readonly id: number }
  /** `drain`: nothing is sent any more; inbound stays a while for packets under way. */
  | {
      readonly kind: "remove-child-sa";
      readonly id: number;
      readonly drain: boolean;
      readonly cause: EndCause;
      readonly reason: string;
    }
  /** NAT remap or MOBIKE: the pair's outer addresses are these now. */
  | {
      readonly kind: "move-child-sa";
      readonly id: number;
      readonly local: Endpoint;
      readonly remote: Endpoint;
      readonly encapsulation: "udp" | "none";
      readonly behindNat: boolean;
    }
  | { readonly kind: "compute"; readonly job: number; readonly work: Job }
  | { readonly kind: "report"; readonly report: IkeReport };

/** What the engine is born with. */
export interface IkeWorld {
  readonly random: { fill(target: Uint8Array): void };
  /** Inbound SPIs of Child SAs: the data plane's, which carry slot and lane. One that is not installed is given back. */
  readonly spis: { draw(): Spi; giveBack(spi: Spi): void };
  /** Absent: nobody is shown keys. */
  readonly keys?: KeyWatch | undefined;
}
