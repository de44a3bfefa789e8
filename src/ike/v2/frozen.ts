/** Version 2's state as plain data: sessions, IKE SAs and Child SAs in three lists that name each other by number. */
import type { Endpoint } from "#core/address";
import type { Connection } from "#core/connection";
import type { RandomSource } from "#core/ports";
import { type Millis, millis } from "#core/units";
import type { Attempt } from "#ike/attempts";
import { ConfiguredNames } from "#ike/frozen-names";
import { childOfTask, linkChild } from "./frozen-child.ts";
import {
  type FrozenIkeSa,
  freezeIkeSa,
  isBeingSetUp,
  isSettled,
  linkIkeSa,
  thawIkeSa,
  wipeIkeSa,
} from "./frozen-ike-sa.ts";
import { type FrozenSession, freezeSession, linkSession, thawSession } from "./frozen-session.ts";
import { type FrozenSetups, freezeSetups } from "./frozen-setups.ts";
import { isAlive } from "./heirs.ts";
import type { IkeSa } from "./ike-sa.ts";
import type { Registry } from "./registry.ts";
import type { Child, Session } from "./session.ts";

export interface FrozenIkev2 extends FrozenSetups {
  readonly sessions: readonly FrozenSession[];
  readonly sas: readonly FrozenIkeSa[];
  readonly attempts: readonly Attempt[];
  readonly localEndpoints: readonly Endpoint[];
}

type Established = Pick<FrozenIkev2, "sessions" | "sas" | keyof FrozenSetups>;

/** After it was written, or thawed: the keys in it. */
export function wipeFrozenIkev2({ sas }: FrozenIkev2): void {
  for (const sa of sas) wipeIkeSa(sa);
}

export function countUnsettled(registry: Registry): number {
  return count(registry, (sa) => !isSettled(sa));
}

export function countSettingUp(registry: Registry): number {
  return count(registry, isBeingSetUp);
}

function count(registry: Registry, counts: (sa: IkeSa) => boolean): number {
  let found = 0;
  for (const sa of registry.sas) if (counts(sa)) found++;
  return found;
}

// ── freeze ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export function freezeEstablished(registry: Registry, connections: readonly Connection[]): Established {
  const names = new ConfiguredNames(connections);
  const all = [...registry.sas];
  const leftOut = all.filter(isBeingSetUp);
  const carried = all.filter((sa) => !isBeingSetUp(sa));
  const kept = new Set(carried.map(({ session }) => session));
  const sessions = [...registry.sessions].filter((session) => kept.has(session));
  const named = new Set(sessions.flatMap(({ children }) => [...children.keys()]));
  return {
    sessions: sessions.map((session) => {
      const past = pastChildren(session, registry.sasOf(session), named);
      return freezeSession(session, past, names);
    }),
    sas: carried.map((sa) => freezeIkeSa(sa, registry.initOf(sa))),
    ...freezeSetups(leftOut),
  };
}

/** Those that are named here, in one way or another, and not in `named`, which takes them up. */
function pastChildren(session: Session, sas: readonly IkeSa[], named: Set<number>): Child[] {
  const tasks = [...session.tasks];
  const reached: Child[] = [...session.children.values()];
  for (const { state } of sas) {
    if (state.kind !== "Live") continue;
    if ("task" in state.own) tasks.push(state.own.task);
    if (state.own.kind === "AwaitDeleteChildResponse") reached.push(state.own.child);
  }
  reached.push(...tasks.flatMap((task) => childOfTask(task) ?? []));
  const past: Child[] = [];
  for (let child = reached.pop(); child !== undefined; child = reached.pop()) {
    const isNew = !named.has(child.id);
    if (isNew) {
      named.add(child.id);
      past.push(child);
    }
    if (isNew || session.children.has(child.id))
      reached.push(...child.successors.map(({ to }) => to).filter(({ id }) => !named.has(id)));
  }
  return past;
}

// ── thaw ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Into a registry that has nothing yet. */
export function thawEstablished(
  frozen: Established,
  registry: Registry,
  connections: readonly Connection[],
  world: { readonly random: RandomSource },
  now: Millis,
): void {
  const names = new ConfiguredNames(connections);
  const children = new Map<number, Child>();
  const sessions = new Map(frozen.sessions.map((one) => [one.id, thawSession(one, names, children)]));
  for (const one of frozen.sessions) {
    for (const child of [...one.children, ...one.pastChildren]) linkChild(children, child);
    const session = sessions.get(one.id);
    if (session !== undefined) linkSession(session, one, sessions, children);
  }
  const sas = new Map<number, IkeSa>();
  for (const one of frozen.sas) {
    const session = sessions.get(one.session);
    if (session === undefined) continue;
    const sa = thawIkeSa(one, session, children, world);
    sas.set(sa.id, sa);
    registry.add(sa);
    if (one.init !== undefined) registry.rememberKey(sa, one.init);
  }
  for (const one of frozen.sas) {
    const sa = sas.get(one.id);
    if (sa !== undefined) linkIkeSa(sa, one, sas);
  }
  register(frozen.sessions, registry, sessions, sas);
  for (const id of frozen.interrupted) reauthenticate(sessions.get(id), now);
}

function register(
  frozen: readonly FrozenSession[],
  registry: Registry,
  sessions: ReadonlyMap<number, Session>,
  sas: ReadonlyMap<number, IkeSa>,
): void {
  const byAge = [...frozen].sort((one, other) => provenAt(one) - provenAt(other));
  for (const { id, current } of byAge) {
    const session = sessions.get(id);
    if (session === undefined) continue;
    session.current = current === undefined ? undefined : sas.get(current);
    registry.peers.add(session);
    for (const child of session.children.keys()) registry.own(child, session);
  }
}

/** The order in which twins are met. */
function provenAt({ peer }: FrozenSession): number {
  return peer.kind === "authenticated" ? peer.at : 0;
}

function reauthenticate(session: Session | undefined, now: Millis): void {
  if (session === undefined || !isAlive(session) || session.peer.kind !== "authenticated") return;
  session.peer = { ...session.peer, reauthAt: millis(Math.min(session.peer.reauthAt ?? now, now)) };
}
