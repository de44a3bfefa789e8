/**
 * What an operator wants between two gateways: what config makes of a file and IKE negotiates by. Immutable; a reload
 * brings new ones. Names and defaults are swanctl.conf's. Times are monotonic spans.
 */
import type { IpAddress } from "./address.ts";
import type { Identity } from "./identity.ts";
import type { Proposal } from "./proposal.ts";
import type { TrafficSelector } from "./selector.ts";
import { type Millis, millis, type Octets, octets } from "./units.ts";

/** One of the places a peer may be at, or we may speak from. Names are looked up before IKE sees them. */
export type HostPattern =
  | { readonly kind: "any" }
  | { readonly kind: "address"; readonly address: IpAddress }
  /** Inclusive. */
  | { readonly kind: "range"; readonly first: IpAddress; readonly last: IpAddress }
  | { readonly kind: "name"; readonly name: string };

/** One authentication round of ours. */
export interface LocalAuthentication {
  readonly method: "psk" | "signature";
  /** undefined: the certificate's subject, or our address. */
  readonly identity: Identity | undefined;
  /** DER, ours first, then what leads to its CA. The key to the first is in `Credentials.keys`. */
  readonly certificates: readonly Uint8Array[];
  /** Hash algorithms to sign with in order of preference (RFC 7427 numbers); empty = by the key. */
  readonly hashes: readonly number[];
  readonly rsaPss: boolean;
}

/** What a peer must show. */
export interface RemoteAuthentication {
  readonly method: "psk" | "signature" | "any";
  /** undefined = any identity that proves itself. */
  readonly identity: Identity | undefined;
  /** DER; not empty: only these. */
  readonly certificates: readonly Uint8Array[];
  /** DER of CAs; not empty: only chains that end in one of them. */
  readonly authorities: readonly Uint8Array[];
  /** SubjectPublicKeyInfo DER; not empty: only these keys (no certificate needed). */
  readonly publicKeys: readonly Uint8Array[];
  readonly hashes: readonly number[];
  /** relaxed: a revoked certificate fails, an unknown state does not. */
  readonly revocation: "relaxed" | "ifuri" | "strict";
}

/** `dynamic` = the outer address of that side (or the virtual IP), with protocol and ports of the selector. */
export type SelectorConfig =
  | { readonly kind: "fixed"; readonly selector: TrafficSelector }
  | { readonly kind: "dynamic"; readonly protocol: number; readonly firstPort: number; readonly lastPort: number };

/** Infinity = no limit. `rand`: rekey limits are drawn up to this much earlier. */
export interface ChildLifetime {
  readonly rekeyTime: Millis;
  readonly lifeTime: Millis;
  readonly randTime: Millis;
  readonly rekeyOctets: Octets;
  readonly lifeOctets: Octets;
  readonly randOctets: Octets;
  readonly rekeyPackets: number;
  readonly lifePackets: number;
  readonly randPackets: number;
}

export type ChildAction = "none" | "trap" | "start" | "trap|start";

/**
 * When a child's flow may go in clear because nobody answers (the documents' "fall back to clear", docs/requirements.md S53–S55).
 * Never once the flow has been secured.
 */
export interface ClearFallback {
  /** Since the negotiation began, without an answer. */
  readonly after: Millis;
  /** A refused negotiation (no common proposal, failed authentication) falls back too; silence alone otherwise. */
  readonly mismatchToo: boolean;
  readonly retry: /** Negotiation is tried again every so often (S54). */
    | { readonly mode: "interval"; readonly every: Millis }
    /** Tried again with the first packet after `idle` without one, or after `longest` in any case (S55). */
    | { readonly mode: "idle"; readonly idle: Millis; readonly longest: Millis };
}

export interface ChildConfig {
  /** Unique in its connection. The policy of the data plane is named `connection/child`. */
  readonly name: string;
  /** `pass` and `drop` are policies without SAs. */
  readonly mode: "tunnel" | "transport" | "pass" | "drop";
  /** Of protocol ESP, or AH. */
  readonly proposals: readonly Proposal[];
  /**
   * Of protocol AH, applied over ESP: the child is an AH+ESP bundle then (RFC 2401 §4.5), which IKEv1 alone negotiates.
   * Empty: `proposals` alone.
   */
  readonly outerProposals: readonly Proposal[];
  /**
   * Session key PFS with IKEv1 (S25–S27): by the KE transforms of `proposals`, or always with main mode's group. IKEv2 goes by
   * the proposals.
   */
  readonly sessionPfs: "by-proposal" | "main-mode-group";
  /** undefined = never (S53). */
  readonly fallback: ClearFallback | undefined;
  /** Packets in clear from the peer are taken too, and answered under protection: "inbound pass-through" (S81). */
  readonly acceptClear: boolean;
  readonly local: readonly SelectorConfig[];
  readonly remote: readonly SelectorConfig[];
  readonly lifetime: ChildLifetime;
  /** Octets a second under one key that are expected; only predictions go by it (S56, S71). undefined = not said. */
  readonly expectedRate: Octets | undefined;
  readonly startAction: ChildAction;
  readonly closeAction: ChildAction;
  readonly dpdAction: "clear" | "trap" | "restart";
  readonly replayWindow: number;
  readonly tfcLength: number;
  readonly df: "copy" | "set" | "clear";
  readonly ecn: boolean;
  readonly dscp: "copy" | number;
  readonly mssClamp: number;
  /** Lower numbers are looked at first; 0 = by how narrow the selectors are, then by the file's order. */
  readonly priority: number;
  /** Program that is told of up and down with PLUTO_* environment; undefined = none. */
  readonly updown: string | undefined;
}

/** What only IKEv1 has (RFC 2408, 2409), and its main mode as the documents speak of it. */
export interface Version1Config {
  /** RFC 2409 §5.4, as initiator and responder; otherwise main mode alone. */
  readonly aggressive: boolean;
  /** Aggressive mode with a pre-shared key: anybody may guess the key off line. */
  readonly aggressivePsk: boolean;
  /** Life of an ISAKMP SA: `rekeyTime` + `overTime` of the connection; this one counts the octets its cipher processed (S16). */
  readonly lifeOctets: Octets;
  /** RFC 2408 §3.1: `when-asked` answers a peer's commit bit with CONNECTED; `always` sets it as responder (S30). */
  readonly commitBit: "never" | "when-asked" | "always";
  /** An ISAKMP SA without quick modes is ended after this long; Infinity = at its lifetime (S72, S73). */
  readonly idleTime: Millis;
  /** Windows' vendor IDs, fragments and acknowledged deletes (MS-IKEE). */
  readonly microsoft: boolean;
  /** A 3DES offer that the peer refuses is repeated with DES (S77). */
  readonly exportDowngrade: boolean;
}

export interface Connection {
  readonly name: string;
  /** 0 = answer both, start with 2. */
  readonly version: 0 | 1 | 2;
  readonly localAddresses: readonly HostPattern[];
  readonly remoteAddresses: readonly HostPattern[];
  readonly localPort: number;
  readonly remotePort: number;
  /** Of protocol IKE. */
  readonly proposals: readonly Proposal[];
  readonly local: LocalAuthentication;
  readonly remote: RemoteAuthentication;
  readonly children: readonly ChildConfig[];
  /** What happens to older IKE SAs of the same identities (swanctl.conf `unique`). */
  readonly unique: "never" | "no" | "keep" | "replace";
  readonly mobike: boolean;
  /** ESP in UDP without a NAT too. */
  readonly encap: boolean;
  readonly fragmentation: "no" | "accept" | "yes" | "force";
  readonly childless: "never" | "allow" | "prefer" | "force";
  readonly sendCertificate: "never" | "ifasked" | "always";
  readonly requestCertificate: boolean;
  /** Silence of the peer after which it is asked; 0 = never. */
  readonly dpdDelay: Millis;
  /** Attempts of a start; 0 = for ever. */
  readonly keyingTries: number;
  /** Infinity = never. */
  readonly rekeyTime: Millis;
  /** Infinity = never. */
  readonly reauthTime: Millis;
  /** After rekey or reauthentication should have happened: the hard limit. */
  readonly overTime: Millis;
  readonly randTime: Millis;
  /** Try Child SAs' KE method once at set-up, so that a mismatch does not wait for the first rekey. */
  readonly pfsPreflight: boolean;
  readonly v1: Version1Config;
  /**
   * Session key refresh limit: so many session keys (Child SAs) are made from one master key, then a new IKE SA is negotiated first. 0 = no limit, 1 = master key
   * PFS (S19–S23, S29). IKEv2: the same with reauthentication's place taken by a rekey of the IKE SA.
   */
  readonly refreshLimit: number;
  /**
   * As responder: whoever asks one IKE SA for more than one session key is refused (S31), by NO-PROPOSAL-CHOSEN in IKEv1 and by
   * NO_ADDITIONAL_SAS in IKEv2.
   */
  readonly masterPfs: boolean;
  /** Pairs of SAs with one peer of this connection; one that wants more is refused, so that it cannot have all memory (S56). */
  readonly pairsLimit: number;
  /** Repeats of an unanswered message and the wait before the first, doubled each time (S52). */
  readonly retransmission: { readonly tries: number; readonly first: Millis; readonly longest: Millis };
  /** A refused offer is answered with what would be accepted (S51); only to peers with an address in the configuration. */
  readonly alternatives: boolean;
}

/** A shared secret and whom it is for; no owners = for anybody. */
export interface SharedSecret {
  readonly owners: readonly Identity[];
  readonly secret: Uint8Array;
}

export interface PrivateKey {
  readonly algorithm: "rsa" | "ecdsa" | "ed25519" | "ed448";
  /** PKCS #8 DER. Secret. */
  readonly pkcs8: Uint8Array;
  /** SubjectPublicKeyInfo DER: which certificate it belongs to. */
  readonly spki: Uint8Array;
}

export interface Credentials {
  readonly secrets: readonly SharedSecret[];
  readonly keys: readonly PrivateKey[];
  /** DER of trusted CAs. */
  readonly authorities: readonly Uint8Array[];
  /** DER of certificates that may help to build a chain, and of CRLs. */
  readonly intermediates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
}

/** All of what IKE is configured by. */
export interface IkeConfig {
  readonly connections: readonly Connection[];
  readonly credentials: Credentials;
}

const FOREVER: Millis = millis(Number.POSITIVE_INFINITY);

/** Where a configuration says nothing. Repeats: RFC 2408 leaves them open; five after 1, 2, 4, 8, 16 s (S52). */
export const DEFAULT_CONNECTION_POLICY: Pick<
  Connection,
  "v1" | "refreshLimit" | "masterPfs" | "pairsLimit" | "retransmission" | "alternatives"
> = {
  v1: {
    aggressive: false,
    aggressivePsk: false,
    lifeOctets: octets(Number.POSITIVE_INFINITY),
    commitBit: "when-asked",
    idleTime: FOREVER,
    microsoft: false,
    exportDowngrade: false,
  },
  refreshLimit: 0,
  masterPfs: false,
  pairsLimit: 256,
  retransmission: { tries: 5, first: millis(1_000), longest: millis(16_000) },
  alternatives: false,
};

export const DEFAULT_CHILD_POLICY: Pick<
  ChildConfig,
  "outerProposals" | "sessionPfs" | "fallback" | "acceptClear" | "expectedRate"
> = {
  outerProposals: [],
  sessionPfs: "by-proposal",
  fallback: undefined,
  acceptClear: false,
  expectedRate: undefined,
};
