/** What follows where CREATE_CHILD_SA does not bring what was asked for: again, another way, or the end of it (RFC 7296 §2.25). */
import { type Proposal, TransformType } from "#core/proposal";
import { millis } from "#core/units";
import { randomBelow, report } from "#ike/host";
import { NotifyType } from "#wire/ike/numbers";
import type { NotifyPayload } from "#wire/ike/v2/notify";
import { protocolId } from "./child-sa.ts";
import { dropOwn, removeChild } from "./end.ts";
import type { Host } from "./host.ts";
import type { IkeSa, Live, OwnExchange } from "./ike-sa.ts";
import { resolveIke } from "./rekey.ts";
import { type Child, hasHeir, type Task } from "./session.ts";
import { keName, refusal } from "./words.ts";

export const CREATE_CHILD_SA = "CREATE_CHILD_SA";
/** RFC 7296 §2.25: again after a while, and not for ever. */
const MAX_TRIES = 12;
const FIRST_BACK_OFF = 200;
const MAX_BACK_OFF = 10_000;

export function proposalsOf(sa: IkeSa, { work }: Task): readonly Proposal[] {
  if (work.kind === "new-child") return work.config.proposals;
  return work.kind === "rekey-child" ? work.child.config.proposals : sa.session.connection.proposals;
}

/** RFC 7296 §2.25 */
export function onRefusal(
  host: Host,
  sa: IkeSa,
  live: Live,
  own: Extract<OwnExchange, { readonly kind: "AwaitCreateChildSaResponse" }>,
  error: NotifyPayload,
): void {
  const { task, ke } = own;
  const { work } = task;
  switch (error.type) {
    case NotifyType.INVALID_KE_PAYLOAD: {
      const method = (error.data[0] ?? 0) * 256 + (error.data[1] ?? 0);
      const ours = proposalsOf(sa, task).some(({ transforms }) =>
        transforms.some(({ type, id }) => type === TransformType.KE && id === method && id !== 0),
      );
      if (!ours || method === ke?.method || task.tries >= MAX_TRIES) {
        refused(host, sa, live, task, error.type, keName(method));
        return;
      }
      dropOwn(host, sa);
      sa.session.tasks.unshift({ ...task, method, tries: task.tries + 1, notBefore: host.now });
      return;
    }
    case NotifyType.TEMPORARY_FAILURE:
      host.count("temporary_failures");
      task.tries >= MAX_TRIES ? refused(host, sa, live, task, error.type, undefined) : putBack(host, sa, live, task);
      return;
    case NotifyType.CHILD_SA_NOT_FOUND:
      work.kind === "rekey-child"
        ? onChildNotFound(host, sa, work.child, task)
        : refused(host, sa, live, task, error.type, undefined);
      return;
    case NotifyType.NO_ADDITIONAL_SAS:
      onNoAdditional(host, sa, live, task);
      return;
    default:
      refused(host, sa, live, task, error.type, undefined);
      return;
  }
}

/**
 * S31: the peer lets one IKE SA make no more session keys. Another IKE SA makes the next one: by a rekey, or by beginning anew
 * where the peer has no CREATE_CHILD_SA at all (RFC 7296 §4, §2.8).
 */
function onNoAdditional(host: Host, sa: IkeSa, live: Live, task: Task): void {
  const { session, childKeys } = sa;
  const { kind } = task.work;
  const waiting = session.tasks.some(({ work }) => work.kind === "rekey-child");
  if (kind === "rekey-ike" && waiting && session.peer.kind === "authenticated") {
    dropOwn(host, sa);
    session.tasks = session.tasks.filter(({ work }) => work.kind !== "rekey-child");
    session.peer = { ...session.peer, reauthAt: host.now };
    host.touch(session);
  } else if (kind !== "rekey-ike" && childKeys > 0 && task.tries < MAX_TRIES) {
    putBack(host, sa, live, task);
    if (!session.tasks.some(({ work }) => work.kind === "rekey-ike"))
      session.addFirst({ kind: "rekey-ike" }, task.trigger, host.now);
  } else refused(host, sa, live, task, NotifyType.NO_ADDITIONAL_SAS, undefined);
}

/** RFC 7296 §2.25.1: the peer has it no more; ours goes, and a new one is made where no other took over. */
function onChildNotFound(host: Host, sa: IkeSa, child: Child, task: Task): void {
  dropOwn(host, sa);
  const replaced = child.state.kind !== "Installed" || hasHeir(child);
  removeChild(host, sa.session, child, true, "the peer does not have it any more");
  if (replaced) return;
  sa.session.add({ kind: "new-child", config: child.config, packet: undefined }, task.trigger, host.now);
}

/** Again after a random while, longer each time: two sides that hinder each other part. */
export function putBack(host: Host, sa: IkeSa, live: Live, task: Task): void {
  dropOwn(host, sa);
  const span = Math.min(MAX_BACK_OFF, FIRST_BACK_OFF * 2 ** task.tries);
  sa.session.tasks.push({
    ...task,
    tries: task.tries + 1,
    notBefore: millis(host.now + span / 2 + randomBelow(host, span)),
  });
  if (task.work.kind === "rekey-ike" && live.successors.length > 0) resolveIke(host, sa, "peer");
}

function refused(host: Host, sa: IkeSa, live: Live, task: Task, type: number, wanted: string | undefined): void {
  const { session } = sa;
  const told = refusal(stageOf(task), type, childName(task), session.connection);
  const reason = wanted === undefined ? told.reason : `the peer wants ${wanted}, which is not in our proposals`;
  dropOwn(host, sa);
  afterFailure(host, sa, live, task);
  host.failed(session, { ...told, reason });
}

export function fail(host: Host, sa: IkeSa, live: Live, task: Task, from: "us" | "peer", reason: string): void {
  const { own } = live;
  // The peer believes in the Child SA since its answer.
  if (own.kind === "AgreeingKe" && own.run.plan.kind === "child") {
    const { protocol, inboundSpi } = own.run.plan;
    sa.session.addFirst({ kind: "disown-child", protocol: protocolId(protocol), spi: inboundSpi }, "close", host.now);
  }
  dropOwn(host, sa);
  afterFailure(host, sa, live, task);
  const remedy = "see the peer's log, and compare proposals and selectors";
  host.failed(sa.session, { child: childName(task), stage: stageOf(task), notify: undefined, from, reason, remedy });
}

function afterFailure(host: Host, sa: IkeSa, live: Live, task: Task): void {
  const { work, trigger } = task;
  const connection = sa.session.connection.name;
  if (work.kind === "new-child") host.count("child_refused");
  else report(host, { kind: "rekey", connection, child: childName(task), trigger, result: "failed" });
  if (work.kind === "rekey-ike" && live.successors.length > 0) resolveIke(host, sa, "peer");
}

export function stageOf({ work }: Task): string {
  if (work.kind === "rekey-ike") return `${CREATE_CHILD_SA} (rekey of the IKE SA)`;
  if (work.kind !== "rekey-child") return CREATE_CHILD_SA;
  return work.preflight ? `${CREATE_CHILD_SA} (preflight of the rekey: PFS)` : `${CREATE_CHILD_SA} (rekey)`;
}

function childName({ work }: Task): string | undefined {
  if (work.kind === "new-child") return work.config.name;
  return work.kind === "rekey-child" ? work.child.config.name : undefined;
}
