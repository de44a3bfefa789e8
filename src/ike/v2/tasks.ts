/** Which exchange of ours comes next: one at a time on an IKE SA, deletes of the SA itself before all. */
import { type Millis, millis } from "#core/units";
import { mayMakeSessionKey } from "#ike/refresh-limit";
import * as createChildSa from "./create-child-sa.ts";
import type { Host } from "./host.ts";
import type { IkeSa, Live } from "./ike-sa.ts";
import * as informational from "./informational.ts";
import { hasChild, hasHeir, isKept, type Session, type Task } from "./session.ts";

const RENUMBER_AGAIN = 10_000;

/** Starts what may start; to be called after anything happened to the session. */
export function pump(host: Host, session: Session): void {
  for (const sa of host.sasOf(session)) pumpSa(host, sa);
}

function pumpSa(host: Host, sa: IkeSa): void {
  const { state } = sa;
  if (state.kind !== "Live" || state.own.kind !== "Idle" || sa.channel.busy) return;
  if (state.phase.kind === "Closing") {
    informational.deleteIke(host, sa, state);
    return;
  }
  if (state.phase.kind !== "Current" || sa.session.current !== sa) return;
  renumber(host, sa);
  refresh(host, sa);
  const task = take(host, sa, state);
  if (task === undefined) return;
  const { kind } = task.work;
  if (kind === "new-child" || kind === "rekey-child" || kind === "rekey-ike")
    createChildSa.begin(host, sa, state, task);
  else informational.begin(host, sa, state, task);
}

/** RFC 7296 §2.2: message IDs begin anew in another IKE SA. A refusal is not answered by asking without a pause. */
function renumber(host: Host, sa: IkeSa): void {
  const { channel, session } = sa;
  if (channel.highestId < host.rekeyAtMessageId || (sa.renumberAt !== undefined && host.now < sa.renumberAt)) return;
  if (session.tasks.some(({ work }) => work.kind === "rekey-ike")) return;
  sa.renumberAt = millis(host.now + RENUMBER_AGAIN);
  session.addFirst({ kind: "rekey-ike" }, "packets", host.now);
}

/** The n+1-th Child SA is keyed by another SK_d: the IKE SA is rekeyed first (Connection.refreshLimit). */
function refresh(host: Host, sa: IkeSa): void {
  const { session } = sa;
  if (sa.renumberAt !== undefined && host.now < sa.renumberAt) return;
  if (session.tasks.some(({ work }) => work.kind === "rekey-ike")) return;
  const task = session.tasks.find(
    (one) => one.notBefore <= host.now && makesSense(session, one) && isSpent(sa, one.work),
  );
  if (task === undefined) return;
  sa.renumberAt = millis(host.now + RENUMBER_AGAIN);
  session.addFirst({ kind: "rekey-ike" }, task.trigger, host.now);
}

/** The IKE SA keys no more Child SAs. */
function isSpent({ session, childKeys }: IkeSa, { kind }: Task["work"]): boolean {
  return (kind === "new-child" || kind === "rekey-child") && !mayMakeSessionKey(session.connection, childKeys);
}

/** The first that is due and still makes sense; those that do not are gone. */
function take(host: Host, sa: IkeSa, live: Live): Task | undefined {
  const { session } = sa;
  session.tasks = session.tasks.filter((task) => makesSense(session, task));
  const task = session.tasks.find(({ work, notBefore }) => notBefore <= host.now && !waits(work, sa, live));
  if (task !== undefined) session.tasks = session.tasks.filter((other) => other !== task);
  return task;
}

/**
 * RFC 7296 §2.25.2: no IKE SA is rekeyed while the peer makes a Child SA, and nothing begins while it rekeys the IKE SA.
 * A pair of the peer's making is rekeyed only when the peer is known to have it.
 */
function waits(work: Task["work"], sa: IkeSa, { peer }: Live): boolean {
  if (isSpent(sa, work)) return true;
  if (work.kind === "rekey-child" && work.child.state.kind === "Installed" && work.child.state.outbound === "later")
    return true;
  return peer.kind !== "Idle" && (work.kind === "rekey-ike" || peer.run.plan.kind === "ike");
}

function makesSense(session: Session, { work }: Task): boolean {
  switch (work.kind) {
    case "rekey-child":
      return isKept(work.child) && !hasHeir(work.child);
    case "delete-child":
      return work.child.state.kind !== "Gone";
    case "new-child":
      return !hasChild(session, work.config.name);
    default:
      return true;
  }
}

/** When the next task that is put off is due, where nothing else is under way. */
export function nextTaskAt(session: Session): Millis | undefined {
  const sa = session.current;
  const state = sa?.state;
  if (sa === undefined || state?.kind !== "Live" || state.own.kind !== "Idle" || state.phase.kind !== "Current")
    return undefined;
  let first: Millis | undefined;
  for (const { notBefore, work } of session.tasks) {
    // What waits for a rekey of the IKE SA that failed asks for another one.
    const at = isSpent(sa, work) ? millis(Math.max(notBefore, sa.renumberAt ?? notBefore)) : notBefore;
    if ((isSpent(sa, work) || !waits(work, sa, state)) && (first === undefined || at < first)) first = at;
  }
  return first;
}
