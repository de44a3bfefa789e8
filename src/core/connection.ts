/**
 * What an operator wants between two gateways: what config makes of a file and IKE negotiates by. Immutable; a reload
 * brings new ones. Names and defaults are swanctl.conf's. Times are monotonic spans.
 */
import type { IpAddress } from "./address.ts";
import type { Identity } from "./identity.ts";
import type { Proposal } from "./proposal.ts";
import type { TrafficSelector } from "./selector.ts";
import type { Millis, Octets } from "./units.ts";

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

export interface ChildConfig {
  /** Unique in its connection. The policy of the data plane is named `connection/child`. */
  readonly name: string;
  /** `pass` and `drop` are policies without SAs. */
  readonly mode: "tunnel" | "transport" | "pass" | "drop";
  /** Of protocol ESP, or AH. */
  readonly proposals: readonly Proposal[];
  readonly local: readonly SelectorConfig[];
  readonly remote: readonly SelectorConfig[];
  readonly lifetime: ChildLifetime;
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
