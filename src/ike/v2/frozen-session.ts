/** A session as plain data: its IKE SAs, and sessions that take its place or whose place it takes, by number. */
import type { Trigger } from "#core/ike-state";
import type { ConfiguredNames, FrozenConnection } from "#ike/frozen-names";
import {
  type Children,
  type FrozenChild,
  type FrozenTask,
  freezeChild,
  freezeTask,
  thawChild,
  thawTask,
} from "./frozen-child.ts";
import { type Child, Session } from "./session.ts";

type Carried = "path" | "peer" | "origin" | "heardAt" | "hintedAt" | "attempt" | "unreachable" | "additional";

export interface FrozenSession extends Readonly<Pick<Session, "id" | "isReauthentication" | Carried>> {
  readonly trigger: Trigger;
  readonly connection: FrozenConnection;
  /** Ids; some may be gone. */
  readonly formers: readonly number[];
  readonly heirs: readonly number[];
  /** Of the IKE SA that new exchanges go over. */
  readonly current: number | undefined;
  readonly children: readonly FrozenChild[];
  /** That no session has any more, and that something still names. */
  readonly pastChildren: readonly FrozenChild[];
  readonly tasks: readonly FrozenTask[];
}

export function freezeSession(session: Session, past: readonly Child[], names: ConfiguredNames): FrozenSession {
  const { connection } = session;
  // Field by field: rest and spread cost several times as much, and nothing passes meanwhile.
  return {
    id: session.id,
    isReauthentication: session.isReauthentication,
    trigger: session.trigger,
    path: session.path,
    peer: session.peer,
    origin: session.origin,
    heardAt: session.heardAt,
    hintedAt: session.hintedAt,
    attempt: session.attempt,
    unreachable: session.unreachable,
    additional: session.additional,
    connection: names.freeze(connection),
    formers: Array.from(session.formers, (former) => former.id),
    heirs: Array.from(session.heirs, (heir) => heir.id),
    current: session.current?.id,
    children: Array.from(session.children.values(), (child) => freezeChild(child, connection)),
    pastChildren: past.map((child) => freezeChild(child, connection)),
    tasks: session.tasks.map((task) => freezeTask(task, connection)),
  };
}

/** With its children; `linkSession` adds what names others. All its children go into `children`. */
export function thawSession(frozen: FrozenSession, names: ConfiguredNames, children: Map<number, Child>): Session {
  const { id, path, trigger, heardAt: now, isReauthentication } = frozen;
  const connection = names.thaw(frozen.connection);
  const reauthenticates = isReauthentication ? "thawed" : undefined;
  const session = new Session({ id, connection, path, trigger, now, reauthenticates });
  session.peer = frozen.peer;
  session.origin = frozen.origin;
  session.hintedAt = frozen.hintedAt;
  session.attempt = frozen.attempt;
  session.unreachable = frozen.unreachable;
  session.additional = frozen.additional;
  for (const one of [...frozen.children, ...frozen.pastChildren]) children.set(one.id, thawChild(one, connection));
  for (const one of frozen.children) {
    const child = children.get(one.id);
    if (child !== undefined) session.children.set(child.id, child);
  }
  return session;
}

export function linkSession(
  session: Session,
  frozen: FrozenSession,
  sessions: ReadonlyMap<number, Session>,
  children: Children,
): void {
  for (const id of frozen.formers) {
    const former = sessions.get(id);
    if (former !== undefined) session.formers.add(former);
  }
  for (const id of frozen.heirs) session.heirs.add(sessions.get(id) ?? ended(id, session));
  session.tasks = frozen.tasks.map((task) => thawTask(task, session.connection, children));
}

/** That all heirs of a session are gone says something: lostItsHeirs. */
function ended(id: number, { connection, path, trigger, heardAt: now }: Session): Session {
  return new Session({ id, connection, path, trigger, now, reauthenticates: undefined });
}
