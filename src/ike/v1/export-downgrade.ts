/**
 * For peers without strong encryption (docs/requirements.md S77): what was refused with 3DES is offered once more with DES,
 * where a connection says so, and never in silence. Anybody who has seen a first message can refuse it: main mode's refusal
 * is in clear.
 */
import type { Connection } from "#core/connection";
import { type Proposal, TransformType } from "#core/proposal";
import { Encryption } from "#crypto/transforms";
import { report } from "#ike/host";
import { NotifyType } from "#wire/ike/v1/numbers";
import type { Host } from "./host.ts";
import type { IsakmpSa } from "./isakmp-sa.ts";
import { exportDowngraded } from "./phase1-offers.ts";
import { configOf, type QuickTask } from "./tasks.ts";

function has3des(proposals: readonly Proposal[]): boolean {
  return proposals.some(({ transforms }) =>
    transforms.some(({ type, id }) => type === TransformType.ENCR && id === Encryption.TRIPLE_DES),
  );
}

function isFor({ v1 }: Connection, proposals: readonly Proposal[], type: number): boolean {
  return v1.exportDowngrade && type === NotifyType.NO_PROPOSAL_CHOSEN && has3des(proposals);
}

function tell(host: Host, name: string, what: string): void {
  host.count("export_downgrades");
  const text = `${name}: the peer refused 3des, and export_downgrade offers it des for ${what}: such keys are searched in a day`;
  report(host, { kind: "warning", text });
}

/** What a main mode of ours offers. */
export function offeredConnection({ line: { connection }, weaker }: IsakmpSa): Connection {
  return weaker ? { ...connection, proposals: exportDowngraded(connection.proposals) } : connection;
}

/** Our main mode was refused: another one with DES takes its place. False: it has to fail. */
export function downgradeMainMode(host: Host, sa: IsakmpSa, type: number): boolean {
  const { line, weaker, trigger } = sa;
  const { connection } = line;
  if (weaker || !isFor(connection, connection.proposals, type)) return false;
  host.destroy(sa, "the peer refused 3des");
  tell(host, connection.name, "IKE");
  host.renew(line, trigger, true);
  return true;
}

/** The same of a quick mode: the task is put back. */
export function downgradeQuickMode(host: Host, { line }: IsakmpSa, task: QuickTask, type: number): boolean {
  const { name, proposals } = configOf(task.work);
  if (task.weaker === true || !isFor(line.connection, proposals, type)) return false;
  tell(host, `${line.connection.name}/${name}`, "its packets");
  const again: QuickTask = { ...task, weaker: true, notBefore: host.now };
  line.tasks.unshift(again);
  host.touch(line);
  return true;
}
