/** The answer is an offer exactly as it was sent (RFC 2408 §4.2): nothing added, left out or changed. */
import { type Attribute, attributeValue } from "#wire/ike/v1/attributes";
import type { SaPayload, SaProposal, SaTransform } from "#wire/ike/v1/sa";
import type { LifeAttributes } from "./lifetimes.ts";

/** A proposal of the answer beside the one that was sent, and the transform that was chosen of it. */
export interface AnsweredProposal {
  readonly sent: SaProposal;
  readonly answered: SaProposal;
  readonly transform: SaTransform;
}

/** Proposals of one number, which are taken or refused together (RFC 2408 §4.2), in the payload's order. */
export function proposalGroups({ proposals }: SaPayload): SaProposal[][] {
  const groups = new Map<number, SaProposal[]>();
  for (const proposal of proposals) {
    const group = groups.get(proposal.number);
    if (group === undefined) groups.set(proposal.number, [proposal]);
    else group.push(proposal);
  }
  return [...groups.values()];
}

/** Checks all but SPIs, which are each side's own; a text says what was changed. `life`: of the phase. */
export function checkAnswer(
  sent: SaPayload,
  answer: SaPayload,
  life: LifeAttributes,
): readonly AnsweredProposal[] | string {
  const groups = proposalGroups(answer);
  const [group] = groups;
  if (group === undefined || groups.length > 1) return `it chose ${groups.length} proposals, not one`;
  const [{ number } = { number: 0 }] = group;
  const offered = sent.proposals.filter((one) => one.number === number);
  if (offered.length === 0) return `it chose proposal ${number}, which was not offered`;
  if (offered.length !== group.length)
    return `it took ${group.length} of the ${offered.length} protocols of proposal ${number}`;
  const checked: AnsweredProposal[] = [];
  for (const proposal of offered) {
    const same = group.filter(({ protocol }) => protocol === proposal.protocol);
    const [answered] = same;
    if (answered === undefined || same.length > 1) return `it changed the protocols of proposal ${number}`;
    const transform = checkTransform(proposal, answered, life);
    if (typeof transform === "string") return transform;
    checked.push({ sent: proposal, answered, transform });
  }
  return checked;
}

function checkTransform(sent: SaProposal, answered: SaProposal, life: LifeAttributes): SaTransform | string {
  const [transform, ...others] = answered.transforms;
  if (transform === undefined || others.length > 0) return `it chose ${answered.transforms.length} transforms, not one`;
  const offered = sent.transforms.find((one) => one.number === transform.number);
  if (offered === undefined) return `it chose transform ${transform.number}, which was not offered`;
  if (offered.id !== transform.id) return `it changed the ID of transform ${transform.number}`;
  const changed = changedAttribute(items(offered.attributes, life), items(transform.attributes, life));
  return changed === undefined ? offered : `it ${changed} of transform ${transform.number}`;
}

/** A duration belongs to the life type before it; order and format are free else (RFC 2409 appendix A). */
interface Item {
  readonly attribute: Attribute;
  readonly lifeType: number | undefined;
}

function items(attributes: readonly Attribute[], life: LifeAttributes): Item[] {
  let lifeType: number | undefined;
  return attributes.map((attribute) => {
    if (attribute.type === life.type) lifeType = attributeValue(attribute);
    return { attribute, lifeType: attribute.type === life.duration ? lifeType : undefined };
  });
}

function changedAttribute(sent: readonly Item[], answered: readonly Item[]): string | undefined {
  const left = [...sent];
  for (const item of answered) {
    const { type } = item.attribute;
    const at = left.findIndex((other) => sameItem(item, other));
    if (at < 0)
      return `${left.some(({ attribute }) => attribute.type === type) ? "changed" : "added"} attribute ${type}`;
    left.splice(at, 1);
  }
  const [missing] = left;
  return missing === undefined ? undefined : `left out attribute ${missing.attribute.type}`;
}

function sameItem({ attribute: a, lifeType }: Item, { attribute: b, lifeType: otherType }: Item): boolean {
  if (a.type !== b.type || lifeType !== otherType) return false;
  const [left, right] = [attributeValue(a), attributeValue(b)];
  if (left !== undefined || right !== undefined) return left === right;
  return a.value.length === b.value.length && a.value.every((octet, i) => octet === b.value[i]);
}
