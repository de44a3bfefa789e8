/** Which exchange of ours comes next: one at a time on an IKE SA, deletes of the SA itself before all. */
import { type Millis, millis } from "#core/units";
import * as createChildSa from "./create-child-sa.ts";
import type { Host } from "./host.ts";
import type { IkeSa, Live } from "./ike-sa.ts";
import * as informational from "./informational.ts";
import type { Session, Task } from "./session.ts";
import { idsRunOut } from "./window.ts";

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
  if (idsRunOut(sa.channel.highestId) && !sa.session.tasks.some(({ work }) => work.kind === "rekey-ike"))
    sa.session.addFirst({ kind: "rekey-ike" }, "packets", host.now);
  const task = take(host, sa.session, state);
  if (task === undefined) return;
  const { kind } = task.work;
  if (kind === "new-child" || kind === "rekey-child" || kind === "rekey-ike")
    createChildSa.begin(host, sa, state, task);
  else informational.begin(host, sa, state, task);
}

/** The first that is due and still makes sense; those that do not are gone. */
function take(host: Host, session: Session, live: Live): Task | undefined {
  session.tasks = session.tasks.filter((task) => makesSense(session, task));
  const task = session.tasks.find(({ work, notBefore }) => notBefore <= host.now && !waits(work, live));
  if (task !== undefined) session.tasks = session.tasks.filter((other) => other !== task);
  return task;
}

/** RFC 7296 §2.25.2: the IKE SA is not rekeyed while the peer makes a Child SA. */
function waits(work: Task["work"], live: Live): boolean {
  return work.kind === "rekey-ike" && live.peer.kind !== "Idle";
}

function makesSense(session: Session, { work }: Task): boolean {
  switch (work.kind) {
    case "rekey-child":
      return (
        work.child.state.kind === "Installed" && work.child.successors.every(({ to }) => to.state.kind !== "Installed")
      );
    case "delete-child":
      return work.child.state.kind !== "Gone";
    case "new-child":
      return !hasChild(session, work.config.name);
    default:
      return true;
  }
}

export function hasChild(session: Session, name: string): boolean {
  for (const child of session.children.values())
    if (child.config.name === name && child.state.kind === "Installed") return true;
  return false;
}

/** When the next task that is put off is due, where nothing else is under way. */
export function nextTaskAt(session: Session): Millis | undefined {
  const state = session.current?.state;
  if (state?.kind !== "Live" || state.own.kind !== "Idle" || state.phase.kind !== "Current") return undefined;
  let first: Millis | undefined;
  for (const { notBefore, work } of session.tasks)
    if (!waits(work, state) && (first === undefined || notBefore < first)) first = millis(notBefore);
  return first;
}
