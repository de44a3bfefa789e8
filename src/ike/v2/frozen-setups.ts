/** IKE SAs that are being set up are not carried: what they were for is, so that it begins again. */
import type { Spi } from "#core/units";
import type { Attempt } from "#ike/attempts";
import { offeredSpi } from "./end.ts";
import { isAlive } from "./heirs.ts";
import type { IkeSa, IkeSaState } from "./ike-sa.ts";
import { hasChild, type PacketSelectors, type Session, type Task } from "./session.ts";

export interface FrozenSetups {
  /** What they offered: whoever thaws gives it back. */
  readonly offered: readonly Spi[];
  /** Sessions whose reauthentication they were: it begins again. */
  readonly interrupted: readonly number[];
  /** Children asked of reauthentications, which have no attempt of their own. */
  readonly wanted: readonly Attempt[];
  /** Packets that asked, by connection and child. */
  readonly packets: ReadonlyMap<string, PacketSelectors>;
}

export function freezeSetups(leftOut: readonly IkeSa[]): FrozenSetups {
  return {
    offered: leftOut.flatMap(({ state }) => offeredSpi(state) ?? []),
    interrupted: leftOut.flatMap(({ session }) => [...session.formers].map(({ id }) => id)),
    wanted: leftOut.filter(({ session }) => session.isReauthentication).flatMap((sa) => wantedOf(sa) ?? []),
    packets: new Map(leftOut.flatMap((sa) => asked(sa).flatMap(({ work }) => packetOf(sa.session, work) ?? []))),
  };
}

/** As an attempt; undefined: the sessions that are reauthenticated have all that is wanted, or nothing is. */
function wantedOf(sa: IkeSa): Attempt | undefined {
  const { session } = sa;
  const { connection, path, trigger } = session;
  const formers = [...session.formers].filter(isAlive);
  const names = asked(sa).flatMap(({ work }) => (work.kind === "new-child" ? [work.config.name] : []));
  const children = [...new Set(names)].filter((name) => !formers.some((former) => hasChild(former, name)));
  if (children.length === 0) return undefined;
  const remote = { ...path.remote, port: connection.remotePort };
  return { connection: connection.name, remote, trigger, children, failures: 0, retryAt: undefined };
}

function asked({ session, state }: IkeSa): Task[] {
  return [...(taskOf(state) ?? []), ...session.tasks];
}

/** What its IKE_AUTH asks for. */
function taskOf(state: IkeSaState): Task[] | undefined {
  if (state.kind === "Signing" || state.kind === "AwaitIkeAuthResponse") return state.auth.task && [state.auth.task];
  if (state.kind !== "VerifyingResponder" || state.response.child.kind === "none") return undefined;
  return [state.response.child.task];
}

function packetOf({ connection }: Session, work: Task["work"]): (readonly [string, PacketSelectors])[] | undefined {
  if (work.kind !== "new-child" || work.packet === undefined) return undefined;
  return [[`${connection.name}/${work.config.name}`, work.packet]];
}
