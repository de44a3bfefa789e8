/** What IKE shows of itself: plain data for status, logs, metrics and `why`; never a secret. */
import type { Endpoint } from "./address.ts";
import type { Mode, Protocol } from "./child-sa-spec.ts";
import type { Millis, Spi } from "./units.ts";

/** Why a Child SA or IKE SA is (re)made: also the metrics' label. */
export type Trigger = "start" | "trap" | "operator" | "time" | "octets" | "packets" | "peer" | "dpd" | "close" | "roam";

/** What happened, for logs, metrics and `why`; never a secret. */
export type IkeReport =
  | { readonly kind: "ike-up"; readonly ike: IkeSaSnapshot; readonly took: Millis }
  | { readonly kind: "ike-rekeyed"; readonly ike: IkeSaSnapshot; readonly former: number; readonly trigger: Trigger }
  | { readonly kind: "ike-down"; readonly ike: number; readonly connection: string; readonly reason: string }
  | { readonly kind: "child-up"; readonly connection: string; readonly child: string; readonly id: number }
  | { readonly kind: "child-down"; readonly connection: string; readonly child: string; readonly reason: string }
  /**
   * An attempt ended without what was asked. `stage` names where, `reason` what differs and `remedy` what to do, in words;
   * `notify` the RFC's name where one was sent or received; `from` says who said no. `asked`: whose attempt it was; what a
   * peer or a stranger tried in vain changes nothing that we try.
   */
  | {
      readonly kind: "failed";
      readonly connection: string;
      readonly child: string | undefined;
      readonly asked: "us" | "peer";
      readonly stage: string;
      readonly notify: string | undefined;
      readonly from: "us" | "peer" | "nobody";
      readonly reason: string;
      readonly remedy: string;
      readonly retryAt: Millis | undefined;
    }
  /** `child`: undefined where it is the IKE SA that was rekeyed. */
  | {
      readonly kind: "rekey";
      readonly connection: string;
      readonly child: string | undefined;
      readonly trigger: Trigger;
      readonly result: string;
    }
  /** A pair that is gone, and what its keys have processed in their whole life; octets as its limits count them. */
  | {
      readonly kind: "sa-retired";
      readonly connection: string;
      readonly child: string;
      readonly inboundSpi: Spi;
      readonly outboundSpi: Spi;
      readonly keyOctetsIn: number;
      readonly keyOctetsOut: number;
      readonly packetsIn: number;
      readonly packetsOut: number;
    }
  /** The flow of this policy ("hq/net") goes in clear from now on, or does not any more. */
  | { readonly kind: "fallback"; readonly policy: string; readonly inClear: boolean; readonly because: string }
  /** Anything that was dropped: a closed set of reasons (ike/counters.ts). */
  | { readonly kind: "warning"; readonly text: string };

export interface ChildSnapshot {
  readonly id: number;
  readonly name: string;
  readonly state: "installed" | "rekeying" | "rekeyed" | "deleting";
  readonly inboundSpi: Spi;
  readonly outboundSpi: Spi;
  readonly protocol: Protocol;
  readonly mode: Mode;
  readonly encapsulation: "udp" | "none";
  /** "aes128gcm16/x25519", as it could stand in a configuration. */
  readonly suite: string;
  readonly localSelectors: readonly string[];
  readonly remoteSelectors: readonly string[];
}

export interface IkeSaSnapshot {
  readonly id: number;
  readonly connection: string;
  readonly version: 1 | 2;
  /**
   * "ended": there is no ISAKMP SA with this peer at the moment, and the pairs it made go on to their own limits (IKEv1; its
   * id is the last one's, its SPIs are 0).
   */
  readonly state: "connecting" | "established" | "rekeying" | "rekeyed" | "deleting" | "ended";
  readonly initiator: boolean;
  /** 16 hex digits each. */
  readonly initiatorSpi: string;
  readonly responderSpi: string;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly localIdentity: string;
  readonly remoteIdentity: string;
  readonly suite: string;
  readonly natLocal: boolean;
  /** Also of a peer that forces UDP in a way that cannot be told from a NAT. */
  readonly natRemote: boolean;
  /** Who wants ESP in UDP without a NAT too (swanctl.conf `encap`). */
  readonly udpForced: "none" | "ours" | "theirs" | "both";
  readonly establishedAt: Millis | undefined;
  readonly rekeyAt: Millis | undefined;
  readonly reauthAt: Millis | undefined;
  readonly expiresAt: Millis | undefined;
  readonly children: readonly ChildSnapshot[];
}

export interface IkeSnapshot {
  readonly sas: readonly IkeSaSnapshot[];
  readonly halfOpen: number;
  /** Name → count; names are a closed set (ike/counters.ts). */
  readonly counters: Readonly<Record<string, number>>;
}
