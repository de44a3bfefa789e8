/** What becomes of an IKE SA whose peer has proven itself: its life begins, and that of its twins may end. */
import { compareAddresses } from "#core/address";
import type { Connection } from "#core/connection";
import { type Millis, millis } from "#core/units";
import { identitiesEqual } from "#crypto/identity";
import { wipe } from "#crypto/octets";
import { randomBelow, report } from "#ike/host";
import { endSession } from "./end.ts";
import { inherit, lostItsHeirs, stays, takePlaceOf } from "./heirs.ts";
import type { Host } from "./host.ts";
import type { AuthRequest, AuthResponse, Handshake, IkeSa, Live } from "./ike-sa.ts";
import type { Session } from "./session.ts";
import { ikeSnapshot } from "./snapshot.ts";

/** IKE SAs of one identity beside each other, where `unique` allows them: deviation attacks stay small. */
const MAX_TWINS = 16;
/** A responder hears from its initiator again soon, or asks, or forgets (Ninet 2019: the last message proves nothing). */
const CONFIRM_PROBE = millis(10_000);
const CONFIRM_BY = millis(30_000);
/** make-before-break: the former IKE SA of a peer that comes again from the same address is given so long. */
const REAUTH_GRACE: Millis = millis(10_000);

/** Of two at the same time the winner's maker deletes the loser when all children stand; after this, either side does. */
const TWIN_EXPECTED = 60_000;

type Claims = Pick<AuthRequest | AuthResponse, "localIdentity" | "remoteIdentity">;

function* twins(host: Host, session: Session, claims: Claims): Generator<Session> {
  for (const other of host.peers.of(session.connection.name, claims.remoteIdentity)) {
    if (other === session || other.peer.kind !== "authenticated" || other.current === undefined) continue;
    if (identitiesEqual(other.peer.localIdentity, claims.localIdentity)) yield other;
  }
}

/** swanctl.conf `unique = keep`, and the bound. From the address of the first it may be a reauthentication (RFC 7296 §2.8.3). */
export function refusesTwin(
  host: Host,
  { session }: IkeSa,
  { connection, initialContact, ...claims }: AuthRequest,
): boolean {
  const others = [...twins(host, session, claims)];
  const { address } = session.path.remote;
  const elsewhere = others.some(({ path }) => compareAddresses(path.remote.address, address) !== 0);
  return (connection.unique === "keep" && !initialContact && elsewhere) || others.length >= MAX_TWINS;
}

/** The peer is who it says: the IKE SA lives. Nonces and the trail of the handshake end with it, keys go on. */
export function establish(host: Host, sa: IkeSa, handshake: Handshake, claims: AuthRequest | AuthResponse): void {
  const { session } = sa;
  const { connection } = session;
  const { localIdentity, remoteIdentity, mobike, additional } = claims;
  const others = [...twins(host, session, claims)];
  const reauthAt = due(host, connection, connection.reauthTime);
  session.peer = { kind: "authenticated", localIdentity, remoteIdentity, at: host.now, reauthAt, mobike };
  host.peers.add(session);
  session.origin = { by: sa.originalInitiator ? "us" : "peer", initiatorSpi: sa.initiatorSpi };
  session.additional = additional;
  session.current = sa;
  session.heardAt = host.now;
  sa.state = live(handshake, host.now);
  wipe(handshake.intAuthInitiator, handshake.intAuthResponder);
  startLife(host, sa);
  if (!sa.originalInitiator) {
    sa.deadlines.probeAt = millis(host.now + CONFIRM_PROBE);
    sa.deadlines.confirmBy = millis(host.now + CONFIRM_BY);
  }
  const before = new Set(others.filter(stays).flatMap(({ formers }) => [...formers]));
  for (const other of others) {
    const how = { startedAt: handshake.startedAt, initialContact: claims.initialContact, hasHeir: before.has(other) };
    meetTwin(host, sa, other, how);
  }
  host.settled(sa);
  host.count("ike_established");
  if (claims.method !== undefined) host.count(`auth_v2_${claims.method}`);
  report(host, { kind: "ike-up", ike: ikeSnapshot(sa), took: millis(host.now - handshake.startedAt) });
}

function live({ suite, keys }: Pick<Handshake, "suite" | "keys">, now: Millis): Live {
  return {
    kind: "Live",
    suite,
    keys,
    establishedAt: now,
    phase: { kind: "Current" },
    own: { kind: "Idle" },
    peer: { kind: "Idle" },
    successors: [],
  };
}

/** The same for an IKE SA that came of a rekey. */
export function enliven(host: Host, sa: IkeSa, born: Pick<Handshake, "suite" | "keys">): void {
  sa.state = live(born, host.now);
  startLife(host, sa);
}

function startLife(host: Host, sa: IkeSa): void {
  const { connection } = sa.session;
  const { deadlines } = sa;
  deadlines.abandonAt = undefined;
  deadlines.rekeyAt = due(host, connection, connection.rekeyTime);
  deadlines.expireAt = hardLimit(host, connection, sa.session);
  deadlines.probeAt = connection.dpdDelay > 0 ? millis(host.now + connection.dpdDelay) : undefined;
}

/** swanctl.conf: drawn up to rand_time earlier; 0 or Infinity = never. */
function due(host: Host, { randTime }: Connection, time: Millis): Millis | undefined {
  if (!Number.isFinite(time) || time <= 0) return undefined;
  return millis(host.now + Math.max(1, time - randomBelow(host, Math.min(randTime, time))));
}

/** over_time after the first of what should have happened, for each as if it were alone (swanctl.conf over_time). */
function hardLimit(host: Host, { rekeyTime, reauthTime, overTime }: Connection, { peer }: Session): Millis | undefined {
  const times: number[] = [];
  if (Number.isFinite(rekeyTime) && rekeyTime > 0) times.push(host.now + rekeyTime);
  if (Number.isFinite(reauthTime) && reauthTime > 0)
    times.push(peer.kind === "authenticated" ? peer.at + reauthTime : host.now + reauthTime);
  return times.length === 0 || !Number.isFinite(overTime) ? undefined : millis(Math.min(...times) + overTime);
}

interface Meeting {
  /** Of the new one's handshake. */
  readonly startedAt: Millis;
  readonly initialContact: boolean;
  /** The other one's place is taken already: its heir is met in its stead. */
  readonly hasHeir: boolean;
}

/**
 * From where it is: we began both, the earlier one for what has ended since (two of ours are one too many), or what was to
 * end the earlier one ended first, and nobody else knows that it was to go.
 */
function isOneTooMany(earlier: Session, later: Session): boolean {
  if (compareAddresses(earlier.path.remote.address, later.path.remote.address) !== 0) return false;
  return (earlier.origin?.by === "us" && later.origin?.by === "us") || lostItsHeirs(earlier);
}

/**
 * RFC 7296 §2.4 and swanctl.conf `unique`. Of two that were set up at the same time, one by each side, the one with the
 * lower initiator SPI stays, and who made it deletes the other: both sides say INITIAL_CONTACT then, and mean neither.
 */
function meetTwin(host: Host, sa: IkeSa, twin: Session, { startedAt, initialContact, hasHeir }: Meeting): void {
  const { session } = sa;
  const { unique } = session.connection;
  if (session.formers.has(twin) || twin.formers.has(session)) return;
  const { current: other, peer, origin } = twin;
  if (other === undefined || peer.kind !== "authenticated" || origin === undefined) return;
  // Both sides reauthenticated at once: one heir is enough, however many beginnings may stand beside each other.
  const heirs = session.isReauthentication || twin.isReauthentication;
  const by = sa.originalInitiator ? "us" : "peer";
  if (peer.at >= startedAt && origin.by !== by && (unique !== "never" || heirs)) {
    if (!hasHeir) settleTwins(host, sa, other);
  } else if (initialContact && unique !== "never") {
    // The peer has lost it: nobody is there to be told.
    endSession(host, twin, host.sasOf(twin), "at once", "the peer started anew (INITIAL_CONTACT)");
  } else if (!hasHeir) {
    if (isOneTooMany(twin, session)) takePlaceOf(host, session, twin);
    else if (unique === "replace") other.deadlines.abandonAt = millis(host.now + REAUTH_GRACE);
  }
  host.touch(twin);
}

function settleTwins(host: Host, one: IkeSa, other: IkeSa): void {
  const [winner, loser] = firstSpi(one) < firstSpi(other) ? [one, other] : [other, one];
  loser.deadlines.abandonAt = millis(host.now + TWIN_EXPECTED);
  if (winner.session.origin?.by === "us") takePlaceOf(host, winner.session, loser.session);
  else inherit(host, winner.session, loser.session);
}

function firstSpi({ session, initiatorSpi }: IkeSa): bigint {
  return session.origin?.initiatorSpi ?? initiatorSpi;
}
