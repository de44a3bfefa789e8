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
import { report } from "#ike/host";
import type { Host } from "./host.ts";
import { compareNonces, hasHeir, isKept, type Pair, sameTerms } from "./pairs.ts";
import type { PeerLine } from "./peer-line.ts";
import type { Pardon, Task } from "./tasks.ts";

/** Until a pair of ours that lost is deleted: the peer's packets are on the other one by then. */
const LOSER_STAYS = 2_000;
/** The peer deletes its own loser within this, else we do. */
const DELETE_EXPECTED = 60_000;
/** Pairs of one purpose that came within this: the one with the lowest nonce goes; else the older one does. */
export const MADE_AT_ONCE = 30_000;

function names({ connection }: PeerLine, { config }: Pair): { readonly connection: string; readonly child: string } {
  return { connection: connection.name, child: config.name };
}

/** A pair stands beside what it replaces, and perhaps beside twins of one purpose; both sides come to the same end. */
export function settle(host: Host, line: PeerLine, pair: Pair, former: Pair | undefined): void {
  former?.successors.push({ to: pair, by: pair.by });
  // The peer may have lost the former one, so that nobody else ends it.
  if (former !== undefined && pair.by === "peer")
    addDelete(host, line, former, "replaced, and the peer did not delete it", DELETE_EXPECTED, "heirless");
  for (const other of line.pairs.values()) {
    if (other === pair || other === former || !isKept(other) || hasHeir(other) || isDoomed(line, other)) continue;
    if (!sameTerms(other, pair)) continue;
    resolve(host, line, other, pair);
    if (!isKept(pair) || isDoomed(line, pair)) break;
  }
  // Nobody else says so if the peer deleted the former one before we knew of both.
  if (former?.state.kind === "Gone") for (const { to } of former.successors) takeOver(host, to);
}

/** Its delete is a matter of time. */
export function isDoomed({ tasks }: PeerLine, pair: Pair): boolean {
  return tasks.some(({ work }) => {
    if (work.kind !== "delete-pair" || work.pair !== pair || work.unless === "proven") return false;
    return work.unless !== "kept" || !isKept(pair);
  });
}

function resolve(host: Host, line: PeerLine, older: Pair, newer: Pair): void {
  host.count("child_collisions");
  const atOnce = older.madeAt + MADE_AT_ONCE >= newer.madeAt;
  const goes = atOnce && compareNonces(older.lowestNonce, newer.lowestNonce) > 0 ? newer : older;
  if (goes.by === "peer") {
    leave(host, line, goes);
    return;
  }
  report(host, { kind: "rekey", ...names(line, goes), trigger: "peer", result: "redundant" });
  addDelete(
    host,
    line,
    goes,
    goes === older ? "a newer one took its place" : "another one made at once stays",
    LOSER_STAYS,
  );
}

/** The peer's half, which it deletes itself. */
function leave(host: Host, line: PeerLine, pair: Pair): void {
  if (pair.state.kind !== "Installed") return;
  pair.state = { kind: "Installed", outbound: "redundant" };
  addDelete(host, line, pair, "redundant, and the peer did not delete it", DELETE_EXPECTED, "kept");
}

/** The peer's half of a collision whose other half is gone: the peer sends on it, and so do we. */
function revive(host: Host, line: PeerLine, gone: Pair): boolean {
  const isToEnd = (pair: Pair) =>
    line.tasks.some(({ work }) => work.kind === "delete-pair" && work.pair === pair && work.unless === "never");
  const pair = [...line.pairs.values()].findLast(
    (one) => one.state.kind === "Installed" && !isKept(one) && sameTerms(one, gone) && !isToEnd(one),
  );
  if (pair === undefined) return false;
  pair.state = { kind: "Installed", outbound: "later" };
  takeOver(host, pair);
  return true;
}

/** In so many milliseconds; a delete that comes sooner takes the place of one that comes later, unless it may be pardoned. */
export function addDelete(
  host: Pick<Host, "now" | "touch">,
  line: PeerLine,
  pair: Pair,
  reason: string,
  after: number,
  unless: Pardon = "never",
): void {
  const notBefore = millis(host.now + after);
  const covers = (one: Pardon, other: Pardon) => one === "never" || one === other;
  const kept: Task[] = [];
  for (const task of line.tasks) {
    const isOf = task.work.kind === "delete-pair" && task.work.pair === pair;
    if (isOf && task.notBefore <= notBefore && covers(task.work.unless, unless)) return;
    if (!isOf || task.notBefore < notBefore || !covers(unless, task.work.unless)) kept.push(task);
  }
  line.tasks = kept;
  const work = { kind: "delete-pair", pair, reason, unless } as const;
  line.tasks.unshift({ work, trigger: "close", tries: 0, notBefore });
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

/** The peer said CONNECTED, of a quick mode of ours: the director switches what replaces another. */
export function confirmPair(host: Host, line: PeerLine, pair: Pair): void {
  provePair(host, line, pair);
  if (pair.state.kind !== "Installed" || pair.state.outbound !== "later") return;
  pair.state = { kind: "Installed", outbound: "used" };
  host.emit({ kind: "confirm-child-sa", id: pair.id });
}

/** The peer is known to have the pair: we send on it. */
export function usePair(host: Host, pair: Pair): void {
  if (pair.state.kind !== "Installed") return;
  pair.proven = true;
  takeOver(host, pair);
}

/**
 * We send on it, and do not know more of it than before: the peer may end all of its pairs, and not have this one. Also before
 * CONNECTED: nothing else is left to send on, and a peer that asked for it has its inbound SA since message 2 (RFC 2408 §3.1).
 */
function takeOver(host: Host, pair: Pair): void {
  if (pair.state.kind !== "Installed" || pair.state.outbound !== "later") return;
  pair.state = { kind: "Installed", outbound: "used" };
  host.emit({ kind: "use-child-sa", id: pair.id });
}

/** Nothing is sent on it any more; what it was replaced by comes into use, or somebody hears that it is down. */
function retirePair(
  host: Host,
  line: PeerLine,
  pair: Pair,
  drain: boolean,
  reason: string,
  cause: EndCause = "close",
): void {
  if (pair.state.kind !== "Installed") return;
  pair.state = { kind: "Deleting" };
  for (const { to } of pair.successors) if (isKept(to)) takeOver(host, to);
  line.tasks = line.tasks.filter(({ work }) => !(work.kind === "replace-pair" && work.pair === pair));
  host.count("child_deleted");
  host.emit({ kind: "remove-child-sa", id: pair.id, drain, cause, reason });
  // The director ends what it sees replaced; what was replaced twice before it looked has nobody else.
  for (const former of line.pairs.values())
    if (isKept(former) && former.successors.some(({ to }) => to === pair) && hasHeir(former))
      addDelete(host, line, former, "what took its place was replaced", DELETE_EXPECTED, "heirless");
  if (hasHeir(pair) || hasTwin(line, pair) || revive(host, line, pair)) return;
  report(host, { kind: "child-down", ...names(line, pair), reason });
}

/** Another one for the same packets stays. */
export function hasTwin(line: PeerLine, pair: Pair): boolean {
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
