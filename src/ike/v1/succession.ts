/**
 * Which of several pairs of one child stays. Quick mode does not say what it replaces; the same child and selectors do. Of two
 * that both sides made at once the one with the lowest of the four nonces goes, deleted by its maker, as in version 2; another
 * implementation knows no such rule and keeps both, so the loser goes only after the winner has taken its place.
 *
 *   A                                     B
 *   HDR*, HASH(1), SA, Ni, …   -->   <--  HDR*, HASH(1), SA, Ni', …
 *   HASH(2) and HASH(3) of both
 *   lowest nonce is A's: {D(own new)} -->      <-- {D(former)}
 */

import { millis } from "#core/units";
import type { EndCause } from "#ike/effects";
import { type Host, report } from "./host.ts";
import { compareNonces, hasHeir, isKept, type Pair, sameTerms } from "./pairs.ts";
import type { PeerLine } from "./peer-line.ts";

/** Until a pair of ours that lost is deleted: the peer's packets are on the other one by then. */
const LOSER_STAYS = 2_000;
/** The peer deletes its own loser within this, else we do. */
const DELETE_EXPECTED = 60_000;
/** Two new pairs of one child, one by each side, that came within this are one too many. */
const MADE_AT_ONCE = 30_000;

function names({ connection }: PeerLine, { config }: Pair): { readonly connection: string; readonly child: string } {
  return { connection: connection.name, child: config.name };
}

/** A pair stands beside what it replaces, or beside a twin; both sides come to the same end. */
export function settle(host: Host, line: PeerLine, pair: Pair, former: Pair | undefined): void {
  if (former === undefined) {
    resolveTwins(host, line, pair);
    return;
  }
  former.successors.push({ to: pair, by: pair.by });
  const stood = former.successors.filter(({ to }) => isKept(to) || hasHeir(to));
  const ours = stood.find(({ by }) => by === "us")?.to;
  const theirs = stood.find(({ by }) => by === "peer")?.to;
  if (ours === undefined || theirs === undefined) return;
  resolve(host, line, ours, theirs);
  // Nobody else says so if the peer deleted the former one before we knew of both.
  if (former.state.kind === "Gone") for (const { to } of former.successors) usePair(host, to);
}

function resolveTwins(host: Host, line: PeerLine, pair: Pair): void {
  for (const other of line.pairs.values()) {
    if (other === pair || other.by === pair.by || !isKept(other) || hasHeir(other) || !sameTerms(other, pair)) continue;
    if (other.madeAt + MADE_AT_ONCE < pair.madeAt) continue;
    const [ours, theirs] = pair.by === "us" ? [pair, other] : [other, pair];
    resolve(host, line, ours, theirs);
  }
}

function resolve(host: Host, line: PeerLine, ours: Pair, theirs: Pair): void {
  host.count("child_collisions");
  if (compareNonces(ours.lowestNonce, theirs.lowestNonce) > 0) {
    leave(host, line, theirs);
    return;
  }
  report(host, { kind: "rekey", ...names(line, ours), trigger: "peer", result: "redundant" });
  const reason = "both sides made it at once; the peer's stays";
  addDelete(host, line, ours, reason, LOSER_STAYS);
}

/** The peer's half, which it deletes itself. */
function leave(host: Host, line: PeerLine, pair: Pair): void {
  if (pair.state.kind !== "Installed") return;
  pair.state = { kind: "Installed", outbound: "redundant" };
  addDelete(host, line, pair, "redundant, and the peer did not delete it", DELETE_EXPECTED);
}

export function addDelete(host: Host, line: PeerLine, pair: Pair, reason: string, after: number): void {
  const queued = line.tasks.some(({ work }) => work.kind === "delete-pair" && work.pair === pair);
  if (queued) return;
  const notBefore = millis(host.now + after);
  line.tasks.unshift({ work: { kind: "delete-pair", pair, reason }, trigger: "close", tries: 0, notBefore });
  host.touch(line);
}

/**
 * The peer has the pair. One that replaces another is not used for that alone: it may be a spare, made ahead of need. The
 * peer's first packet on it, the end of what it replaces, or the director says when.
 */
export function provePair(host: Host, line: PeerLine, pair: Pair): void {
  pair.proven = true;
  for (const one of line.pairs.values()) if (isKept(one) && one.successors.some(({ to }) => to === pair)) return;
  usePair(host, pair);
}

/** The peer is known to have the pair: we send on it. */
export function usePair(host: Host, pair: Pair): void {
  if (pair.state.kind !== "Installed") return;
  pair.proven = true;
  if (pair.state.outbound !== "later") return;
  pair.state = { kind: "Installed", outbound: "used" };
  host.emit({ kind: "use-child-sa", id: pair.id });
}

/** Nothing is sent on it any more; what it was replaced by comes into use, or somebody hears that it is down. */
export function retirePair(
  host: Host,
  line: PeerLine,
  pair: Pair,
  drain: boolean,
  reason: string,
  cause: EndCause = "close",
): void {
  if (pair.state.kind !== "Installed") return;
  pair.state = { kind: "Deleting" };
  for (const { to } of pair.successors) if (isKept(to)) usePair(host, to);
  line.tasks = line.tasks.filter(({ work }) => !(work.kind === "replace-pair" && work.pair === pair));
  host.count("child_deleted");
  host.emit({ kind: "remove-child-sa", id: pair.id, drain, cause, reason });
  if (hasHeir(pair) || hasTwin(line, pair)) return;
  report(host, { kind: "child-down", ...names(line, pair), reason });
}

function hasTwin(line: PeerLine, pair: Pair): boolean {
  for (const twin of line.pairs.values()) if (twin !== pair && isKept(twin) && sameTerms(twin, pair)) return true;
  return false;
}

/** Takes a pair out for good; the peer is not told. */
export function removePair(
  host: Host,
  line: PeerLine,
  pair: Pair,
  drain: boolean,
  reason: string,
  cause: EndCause = "close",
): void {
  if (pair.state.kind === "Gone") return;
  retirePair(host, line, pair, drain, reason, cause);
  pair.state = { kind: "Gone" };
  line.pairs.delete(pair.id);
  host.registry.disown(pair.id);
  line.tasks = line.tasks.filter(({ work }) => !(work.kind === "delete-pair" && work.pair === pair));
}
