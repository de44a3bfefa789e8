/**
 * What becomes of key exchanges that are complete: the new Child SA or IKE SA takes over, and of two that both sides made
 * at once one survives (RFC 7296 §2.8.1, §2.8.2). The one with the lowest of the four nonces goes, deleted by its maker;
 * the former one is deleted by the maker of the survivor.
 *
 *   A                                        B
 *   {N(REKEY_SA), SAi, Ni1, …}  -->     <--  {N(REKEY_SA), SAi, Ni2, …}
 *                               <--     -->  {SAr, Nr2, …} and {SAr, Nr1, …}
 *   lowest nonce is A's: {D(own new)} -->    <-- {D(former)}
 */
import type { Trigger } from "#core/ike-state";
import { millis } from "#core/units";
import { wipe } from "#crypto/octets";
import { report } from "#ike/host";
import { rekeyedIkeKeys } from "#ike/keymat";
import { Channel } from "./channel.ts";
import { compareNonces, installChild, lowestNonce } from "./child-sa.ts";
import { closeIke, dropOwn, removeChild, retireChild, useChild } from "./end.ts";
import { enliven } from "./establish.ts";
import type { Host } from "./host.ts";
import { applyKeys, type ChildPlan, type IkePlan, IkeSa, type KeyRun, wipeRun } from "./ike-sa.ts";
import { type Child, hasHeir, isKept, type Session } from "./session.ts";
import { ikeSnapshot } from "./snapshot.ts";

/** The peer deletes what its own rekey replaced within this, else we do. */
const DELETE_EXPECTED = millis(60_000);
/** Two pairs of one child, one by each side, that came within this are one too many. */
const MADE_AT_ONCE = 30_000;

/** The whole key material is there; wipes it. */
export function settle(host: Host, sa: IkeSa, run: KeyRun): void {
  if (run.plan.kind === "child") settleChild(host, sa, run.plan, run.shared);
  else settleIke(host, sa, run.plan, run.shared);
  wipeRun(run);
}

// ── Child SAs ────────────────────────────────────────────────────────────────────────────────────────────────────────

function settleChild(host: Host, sa: IkeSa, plan: ChildPlan, shared: readonly Uint8Array[]): void {
  const { session } = sa;
  const child = installChild(host, sa, plan, shared);
  const former = plan.replaces;
  if (plan.by === "us" && sa.deletedEarly.has(plan.outboundSpi)) {
    removeChild(host, session, child, true, "the peer deleted it before its answer came");
    return;
  }
  if (former === undefined) {
    resolveTwins(host, session, child);
    return;
  }
  former.successors.push({ to: child, by: plan.by, lowestNonce: lowestNonce(plan) });
  const trigger = plan.by === "us" ? plan.trigger : "peer";
  report(host, { kind: "rekey", ...names(session, child), trigger, result: "done" });
  resolveChildren(host, session, former);
  // Our request was under way when the former one lost against the peer's.
  if (plan.by === "us" && !isKept(former) && hasTwin(session, child))
    remove(host, session, child, "it replaced a redundant one");
}

/** Another pair of the same child stays; what the two came from does not count. */
function hasTwin({ children }: Session, child: Child): boolean {
  for (const other of children.values())
    if (other !== child && other.config.name === child.config.name && isKept(other) && !hasHeir(other)) return true;
  return false;
}

function names({ connection }: Session, { config }: Child): { readonly connection: string; readonly child: string } {
  return { connection: connection.name, child: config.name };
}

function resolveChildren(host: Host, session: Session, former: Child): void {
  // One that was rekeyed again already stood: its exchange counts.
  // What a reauthentication made of it has no nonces, and is no rekey.
  const rekeys = former.successors.filter(({ lowestNonce }) => lowestNonce.length > 0);
  const stood = rekeys.filter(({ to }) => isKept(to) || hasHeir(to));
  const ours = stood.find(({ by }) => by === "us");
  const theirs = stood.find(({ by }) => by === "peer");
  if (ours === undefined || theirs === undefined) return;
  host.count("child_collisions");
  // Both sides see the same four nonces; each removes what it made and lost.
  if (compareNonces(ours.lowestNonce, theirs.lowestNonce) > 0) {
    for (const child of line(theirs.to)) leave(host, session, child);
    return;
  }
  const reason = "both sides rekeyed at once; the peer's stays";
  report(host, { kind: "rekey", ...names(session, former), trigger: "peer", result: "redundant" });
  // Nobody else says so if the peer deleted the former one before we knew of both.
  if (former.state.kind === "Gone") useChild(host, theirs.to);
  for (const child of line(ours.to)) remove(host, session, child, reason);
}

/** A pair, and all that it was replaced by. */
function line(child: Child): Child[] {
  return [child, ...child.successors.flatMap(({ to }) => line(to))];
}

/** Both sides made the same child at once: the same rule. */
function resolveTwins(host: Host, session: Session, child: Child): void {
  for (const other of session.children.values()) {
    const same = other !== child && other.config.name === child.config.name && isKept(other);
    if (!same || other.by === child.by || other.madeAt + MADE_AT_ONCE < child.madeAt) continue;
    host.count("child_collisions");
    const loser = compareNonces(other.lowestNonce, child.lowestNonce) < 0 ? other : child;
    if (loser.by === "us") remove(host, session, loser, "both sides made it at once; the peer's stays");
    else leave(host, session, loser);
  }
}

function leave(host: Host, session: Session, child: Child): void {
  if (child.state.kind !== "Installed") return;
  child.state = { kind: "Installed", outbound: "redundant" };
  const reason = "redundant, and the peer did not delete it";
  session.add({ kind: "delete-child", child, reason }, "close", millis(host.now + DELETE_EXPECTED));
}

function remove(host: Host, session: Session, child: Child, reason: string): void {
  if (child.state.kind !== "Installed") return;
  retireChild(host, session, child, true, reason);
  session.addFirst({ kind: "delete-child", child, reason }, "close", host.now);
}

// ── IKE SAs ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function settleIke(host: Host, former: IkeSa, plan: IkePlan, shared: readonly Uint8Array[]): void {
  const { state, session } = former;
  if (state.kind !== "Live") {
    wipe(...shared);
    return;
  }
  const { initiatorSpi, responderSpi, suite } = plan;
  const originalInitiator = plan.by === "us";
  const channel = new Channel(host.world.random, originalInitiator);
  const sa = new IkeSa({ id: host.nextId(), session, originalInitiator, initiatorSpi, responderSpi, channel });
  const keys = rekeyedIkeKeys(plan, state.keys, shared);
  wipe(...shared);
  applyKeys(host, sa, suite, keys);
  const { fragments } = former.channel;
  if (fragments !== "none") sa.channel.allowFragments(fragments);
  enliven(host, sa, { suite, keys });
  host.add(sa);
  state.successors.push({ to: sa, by: plan.by, lowestNonce: lowestNonce(plan) });
  resolveIke(host, former, plan.by === "us" ? plan.trigger : "peer");
}

/** Whether our own rekey of this IKE SA, or the peer's, is still under way. */
function rekeying(sa: IkeSa, who: "us" | "peer"): boolean {
  const { state } = sa;
  if (state.kind !== "Live") return false;
  if (who === "us")
    return state.own.kind !== "GeneratingKe" && "task" in state.own && state.own.task.work.kind === "rekey-ike";
  return state.peer.kind !== "Idle" && state.peer.run.plan.kind === "ike";
}

/** Called after each of the two is complete, or has failed. */
export function resolveIke(host: Host, former: IkeSa, trigger: Trigger): void {
  const { state } = former;
  if (state.kind !== "Live") return;
  const alive = state.successors.filter(({ to }) => to.state.kind === "Live");
  const ours = alive.find(({ by }) => by === "us");
  const theirs = alive.find(({ by }) => by === "peer");
  if (ours !== undefined && theirs !== undefined) {
    host.count("ike_collisions");
    const weLose = compareNonces(ours.lowestNonce, theirs.lowestNonce) < 0;
    adopt(host, former, weLose ? theirs.to : ours.to, trigger);
    if (weLose) {
      expectDelete(host, former);
      closeIke(host, ours.to, "both sides rekeyed at once; the peer's stays");
    } else {
      expectDelete(host, theirs.to);
      closeIke(host, former, "rekeyed");
    }
    return;
  }
  if (ours !== undefined && !rekeying(former, "peer")) {
    adopt(host, former, ours.to, trigger);
    closeIke(host, former, "rekeyed");
  } else if (theirs !== undefined && !rekeying(former, "us")) {
    adopt(host, former, theirs.to, trigger);
    expectDelete(host, former);
  }
}

/** All that hung on the former IKE SA goes on over the next. */
export function adopt(host: Host, former: IkeSa, next: IkeSa, trigger: Trigger): void {
  const { session } = former;
  if (session.current === next) return;
  session.current = next;
  rescueTask(host, former);
  session.tasks = session.tasks.filter(({ work }) => work.kind !== "rekey-ike");
  const { deadlines } = former;
  // What was to end ends with its heir.
  next.deadlines.abandonAt = deadlines.abandonAt;
  deadlines.abandonAt = undefined;
  deadlines.rekeyAt = undefined;
  deadlines.probeAt = undefined;
  deadlines.confirmBy = undefined;
  if (former.state.kind === "Live" && former.state.phase.kind === "Current") former.state.phase = { kind: "Rekeyed" };
  host.count("ike_rekeyed");
  report(host, { kind: "ike-rekeyed", ike: ikeSnapshot(next), former: former.id, trigger });
  if (former.state.kind === "Live" && former.state.phase.kind === "Closing")
    closeIke(host, next, former.state.phase.reason);
}

/** What we were about to ask over the former one is asked over the next. */
function rescueTask(host: Host, former: IkeSa): void {
  const { state, session } = former;
  if (state.kind !== "Live" || state.own.kind !== "GeneratingKe") return;
  session.tasks.unshift(state.own.task);
  dropOwn(host, former);
}

function expectDelete(host: Host, sa: IkeSa): void {
  if (sa.state.kind !== "Live") return;
  if (sa.state.phase.kind === "Current") sa.state.phase = { kind: "Rekeyed" };
  sa.deadlines.rekeyAt = undefined;
  sa.deadlines.probeAt = undefined;
  sa.deadlines.abandonAt = millis(host.now + DELETE_EXPECTED);
}

/** An IKE SA went away without a delete of ours: the successor that is there carries on. */
export function heirOf(former: IkeSa): IkeSa | undefined {
  const { state } = former;
  if (state.kind !== "Live") return undefined;
  const alive = state.successors.filter(({ to }) => to.state.kind === "Live");
  return (alive.find(({ by }) => by === "peer") ?? alive[0])?.to;
}
