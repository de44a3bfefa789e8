/** Authenticated sessions by who the peer is: twins of one peer are found among thousands of others. */
import type { Identity } from "#core/identity";
import { identityKey } from "#crypto/identity";
import type { Session } from "./session.ts";

export class Peers {
  /** By the connection's name, then by the peer's identity; nothing is empty. */
  readonly #connections = new Map<string, Map<string, Set<Session>>>();
  readonly #keys = new Map<Session, { readonly connection: string; readonly peer: string }>();

  /** The session has its identities from now on. */
  add(session: Session): void {
    this.remove(session);
    const { peer, connection } = session;
    if (peer.kind !== "authenticated") return;
    // Who is nobody has no twins, and counts as one of the connection's.
    const key = identityKey(peer.remoteIdentity) ?? "";
    const peers = this.#connections.get(connection.name) ?? new Map<string, Set<Session>>();
    const sessions = peers.get(key) ?? new Set();
    this.#connections.set(connection.name, peers.set(key, sessions.add(session)));
    this.#keys.set(session, { connection: connection.name, peer: key });
  }

  remove(session: Session): void {
    const keys = this.#keys.get(session);
    if (keys === undefined) return;
    this.#keys.delete(session);
    const peers = this.#connections.get(keys.connection);
    const sessions = peers?.get(keys.peer);
    sessions?.delete(session);
    if (sessions?.size === 0) peers?.delete(keys.peer);
    if (peers?.size === 0) this.#connections.delete(keys.connection);
  }

  /** Those of the connection whose peer is this one. */
  of(connection: string, peer: Identity): Iterable<Session> {
    const key = identityKey(peer);
    return (key === undefined ? undefined : this.#connections.get(connection)?.get(key)) ?? [];
  }

  knows(connection: string): boolean {
    return this.#connections.has(connection);
  }
}
