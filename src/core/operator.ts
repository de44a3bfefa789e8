/** What operators ask of a running gateway and what it answers: plain data that crosses a socket as JSON. No secrets. */
import type { ConfigChanges } from "./config-changes.ts";
import type { ConfigStore } from "./config-store.ts";
import type { GatewayDetails } from "./details.ts";
import type { Complaint } from "./errors.ts";
import type { Journal, JournalPage } from "./journal.ts";
import type { PacketQuery, PacketVerdict } from "./packet-verdict.ts";
import type { GatewayConfig } from "./policy.ts";

export interface SaStatus {
  /** current carries our packets, spare waits to, draining only receives what is still under way. */
  readonly role: "current" | "spare" | "draining";
  readonly spiIn: string;
  readonly spiOut: string;
  readonly state: string;
  /** Octets the keys have processed. */
  readonly keyOctetsIn: number;
  readonly keyOctetsOut: number;
}

/** How old a pair of SAs is and what it may still do; octets and packets are those of the busier direction. undefined = no limit. */
export interface LifeStatus {
  readonly ageMillis: number;
  readonly rekeyMillis: number | undefined;
  readonly expiryMillis: number | undefined;
  readonly octets: number;
  readonly rekeyOctets: number | undefined;
  readonly lifeOctets: number | undefined;
  readonly packets: number;
  readonly rekeyPackets: number | undefined;
  readonly lifePackets: number | undefined;
}

export interface TunnelStatus {
  readonly connection: string;
  readonly child: string;
  /** clear: not protected at all, because it has fallen back. */
  readonly state: "down" | "connecting" | "up" | "rekeying" | "ended" | "clear";
  /** Since when it is in clear, and why. */
  readonly clear: { readonly millis: number; readonly because: string } | undefined;
  readonly upMillis: number | undefined;
  /** "203.0.113.2:4500", as far as it is known. */
  readonly peer: string | undefined;
  /** Inner traffic since the tunnel was configured, across all rekeys. */
  readonly octetsIn: number;
  readonly octetsOut: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  /** Octets a second of both directions. */
  readonly rate: number;
  readonly rekeyMillis: number | undefined;
  /** "aes256gcm16/x25519"; undefined while nothing is agreed on. */
  readonly suite: string | undefined;
  readonly localSelectors: readonly string[];
  readonly remoteSelectors: readonly string[];
  readonly sas: readonly SaStatus[];
  /** Of the pair in use. */
  readonly life: LifeStatus | undefined;
  /** Why it is not up, in one line. */
  readonly failure: string | undefined;
}

export interface IkeSaStatus {
  readonly id: number;
  readonly connection: string;
  readonly version: 1 | 2;
  readonly state: string;
  readonly initiator: boolean;
  readonly spis: string;
  readonly local: string;
  readonly remote: string;
  readonly localIdentity: string;
  readonly remoteIdentity: string;
  readonly suite: string;
  readonly nat: "none" | "ours" | "theirs" | "both";
  readonly upMillis: number | undefined;
  readonly rekeyMillis: number | undefined;
  readonly reauthMillis: number | undefined;
}

/** How the last reload ended; a gateway's start counts as one. */
export interface LastReload {
  readonly ok: boolean;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Of the last one that went well. */
  readonly successTime: number;
  /** Why nothing was changed; undefined after a good one. */
  readonly why: string | undefined;
}

export interface GatewayStatus {
  /** Of this form; grows only. */
  readonly format: 1;
  readonly pid: number;
  readonly upMillis: number;
  readonly tun: string;
  readonly mtu: number;
  /** Ciphers and offloads, for people. */
  readonly description: string;
  readonly tunnels: readonly TunnelStatus[];
  readonly ikeSas: readonly IkeSaStatus[];
  /** Of the last whole minute. */
  readonly stall: StallReport;
  /** IKE SAs whose peer has proven nothing yet. */
  readonly halfOpen: number;
  /** What caused them → how they ended → count. */
  readonly rekeys: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** How often tunnels fell back to clear, and how many are in clear now. */
  readonly fallbacks: { readonly total: number; readonly now: number };
  /** Reason → packets. */
  readonly drops: Readonly<Record<string, number>>;
  /** Name → count, of IKE. */
  readonly ike: Readonly<Record<string, number>>;
  readonly configLastReload: LastReload;
  /** What it was read from; absent: nobody reads it again. */
  readonly configFile?: string;
}

/** How late the control thread came to its turn, in milliseconds, in so many looks. */
export interface StallReport {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly samples: number;
}

/** `why`: nothing has changed; lines joined by newlines, each with its place where it has one. */
export type ReloadOutcome =
  | { readonly changes: ConfigChanges; readonly warnings: readonly Complaint[] }
  | { readonly why: string };

/** Which SAs are meant. A child without connection: of every connection that has one of this name. */
export type OperatorTarget =
  | { readonly kind: "child"; readonly child: string; readonly connection: string | undefined }
  | { readonly kind: "ike"; readonly connection: string }
  /** By the numbers that details show. */
  | { readonly kind: "child-id" | "ike-id"; readonly id: number };

export type OperatorAction =
  | "initiate"
  | "terminate"
  | "rekey"
  | "reauthenticate"
  | "allow-clear"
  /** Packets may start a child, or may not, whatever its start_action says; until a reload gives it another. */
  | "install"
  | "uninstall";

export type OperatorRequest =
  | { readonly kind: "status" }
  /** SA by SA, in the words of vici's list-sas. */
  | { readonly kind: "sas" }
  /** `file`: absolute; undefined = the one that was read last. `diff` changes nothing. */
  | { readonly kind: "reload" | "diff"; readonly file?: string }
  /** What happened after event number `after` (0 = all that is remembered), the newest `limit` of it. */
  | { readonly kind: "events"; readonly after: number; readonly limit: number }
  /** Another process of the program, perhaps a newer one, takes the gateway over. */
  | { readonly kind: "upgrade" }
  /** What would become of it. */
  | { readonly kind: "packet"; readonly packet: PacketQuery }
  /** `target` as an operator writes it: "hq", "hq/net" or "net". */
  | { readonly kind: OperatorAction; readonly target: string; readonly ike: boolean };

/** vici's sections, lists and values. */
export interface SaRecord {
  readonly [key: string]: string | readonly string[] | SaRecord;
}

export type OperatorAnswer =
  | { readonly ok: true; readonly status: GatewayStatus }
  | { readonly ok: true; readonly sas: readonly SaRecord[] }
  | { readonly ok: true; readonly events: JournalPage }
  | { readonly ok: true; readonly verdict: PacketVerdict }
  /** How many SAs it was about. */
  | { readonly ok: true; readonly count: number }
  /** Who has taken over. */
  | { readonly ok: true; readonly pid: number }
  | { readonly ok: true; readonly changes: ConfigChanges; readonly warnings: readonly Complaint[] }
  | { readonly ok: false; readonly why: string };

/** The configuration of a running gateway, and how another one takes its place. */
export interface RunningConfiguration {
  /** Reads the file again, or another one (absolute path), which is the gateway's from then on. */
  reload(file: string | undefined): Promise<ReloadOutcome>;
  /** What `reload` would change. */
  diff(file: string | undefined): Promise<ReloadOutcome>;
  /** `next` takes the place of what runs, or nothing changes. Its secrets are the gateway's, whatever comes of it. */
  reconfigure(next: GatewayConfig): Promise<ReloadOutcome>;
  /** What runs, without secrets and keys. */
  current(): GatewayConfig;
  readonly lastReload: LastReload;
  /** What was read last; absent: it came from no file that is read again. */
  readonly file?: string;
  /** Sections that arrive one by one. */
  readonly store: ConfigStore;
}

export interface TunnelName {
  readonly connection: string;
  readonly child: string;
}

/** The running gateway, as what operators talk to sees it. */
export interface OperatedGateway {
  readonly configuration: RunningConfiguration;
  /** Of one moment; with thousands of tunnels nobody else has his turn meanwhile. */
  status(): GatewayStatus;
  /** The same with pauses for others: where there are many tunnels not all of one moment. */
  gatherStatus(): Promise<GatewayStatus>;
  /** Of every tunnel; a child that several peers have is there as often. */
  tunnelNames(): readonly TunnelName[];
  readonly journal: Journal;
  /** A text says what is wrong with the question. */
  explainPacket(packet: PacketQuery): PacketVerdict | string;
  /** undefined: its keys are manual. */
  details(): GatewayDetails | undefined;
  /** Resolves once another process has taken over, or why this one goes on. Absent: it cannot. */
  upgrade?(): Promise<{ readonly pid: number } | { readonly why: string }>;
  /** Resolves once it is done or has failed; `why` is one line. */
  act(action: OperatorAction, target: OperatorTarget): Promise<{ readonly count: number } | { readonly why: string }>;
}
