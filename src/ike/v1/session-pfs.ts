/**
 * PFS of the session key (docs/requirements.md S25–S27): which Diffie-Hellman group quick mode has.
 *
 *   initiator with    responder with     key exchange of main mode's group, or of the child's proposals
 *   initiator with    responder without  the same, where it is main mode's group
 *   initiator without responder without  none
 *   initiator without responder with     NO-PROPOSAL-CHOSEN
 */
import type { ChildConfig } from "#core/connection";
import { TransformType } from "#core/proposal";

type Pfs = Pick<ChildConfig, "proposals" | "sessionPfs">;

/** KE methods in order of preference, 0 for "without"; never empty. */
function methods({ proposals, sessionPfs }: Pfs, mainMode: number): readonly number[] {
  if (sessionPfs === "main-mode-group") return [mainMode];
  const found = proposals.flatMap(({ transforms }) => {
    const ids = transforms.filter(({ type }) => type === TransformType.KE).map(({ id }) => id);
    return ids.length === 0 ? [0] : ids;
  });
  return found.length === 0 ? [0] : [...new Set(found)];
}

/** Of the KE payload we send, from the first quick mode on (S25); 0 = none. All transforms name the same (RFC 2409 §5.5). */
export function offeredMethod(config: Pfs, mainMode: number): number {
  return methods(config, mainMode)[0] ?? 0;
}

/** As responder; `method` 0: the offer has no KE. */
export function takesMethod(config: Pfs, mainMode: number, method: number): boolean {
  const ours = methods(config, mainMode);
  if (ours.includes(method)) return true;
  // S26: the responder is not required to use it too.
  return method !== 0 && method === mainMode && ours.every((one) => one === 0);
}
