/** The security policy (RFC 4301 §4.4.1) and the whole typed configuration of a gateway: what config makes and gateway runs. */
import type { Endpoint, IpAddress } from "./address.ts";
import type { ChildSaSpec } from "./child-sa-spec.ts";
import type { IkeConfig } from "./connection.ts";
import type { TrafficSelector } from "./selector.ts";

export type PolicyAction = "protect" | "bypass" | "discard";

/**
 * One entry of the ordered SPD. A packet matches when its local end fits one of `local` and its remote end fits one of
 * `remote` of the same family. Both sides carry the same protocol; for ICMP both carry the type and code range.
 */
export interface Policy {
  /** Unique; SAs and metrics name it. */
  readonly name: string;
  readonly action: PolicyAction;
  readonly local: readonly TrafficSelector[];
  readonly remote: readonly TrafficSelector[];
  /** Source address the host prefers towards `remote` (routes) and answers from. */
  readonly source: IpAddress | undefined;
  /**
   * What of a protect policy is in clear nevertheless: packets from the peer (inbound pass-through, S81), or, where it has
   * fallen back (S53), both directions. Absent = nothing. Routes lead into the TUN in any case.
   */
  readonly inClear?: "inbound" | "both";
}

/** An address of the TUN device with the length of its on-link prefix; host bits are kept. */
export interface InterfaceAddress {
  readonly address: IpAddress;
  readonly length: number;
}

export interface TunConfig {
  readonly name: string;
  /** undefined = the largest that fits every SA. */
  readonly mtu: number | undefined;
  readonly addresses: readonly InterfaceAddress[];
  /** One for each lane. */
  readonly queues: number;
}

/** `auto` takes the fastest that works; `openssl` is the addon with that library alone. */
export type CryptoChoice = "auto" | "native" | "openssl" | "node" | "noble";

/** Where the HTTP interface is: for monitors and browsers. */
export interface HttpConfig {
  readonly listen: readonly Endpoint[];
  /** Path of a unix socket, which takes actions too; undefined = none. */
  readonly socket: string | undefined;
  /** Names in lower case by which browsers may ask for it, beside addresses and localhost. */
  readonly hosts: readonly string[];
}

export interface GatewayConfig {
  readonly tun: TunConfig;
  /** UDP sockets for ESP in UDP (RFC 3948); empty when no SA uses it. */
  readonly listen: readonly Endpoint[];
  /** Names of transforms that are weak and nevertheless allowed. */
  readonly allowWeak: readonly string[];
  readonly lanes: number;
  /** Rows of the SA table: a power of two, an SA pair takes two. */
  readonly slots: number;
  readonly crypto: CryptoChoice;
  /** Segmentation offloads of TUN and UDP, where the kernel has them. */
  readonly offload: boolean;
  /** In order: the first that matches decides. */
  readonly policies: readonly Policy[];
  /** With manual keys. */
  readonly sas: readonly ChildSaSpec[];
  /** Connections that key themselves; undefined = no IKE. */
  readonly ike?: IkeConfig | undefined;
  /** undefined = none. */
  readonly http?: HttpConfig | undefined;
}
