/**
 * Which of the offered proposals is taken (RFC 7296 §2.7, §3.3; RFC 9370 §2.2). The responder's own order decides, of
 * proposals and of transforms in them (strongSwan's default, `prefer_configured_proposals = yes`).
 */
import { type Proposal, ProtocolId, type Transform, TransformType } from "#core/proposal";
import { ENCRYPTION_TRANSFORMS } from "#crypto/transforms";

/** As in an SA payload; structurally what wire/ike/v2/sa.ts decodes. */
export interface OfferedProposal {
  readonly number: number;
  /** A `ProtocolId`; others come from the wire and are never chosen. */
  readonly protocol: number;
  readonly transforms: readonly Transform[];
}

export interface Choice<T extends OfferedProposal> {
  /** The offered one (for the initiator: its own), with its number, and its SPI where T has one. */
  readonly proposal: T;
  /** One of each type of the offer, in the order of types: the answer. NONE stands where the offer names it. */
  readonly transforms: readonly Transform[];
}

type ReadonlyTransforms = { readonly transforms: readonly Transform[] };

/** INTEG, KE and ADDKE: id 0 is NONE. ESN's 0 is a value of its own. */
const NONE = 0;
/** Order of the registry; ENCR stands before INTEG, which depends on it. */
const TYPES: readonly number[] = Object.values(TransformType);
const ADDITIONAL: ReadonlySet<number> = new Set(TYPES.filter((type) => type >= TransformType.ADDKE1));
const NO_ESN: Transform = { type: TransformType.ESN, id: 0, keyBits: 0 };

// RFC 7296 §3.3.3; RFC 9370 §2.2.2 for ADDKE. NONE or absence satisfies an optional type.
const MANDATORY: Readonly<Record<number, readonly number[]>> = {
  [ProtocolId.IKE]: [TransformType.ENCR, TransformType.PRF, TransformType.KE],
  [ProtocolId.ESP]: [TransformType.ENCR],
  [ProtocolId.AH]: [TransformType.INTEG],
};

// RFC 7296 §3.3.3: what else may stand in a proposal. PRFs in ESP or ESN in IKE make it one nobody understands.
const ALLOWED: Readonly<Record<number, readonly number[]>> = {
  [ProtocolId.IKE]: TYPES.filter((type) => type !== TransformType.ESN),
  [ProtocolId.ESP]: TYPES.filter((type) => type !== TransformType.PRF),
  [ProtocolId.AH]: TYPES.filter((type) => type !== TransformType.PRF && type !== TransformType.ENCR),
};

function sameTransform(a: Transform, b: Transform): boolean {
  return a.type === b.type && a.id === b.id && a.keyBits === b.keyBits;
}

/** The transforms of a type; a missing ESN is "no extended sequence numbers", which old peers do not say. */
export function transformsOf(proposal: ReadonlyTransforms & { readonly protocol: number }, type: number): Transform[] {
  const found = proposal.transforms.filter((one) => one.type === type);
  if (found.length > 0 || type !== TransformType.ESN || proposal.protocol === ProtocolId.IKE) return found;
  return [NO_ESN];
}

/** The chosen transform of a type; undefined where it is absent or NONE. ESN: use its id, absence is 0. */
export function chosenTransform(transforms: readonly Transform[], type: number): Transform | undefined {
  const found = transforms.find((one) => one.type === type);
  return found?.id === NONE && type !== TransformType.ESN ? undefined : found;
}

/** undefined = NO_PROPOSAL_CHOSEN. */
export function chooseProposal<T extends OfferedProposal>(
  offered: readonly T[],
  configured: readonly Proposal[],
): Choice<T> | undefined {
  for (const own of configured) {
    for (const proposal of offered) {
      const match = matchProposals(proposal, own);
      if (match.kind === "match") return { proposal, transforms: match.transforms };
    }
  }
  return undefined;
}

const keys = new WeakMap<readonly Proposal[], string>();

/** Equal for proposals that choose alike; those of a configuration never change, so it is made once. */
export function proposalsKey(configured: readonly Proposal[]): string {
  const key = keys.get(configured) ?? JSON.stringify(configured);
  keys.set(configured, key);
  return key;
}

export type ProposalMatch =
  | { readonly kind: "match"; readonly transforms: readonly Transform[] }
  /** `ours` and `theirs` have nothing in common, or neither says what the protocol needs. */
  | {
      readonly kind: "differ";
      readonly type: number;
      readonly ours: readonly Transform[];
      readonly theirs: readonly Transform[];
    }
  | { readonly kind: "foreign"; readonly what: "protocol" | "type" };

/** One pair of proposals: the answer, or the first type that keeps the two apart. */
export function matchProposals(offered: OfferedProposal, own: Proposal): ProposalMatch {
  if (offered.protocol !== own.protocol) return { kind: "foreign", what: "protocol" };
  if (!understood(offered)) return { kind: "foreign", what: "type" };
  const chosen: Transform[] = [];
  for (const type of TYPES) {
    const { ours, theirs } = candidates(type, offered, own, chosen);
    const pick = ours.find((one) => theirs.some((other) => sameTransform(one, other)) && !isTaken(one, chosen));
    const needed = isNeeded(type, own.protocol, chosen);
    if (pick === undefined || (needed && pick.id === NONE)) return { kind: "differ", type, ours, theirs };
    // The answer names no type that the offer does not name.
    if (offered.transforms.some((one) => one.type === type)) chosen.push(pick);
  }
  return { kind: "match", transforms: chosen };
}

/** RFC 7296 §3.3.6: a proposal with a transform type that is not understood is not taken. */
function understood({ protocol, transforms }: OfferedProposal): boolean {
  return transforms.every(({ type }) => ALLOWED[protocol]?.includes(type) === true);
}

/** A type that one side does not name is NONE there. */
function candidates(type: number, offered: OfferedProposal, own: Proposal, chosen: readonly Transform[]): Candidates {
  const none: Transform = { type, id: NONE, keyBits: 0 };
  const ours = transformsOf(own, type);
  const theirs = transformsOf(offered, type);
  // RFC 5282 §8: an AEAD goes with no integrity or NONE, also where ours are listed for other ciphers.
  const excluded = type === TransformType.INTEG && withAead(chosen);
  return {
    ours: ours.length === 0 || excluded ? [none] : ours,
    theirs: theirs.length === 0 ? [none] : theirs,
  };
}

interface Candidates {
  readonly ours: readonly Transform[];
  readonly theirs: readonly Transform[];
}

/** RFC 9370 §2.2.2: no key exchange method twice. */
function isTaken({ type, id }: Transform, chosen: readonly Transform[]): boolean {
  const isKe = (one: number) => one === TransformType.KE || ADDITIONAL.has(one);
  return ADDITIONAL.has(type) && id !== NONE && chosen.some((one) => isKe(one.type) && one.id === id);
}

function withAead(chosen: readonly Transform[]): boolean {
  const encryption = chosenTransform(chosen, TransformType.ENCR);
  return ENCRYPTION_TRANSFORMS.some(({ id, aead }) => aead && id === encryption?.id);
}

/** Encryption without integrity is never agreed on (RFC 8221 §4). */
function isNeeded(type: number, protocol: number, chosen: readonly Transform[]): boolean {
  if (type === TransformType.INTEG && protocol !== ProtocolId.AH) return !withAead(chosen);
  return MANDATORY[protocol]?.includes(type) === true;
}

/**
 * The initiator's check of the answer (RFC 7296 §2.7, §3.3.6): exactly one proposal, one of those that were sent, one
 * transform of each of its types, nothing added or altered. undefined = the exchange fails.
 */
export function checkAnswer<T extends OfferedProposal>(
  sent: readonly T[],
  answer: readonly OfferedProposal[],
): Choice<T> | undefined {
  const [only, ...others] = answer;
  if (only === undefined || others.length > 0) return undefined;
  const proposal = sent.find((one) => one.number === only.number && one.protocol === only.protocol);
  if (proposal === undefined) return undefined;
  const chosen: Transform[] = [];
  for (const transform of only.transforms) {
    if (chosen.some((one) => one.type === transform.type)) return undefined;
    if (!proposal.transforms.some((one) => sameTransform(one, transform))) return undefined;
    if (isTaken(transform, chosen)) return undefined;
    chosen.push(transform);
  }
  chosen.sort((a, b) => a.type - b.type);
  const complete = TYPES.every((type) => isAnswered(type, proposal, chosen));
  return complete ? { proposal, transforms: chosen } : undefined;
}

/** A type may be missing where the offer does not name it, offered NONE, or "no ESN"; and is, beside an AEAD. */
function isAnswered(type: number, sent: OfferedProposal, chosen: readonly Transform[]): boolean {
  const answer = chosenTransform(chosen, type);
  // RFC 5282 §8.
  if (type === TransformType.INTEG && withAead(chosen)) return answer === undefined;
  if (isNeeded(type, sent.protocol, chosen)) return answer !== undefined;
  const offered = sent.transforms.filter((one) => one.type === type);
  return chosen.some((one) => one.type === type) || offered.length === 0 || offered.some((one) => one.id === NONE);
}

/** KE method for INVALID_KE_PAYLOAD (RFC 7296 §1.2, §1.3); undefined = what was sent is what was chosen. */
export function wantedKe(choice: Choice<OfferedProposal>, sent: number | undefined): number | undefined {
  const ke = chosenTransform(choice.transforms, TransformType.KE)?.id;
  return ke === sent ? undefined : ke;
}

/** Proposals of the first Child SA, which is keyed without a KE of its own (RFC 7296 §1.2). */
export function withoutKeyExchange<T extends ReadonlyTransforms>(proposals: readonly T[]): (T & ReadonlyTransforms)[] {
  const stays = ({ type }: Transform) => type !== TransformType.KE && !ADDITIONAL.has(type);
  return proposals.map((one) => ({ ...one, transforms: one.transforms.filter(stays) }));
}

/** Numbers them 1, 2, … as an SA payload wants it (RFC 7296 §3.3.1). */
export function numberProposals(proposals: readonly Proposal[]): (Proposal & { readonly number: number })[] {
  return proposals.map((one, i) => ({ ...one, number: i + 1 }));
}
