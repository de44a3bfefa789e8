/**
 * What becomes of an ISAKMP SA whose peer has proven itself: it joins the peer's line, its life begins, and that of others
 * ends.
 *
 * Of main modes that both sides began at the same time the one with the lower initiator cookie stays, and who began the other
 * deletes it. Otherwise the newer one stays, and its initiator deletes the former. The other side does so much later, should
 * the first not: both never delete different ones.
 */

import { compareAddresses } from "#core/address";
import type { Connection } from "#core/connection";
import { type Millis, millis } from "#core/units";
import { identitiesEqual } from "#crypto/identity";
import { wipe } from "#crypto/octets";
import { authenticationOf1 } from "#ike/authentications";
import { connectionNow } from "#ike/configured";
import { report } from "#ike/host";
import { addGreetings, endIsakmp } from "./delete.ts";
import { join } from "./end.ts";
import { endLine } from "./end-line.ts";
import type { Host } from "./host.ts";
import { forgetFormer, RESTARTED, wasHeldBefore } from "./initial-contact.ts";
import { renewal, shortenLife } from "./isakmp-life.ts";
import type { Claim, Handshake, IsakmpSa, Live, OwnIdentity } from "./isakmp-sa.ts";
import { move } from "./path.ts";
import type { PeerLine } from "./peer-line.ts";
import * as phase2 from "./phase2.ts";
import { isakmpSnapshot } from "./snapshot.ts";

/** Lines of one identity beside each other, where `unique` allows them. */
const MAX_TWINS = 16;
/** Of a line: a peer that begins main modes all the time has no more keys here than these. */
const MAX_SUPERSEDED = 32;
/** Of two that began at once: deleted by who began it. */
const TWIN_SETTLES = 1_000;
/** The former one of a renewal: quick modes under way over it end first. */
const OVERLAP = 10_000;
/** The other side has not deleted it: we do. */
const EXPECTED = 60_000;

/** Lines of the same two identities. */
function twins(host: Host, connection: Connection, claim: Claim, own: OwnIdentity): PeerLine[] {
  return host.registry
    .linesOf(connection.name, claim.identity)
    .filter(({ peer }) => peer.kind === "authenticated" && identitiesEqual(peer.localIdentity, own.identity));
}

function isAt(line: PeerLine, other: PeerLine): boolean {
  return compareAddresses(line.path.remote.address, other.path.remote.address) === 0;
}

/** swanctl.conf `unique = keep`, and the bound; from the same address it is the same peer's next main mode. */
export function refusesTwin(
  host: Host,
  { line }: IsakmpSa,
  connection: Connection,
  claim: Claim,
  own: OwnIdentity,
): boolean {
  const elsewhere = twins(host, connection, claim, own).filter((other) => other !== line && !isAt(other, line));
  const keeps = connection.unique === "keep" && !claim.initialContact && elsewhere.length > 0;
  return keeps || elsewhere.length >= MAX_TWINS;
}

/** Nonces end with the handshake, keys go on. */
export function establish(
  host: Host,
  sa: IsakmpSa,
  handshake: Handshake,
  claim: Claim,
  own: OwnIdentity,
  connection: Connection,
): void {
  const begun = sa.line;
  const same = twins(host, connection, claim, own);
  const home = same.includes(begun) ? begun : (same.find((other) => isAt(other, begun)) ?? begun);
  if (begun.coming === sa) begun.coming = undefined;
  if (home !== begun) {
    move(host, home, begun.path);
    host.registry.rehome(sa, home);
    join(host, begun, home);
  }
  home.connection = connectionNow(host.connections, connection);
  meetElsewhere(host, home, same, claim);
  if (home.peer.kind === "unknown") {
    const { identity: localIdentity } = own;
    home.peer = { kind: "authenticated", localIdentity, remoteIdentity: claim.identity, at: host.now };
    host.registry.know(home);
  }
  if (!sa.initiator) giveUpOwn(host, home);
  const others = host.registry.sasOf(home).filter((other) => other !== sa);
  const live = enliven(host, sa, handshake);
  if (sa.initiator) shortenLife(host, sa, live, claim.life);
  const isFirst = !same.some((other) => host.registry.holdsAnything(other, sa));
  if (sa.mode === "aggressive" && isFirst && connection.unique !== "never") addGreetings(host, sa);
  const former = home.current;
  home.current = sa;
  home.heardAt = host.now;
  if (claim.initialContact) forgetFormer(host, home, handshake.keyedAt);
  for (const other of others) meet(host, sa, live, other, handshake.startedAt, claim);
  boundSuperseded(host, home);
  host.settled(sa);
  host.count("ike_established");
  const method = authenticationOf1(handshake.suite.method);
  if (method !== undefined) host.count(`auth_v1_${method}`);
  const ike = isakmpSnapshot(sa);
  if (former === undefined) report(host, { kind: "ike-up", ike, took: millis(host.now - handshake.startedAt) });
  else if (home.current === sa)
    report(host, { kind: "ike-rekeyed", ike, former: former.id, trigger: sa.initiator ? sa.trigger : "peer" });
  phase2.onEstablished(host, sa, live);
}

/** The peer was first: what waited for our main mode goes over its. */
function giveUpOwn(host: Host, home: PeerLine): void {
  const rivals = [...host.registry.unknown].filter(
    (line) =>
      line !== home && line.coming !== undefined && line.connection.name === home.connection.name && isAt(line, home),
  );
  for (const line of [home, ...rivals]) {
    const own = line.coming;
    if (own === undefined || !isEarly(own)) continue;
    host.count("ike_collisions");
    host.destroy(own, "the peer was first");
    if (line !== home) join(host, line, home);
  }
}

/** Nothing that proves us has left. */
function isEarly({ state }: IsakmpSa): boolean {
  switch (state.kind) {
    case "New":
    case "AwaitSa":
    case "GeneratingKe":
    case "AwaitKe":
    case "AgreeingKe":
    case "AwaitAnswer":
      return true;
    case "Signing":
      return state.what.step === "main-5";
    default:
      return false;
  }
}

function enliven(host: Host, sa: IsakmpSa, { suite, keys, keyedAt, initiatorNonce, responderNonce }: Handshake): Live {
  const { line, deadlines } = sa;
  wipe(initiatorNonce, responderNonce);
  const live: Live = {
    kind: "Live",
    suite,
    keys,
    keyedAt,
    establishedAt: host.now,
    phase: { kind: "Current" },
    exchanges: new Map(),
    quickModes: 0,
    unanswered: false,
  };
  sa.state = live;
  // Main mode's last message is the responder's, aggressive mode's the initiator's.
  if (sa.initiator === (sa.mode === "main")) sa.heldSince = host.now;
  deadlines.abandonAt = undefined;
  deadlines.renewAt = renewal(host, line.connection, suite.lifeTime);
  deadlines.expireAt = Number.isFinite(suite.lifeTime) ? millis(host.now + suite.lifeTime) : undefined;
  return live;
}

/** Two of one line. */
function meet(host: Host, sa: IsakmpSa, live: Live, other: IsakmpSa, startedAt: Millis, claim: Claim): void {
  const { line } = sa;
  const { state } = other;
  if (state.kind !== "Live" || state.phase.kind === "Closing") return;
  const isCurrent = state.phase.kind === "Current";
  const atOnce = isCurrent && state.establishedAt >= startedAt && other.initiator !== sa.initiator;
  if (atOnce) {
    host.count("ike_collisions");
    const stays = other.initiatorCookie < sa.initiatorCookie ? other : sa;
    const goes = stays === sa ? other : sa;
    line.current = stays;
    supersede(host, goes, goes === sa ? live : state, millis(host.now + (goes.initiator ? TWIN_SETTLES : EXPECTED)));
    return;
  }
  // RFC 2407 §4.6.3.3: the peer has lost it, and nobody is there to be told.
  if (claim.initialContact && wasHeldBefore(other, live.keyedAt)) {
    host.destroy(other, RESTARTED);
    return;
  }
  supersede(host, other, state, millis(host.now + (sa.initiator ? OVERLAP : EXPECTED)));
}

function supersede(host: Host, sa: IsakmpSa, live: Live, retireAt: Millis): void {
  if (live.phase.kind === "Superseded") return;
  live.phase = { kind: "Superseded", at: host.now };
  sa.deadlines.renewAt = undefined;
  sa.deadlines.retireAt = retireAt;
}

/** The oldest end before their time. */
function boundSuperseded(host: Host, line: PeerLine): void {
  const superseded = host.registry.sasOf(line).flatMap((sa) => {
    const { state } = sa;
    return state.kind === "Live" && state.phase.kind === "Superseded" ? [{ sa, at: state.phase.at }] : [];
  });
  superseded.sort((one, other) => one.at - other.at);
  for (const { sa } of superseded.slice(0, Math.max(0, superseded.length - MAX_SUPERSEDED))) {
    endIsakmp(host, sa, "too many newer ones took its place");
  }
}

/** The same peer at another address (swanctl.conf `unique`). */
function meetElsewhere(host: Host, home: PeerLine, same: readonly PeerLine[], claim: Claim): void {
  const { unique } = home.connection;
  if (unique === "never") return;
  for (const other of same) {
    if (other === home) continue;
    if (claim.initialContact) endLine(host, other, "silently", RESTARTED);
    else if (unique === "replace") endLine(host, other, "tell", "the peer is at another address");
  }
}

/** The ISAKMP SA that quick modes went over is gone: the newest of the others is what the line has. */
export function promote(host: Host, line: PeerLine): void {
  if (line.current !== undefined && line.current.state.kind === "Live") return;
  line.current = undefined;
  let newest: { readonly sa: IsakmpSa; readonly live: Live } | undefined;
  for (const sa of host.registry.sasOf(line)) {
    const { state } = sa;
    if (state.kind !== "Live" || state.phase.kind === "Closing") continue;
    if (newest === undefined || state.establishedAt > newest.live.establishedAt) newest = { sa, live: state };
  }
  if (newest === undefined) {
    if (line.pairs.size > 0 && line.dpd.at === undefined) line.dpd.heard(line.connection.dpdDelay, host.now);
    return;
  }
  const { sa, live } = newest;
  live.phase = { kind: "Current" };
  sa.deadlines.retireAt = undefined;
  sa.deadlines.renewAt = renewal(host, line.connection, millis(live.suite.lifeTime - (host.now - live.establishedAt)));
  line.current = sa;
  // Whoever was asked over the former one is to be asked over this one.
  line.dpd.heard(line.connection.dpdDelay, host.now);
}
