/** How IKE SAs and Child SAs end: everything that hung on them goes, keys are wiped, and somebody is told. */
import { millis, type Spi } from "#core/units";
import type { EndCause } from "#ike/effects";
import { type Failure, report } from "#ike/host";
import { passOn } from "./heirs.ts";
import type { Host } from "./host.ts";
import { type IkeSa, type IkeSaState, wipeOwn, wipePeer, wipeState } from "./ike-sa.ts";
import { type Child, hasHeir, isKept, type Session, type Task } from "./session.ts";

/** A refused IKE_AUTH still answers repeats so long. */
const REFUSED_LINGERS = millis(10_000);

/** The setting up of an IKE SA ends; `undefined` = in silence (a stranger's). */
export function endSetup(host: Host, sa: IkeSa, failure: Failure | undefined): void {
  host.count("ike_failed");
  destroy(host, sa);
  if (failure !== undefined) host.failed(sa.session, failure);
}

/** The same for a responder that has answered with an error: repeats of the request get the same answer for a while. */
export function refuseSetup(host: Host, sa: IkeSa, failure: Failure): void {
  host.count("ike_failed");
  giveBackOffer(host, sa);
  wipeState(sa.state);
  sa.state = { kind: "Refused" };
  sa.deadlines.abandonAt = millis(host.now + REFUSED_LINGERS);
  host.failed(sa.session, failure);
}

/** The peer deleted this IKE SA: repeats of its request still get their answer for a while. */
export function linger(host: Host, sa: IkeSa): void {
  giveBackOffer(host, sa);
  wipeState(sa.state);
  sa.state = { kind: "Refused" };
  clear(sa);
  sa.deadlines.abandonAt = millis(host.now + REFUSED_LINGERS);
  if (sa.session.current === sa) sa.session.current = undefined;
}

/** This IKE SA is no more; its session's Child SAs stay. */
export function destroy(host: Host, sa: IkeSa): void {
  if (sa.state.kind === "Gone") return;
  giveBackOffer(host, sa);
  wipeState(sa.state);
  sa.state = { kind: "Gone" };
  clear(sa);
  sa.channel.wipe();
  if (sa.session.current === sa) sa.session.current = undefined;
  host.remove(sa);
}

function clear(sa: IkeSa): void {
  for (const deadline of ["abandonAt", "confirmBy", "probeAt", "rekeyAt", "expireAt"] as const)
    sa.deadlines[deadline] = undefined;
}

/** SPIs that were drawn for a Child SA that will not come. */
function giveBackOffer(host: Host, sa: IkeSa): void {
  const offered = offeredSpi(sa.state);
  if (offered !== undefined) host.world.spis.giveBack(offered);
  if (sa.state.kind === "Live") {
    dropOwn(host, sa);
    dropPeer(host, sa);
  }
}

/** What an IKE SA that is being set up has drawn for its first Child SA. */
export function offeredSpi(state: IkeSaState): Spi | undefined {
  if (state.kind === "AwaitIkeAuthResponse") return state.offer?.inboundSpi;
  if (state.kind !== "VerifyingResponder") return undefined;
  const { child } = state.response;
  if (child.kind === "agreed") return child.plan.inboundSpi;
  return child.kind === "none" ? undefined : child.offer.inboundSpi;
}

/** What our exchange held is given back and wiped; the exchange is over. */
export function dropOwn(host: Host, sa: IkeSa): void {
  const { state, session } = sa;
  if (state.kind !== "Live") return;
  const { own } = state;
  // The IKE SA went before the answer came, and the Child SA is its heir's now: the peer hears of it once more.
  if (
    own.kind === "AwaitDeleteChildResponse" &&
    own.child.state.kind === "Deleting" &&
    session.children.has(own.child.id)
  )
    session.addFirst({ kind: "delete-child", child: own.child, reason: "deleted" }, "close", host.now);
  if (own.kind === "AwaitCreateChildSaResponse" && own.offer.kind === "child")
    host.world.spis.giveBack(own.offer.inboundSpi);
  if ("run" in own && own.run.plan.kind === "child") host.world.spis.giveBack(own.run.plan.inboundSpi);
  if (own.kind !== "Idle") sa.deletedEarly.clear();
  wipeOwn(own);
  state.own = { kind: "Idle" };
}

export function dropPeer(host: Host, sa: IkeSa): void {
  const { state } = sa;
  if (state.kind !== "Live") return;
  const { peer } = state;
  if ("run" in peer && peer.run.plan.kind === "child") host.world.spis.giveBack(peer.run.plan.inboundSpi);
  wipePeer(peer);
  state.peer = { kind: "Idle" };
}

/** Nothing is sent on the pair any more; what it was replaced by comes into use, or somebody hears that it is down. */
export function retireChild(
  host: Host,
  session: Session,
  child: Child,
  drain: boolean,
  reason: string,
  cause: EndCause = "close",
): void {
  if (child.state.kind !== "Installed") return;
  child.state = { kind: "Deleting" };
  const heirs = child.successors.map(({ to }) => to).filter(isKept);
  for (const heir of heirs) useChild(host, heir);
  session.tasks = session.tasks.filter(({ work }) => !(work.kind === "rekey-child" && work.child === child));
  host.count("child_deleted");
  host.emit({ kind: "remove-child-sa", id: child.id, drain, cause, reason });
  if (hasHeir(child) || hasTwin(host, session, child)) return;
  report(host, { kind: "child-down", connection: session.connection.name, child: child.config.name, reason });
}

/** Another pair of the same child with the same peer is there: of a collision, or because this one was made anew. */
function hasTwin(host: Host, session: Session, child: Child): boolean {
  const { peer, connection } = session;
  const same = peer.kind === "authenticated" ? host.peers.of(connection.name, peer.remoteIdentity) : [];
  for (const other of new Set([session, ...same]))
    for (const twin of other.children.values())
      if (twin !== child && twin.config.name === child.config.name && isKept(twin)) return true;
  return false;
}

/** Takes a Child SA out for good. */
export function removeChild(
  host: Host,
  session: Session,
  child: Child,
  drain: boolean,
  reason: string,
  cause: EndCause = "close",
): void {
  if (child.state.kind === "Gone") return;
  retireChild(host, session, child, drain, reason, cause);
  child.state = { kind: "Gone" };
  session.children.delete(child.id);
  host.forgetChild(child.id);
  session.tasks = session.tasks.filter(({ work }) => !(work.kind === "delete-child" && work.child === child));
}

/** The peer is known to have the pair: we send on it. */
export function useChild(host: Host, child: Child): void {
  if (child.state.kind !== "Installed" || child.state.outbound !== "later") return;
  child.state = { kind: "Installed", outbound: "used" };
  host.emit({ kind: "use-child-sa", id: child.id });
}

/** Our delete of this IKE SA goes out as soon as the window is free; without successor its Child SAs stop now. */
export function closeIke(host: Host, sa: IkeSa, reason: string): void {
  const { state, session } = sa;
  if (state.kind !== "Live" || state.phase.kind === "Closing") return;
  state.phase = { kind: "Closing", reason };
  if (session.current !== sa) return;
  for (const child of [...session.children.values()]) retireChild(host, session, child, true, reason);
  giveUpTasks(host, session, session.tasks, reason);
}

/** Children that were asked for and will not be made by this session: whoever wants them asks again. */
function giveUpTasks(host: Host, session: Session, tasks: readonly Task[], reason: string): void {
  session.tasks = [];
  for (const { work } of tasks)
    if (work.kind === "new-child")
      host.failed(session, {
        child: work.config.name,
        stage: "CREATE_CHILD_SA",
        notify: undefined,
        from: "us",
        reason: `the IKE SA ended before: ${reason}`,
        remedy: "none needed: it is asked for again over another IKE SA",
      });
}

/** What is under way or waits. */
function tasksOf(session: Session, sas: readonly IkeSa[]): readonly Task[] {
  const underWay = sas.flatMap(({ state }) => (state.kind === "Live" && "task" in state.own ? [state.own.task] : []));
  return [...underWay, ...session.tasks];
}

/** The session is over, with all IKE SAs and Child SAs it has. */
export function endSession(
  host: Host,
  session: Session,
  sas: readonly IkeSa[],
  how: "drain" | "at once",
  reason: string,
  cause: EndCause = "close",
): void {
  const current = session.current;
  const tasks = tasksOf(session, host.sasOf(session));
  for (const child of [...session.children.values()]) removeChild(host, session, child, how === "drain", reason, cause);
  for (const sa of sas) if (sa.state.kind !== "Refused") destroy(host, sa);
  giveUpTasks(host, session, tasks, reason);
  passOn(host, session);
  if (current === undefined) return;
  host.count("ike_deleted");
  report(host, { kind: "ike-down", ike: current.id, connection: session.connection.name, reason });
}
