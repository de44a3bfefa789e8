/** Peer Authorization Database (RFC 4301 §4.4.3): which connection a peer belongs to, and which secret it shares with us. */
import type { IpAddress } from "#core/address";
import type { Connection, SharedSecret } from "#core/connection";
import type { Identity } from "#core/identity";

/** Whether a configured identity (wildcards allowed) stands for the presented one: crypto/identity.ts. */
export type IdentityMatcher = (pattern: Identity, presented: Identity) => boolean;

/** Those whose addresses fit and which take this version, the most specific first, then in the file's order. */
export declare function connectionsFor(
  connections: readonly Connection[],
  version: 1 | 2,
  local: IpAddress,
  remote: IpAddress,
): Connection[];

/** What IKE_AUTH shows of the peer. */
export interface PeerClaim {
  readonly remoteIdentity: Identity;
  /** IDr of the request: whom the peer wants to speak to. */
  readonly localIdentity: Identity | undefined;
  /** How the peer authenticates; undefined: not yet known (it wants EAP, or IDi alone was seen). */
  readonly method: "psk" | "signature" | undefined;
}

/** Best match of identities among the candidates of `connectionsFor` (same order where equal); undefined = AUTHENTICATION_FAILED. */
export declare function connectionForPeer(
  candidates: readonly Connection[],
  claim: PeerClaim,
  matches: IdentityMatcher,
): Connection | undefined;

/** Both as owners > the remote one > ours alone > a secret without owners; the first of equals. */
export declare function secretFor(
  secrets: readonly SharedSecret[],
  local: Identity,
  remote: Identity,
  matches: IdentityMatcher,
): SharedSecret | undefined;
