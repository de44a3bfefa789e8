/** Peer Authorization Database (RFC 4301 §4.4.3): which connection a peer belongs to, which secret it shares with us. */
import { compareAddresses, type IpAddress } from "#core/address";
import type { Connection, HostPattern, SharedSecret } from "#core/connection";
import type { Identity } from "#core/identity";

/** How close a presented identity is to a configured one (undefined = anybody); 0 = not at all: crypto/identity.ts. */
export type IdentityMatcher = (pattern: Identity | undefined, presented: Identity) => number;

/** Prefix bits that all addresses of a pattern have in common: a measure of how much it says. */
function commonBits(first: IpAddress, last: IpAddress): number {
  for (let i = 0; i < first.octets.length; i++) {
    const difference = (first.octets[i] ?? 0) ^ (last.octets[i] ?? 0);
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24;
  }
  return 8 * first.octets.length;
}

/** 1 = any, more = closer; 0 = does not fit. */
function hostMatch(pattern: HostPattern, address: IpAddress): number {
  switch (pattern.kind) {
    case "any":
      return 1;
    case "address":
      return compareAddresses(pattern.address, address) === 0 ? 2 + 8 * address.octets.length : 0;
    case "range": {
      const { first, last } = pattern;
      const within =
        first.family === address.family &&
        compareAddresses(first, address) <= 0 &&
        compareAddresses(address, last) <= 0;
      return within ? 2 + commonBits(first, last) : 0;
    }
    // What nobody could look up is nowhere.
    case "name":
      return 0;
    default:
      return pattern satisfies never;
  }
}

function bestHostMatch(patterns: readonly HostPattern[], address: IpAddress): number {
  return Math.max(0, ...patterns.map((pattern) => hostMatch(pattern, address)));
}

/** Highest rank first, equals in their order; rank 0 is left out. */
function ranked<T>(all: readonly T[], rankOf: (one: T) => readonly [number, number]): T[] {
  return all
    .map((one) => ({ one, rank: rankOf(one) }))
    .filter(({ rank }) => rank[0] > 0 && rank[1] > 0)
    .sort((a, b) => b.rank[0] - a.rank[0] || b.rank[1] - a.rank[1])
    .map(({ one }) => one);
}

/** Its peers are named by their addresses alone: whoever speaks from there and hears answers is at one of them. */
export function isListed({ remoteAddresses }: Connection): boolean {
  return remoteAddresses.length > 0 && remoteAddresses.every(({ kind }) => kind === "address");
}

/** What a stranger's datagram is looked up in: a peer with an address of its own is found among thousands at once. */
class ConnectionIndex {
  /** By the peer's address, those that name nothing but addresses; with their place in the file. */
  readonly #fixed = new Map<string, number[]>();
  readonly #open: number[] = [];
  readonly #all: readonly Connection[];

  constructor(connections: readonly Connection[]) {
    this.#all = connections;
    for (const [i, { remoteAddresses }] of connections.entries()) {
      const keys = remoteAddresses.map((pattern) => (pattern.kind === "address" ? addressKey(pattern.address) : ""));
      if (keys.includes("")) this.#open.push(i);
      else for (const key of new Set(keys)) this.#add(key, i);
    }
  }

  #add(key: string, place: number): void {
    const places = this.#fixed.get(key);
    if (places === undefined) this.#fixed.set(key, [place]);
    else places.push(place);
  }

  /** All that may fit, in the file's order. */
  near(remote: IpAddress): Connection[] {
    const fixed = this.#fixed.get(addressKey(remote)) ?? [];
    const places = fixed.length === 0 ? this.#open : [...this.#open, ...fixed].sort((a, b) => a - b);
    return places.flatMap((i) => this.#all[i] ?? []);
  }
}

function addressKey({ octets }: IpAddress): string {
  return octets.join(".");
}

/** A configuration's connections never change: they are looked at once. */
const indexes = new WeakMap<readonly Connection[], ConnectionIndex>();

function indexOf(connections: readonly Connection[]): ConnectionIndex {
  const index = indexes.get(connections) ?? new ConnectionIndex(connections);
  indexes.set(connections, index);
  return index;
}

/** Those whose addresses fit and that take this version: the remote one decides first, then ours, then the file's order. */
export function connectionsFor(
  connections: readonly Connection[],
  version: 1 | 2,
  local: IpAddress,
  remote: IpAddress,
): Connection[] {
  const taking = indexOf(connections)
    .near(remote)
    .filter((one) => one.version === 0 || one.version === version);
  return ranked(taking, ({ localAddresses, remoteAddresses }) => [
    bestHostMatch(remoteAddresses, remote),
    bestHostMatch(localAddresses, local),
  ]);
}

/** What IKE_AUTH shows of the peer. */
export interface PeerClaim {
  readonly remoteIdentity: Identity;
  /** IDr of the request: whom the peer wants to speak to. */
  readonly localIdentity: Identity | undefined;
  /** How the peer authenticates; undefined: not known yet. */
  readonly method: "psk" | "signature" | undefined;
}

/** The best match of identities among `connectionsFor`'s; equals in their order. undefined = AUTHENTICATION_FAILED. */
export function connectionForPeer(
  candidates: readonly Connection[],
  claim: PeerClaim,
  matches: IdentityMatcher,
): Connection | undefined {
  const { remoteIdentity, localIdentity, method } = claim;
  const takes = ({ remote }: Connection) => remote.method === "any" || method === undefined || remote.method === method;
  const [best] = ranked(candidates.filter(takes), (one) => [
    matches(one.remote.identity, remoteIdentity),
    // An IDr that is not ours excludes a connection, save where ours is left open.
    localIdentity === undefined ? 1 : matches(one.local.identity, localIdentity),
  ]);
  return best;
}

/**
 * The closest to the remote identity, then to ours: both as owners > the remote one > ours alone > a secret without
 * owners; the first of equals. A secret of ours and somebody else's is not for this peer.
 */
export function secretFor(
  secrets: readonly SharedSecret[],
  local: Identity,
  remote: Identity,
  matches: IdentityMatcher,
): SharedSecret | undefined {
  const best = (owners: readonly Identity[], identity: Identity) =>
    Math.max(0, ...owners.map((owner) => matches(owner, identity)));
  const [found] = ranked(secrets, ({ owners }) => {
    if (owners.length === 0) return [1, 1];
    const ofRemote = best(owners, remote);
    const ofLocal = best(owners, local);
    if (ofRemote > 0) return [2 + ofRemote, 1 + ofLocal];
    return owners.every((owner) => matches(owner, local) > 0) ? [2, ofLocal] : [0, 0];
  });
  return found;
}
