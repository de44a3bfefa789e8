/**
 * What a quick mode is offered with and chosen by (RFC 2409 §5.5, RFC 2407 §4.5): ESP, AH, or AH over ESP as two
 * proposals of one number. The responder's own order decides, as in ike/proposal.ts.
 */
import type { Proposal } from "#core/proposal";
import type { Spi } from "#core/units";
import type { ChildSuite } from "#ike/suite";
import { childSpiOctets, childSpiOf } from "#wire/ike/spi";
import { EncapsulationMode, NotifyType, Protocol } from "#wire/ike/v1/numbers";
import type { SaPayload, SaProposal, SaTransform } from "#wire/ike/v1/sa";
import { IPSEC_LIFE, type Lifetime, lifetimeAttributes, shorterLifetime } from "./lifetimes.ts";
import { explainPhase2 } from "./mismatch.ts";
import type { Phase2Parameters } from "./parameters.ts";
import type { OfferRefused } from "./phase1-offers.ts";
import {
  type AlgorithmsOf,
  algorithmsOf,
  encodeParameters,
  keyOf,
  modesOf,
  type Phase2Policy,
  type ReadPhase2Transform,
  readPhase2Transform,
  suiteOf,
} from "./phase2-parameters.ts";
import { checkAnswer, proposalGroups } from "./strict-answer.ts";

/** Our inbound ones; the one of a protocol that is not offered is not used. */
export interface OwnSpis {
  readonly esp: Spi;
  readonly ah: Spi;
}

export interface ProtocolAgreement {
  readonly suite: ChildSuite;
  /** Theirs: of our outbound SA. */
  readonly peerSpi: Spi;
}

export interface Phase2Agreement {
  /** ESP, or AH alone. */
  readonly inner: ProtocolAgreement;
  /** AH over that ESP. */
  readonly outerAh: ProtocolAgreement | undefined;
  readonly udp: boolean;
  /** KE method of the KE payloads; 0 = there is none. */
  readonly group: number;
  readonly lifetime: Lifetime;
}

export interface Phase2Choice extends Phase2Agreement {
  readonly kind: "chosen";
  /** One, or AH's and ESP's in their order; exactly as they were offered, SPIs with them. */
  readonly offered: readonly SaProposal[];
  /** Longer than `lifetime`: to be told by RESPONDER-LIFETIME. */
  readonly offeredLifetime: Lifetime;
}

/** Of one protocol. The least preferred ones go. */
const PHASE2_TRANSFORMS_LIMIT = 64;

/** Of a child: its hard limits. */
function lifetimeOf({ child: { lifetime } }: Phase2Policy): Lifetime {
  return { time: lifetime.lifeTime, octets: lifetime.lifeOctets };
}

/** AH does not pass a NAT (RFC 3947 §1). */
function configured({ child, encapsulation }: Phase2Policy, gaps: Set<string>): Sides {
  const read = (proposals: readonly Proposal[]) => proposals.map((one) => algorithmsOf(one, gaps));
  const inner = read(child.proposals);
  const outer = read(child.outerProposals);
  if (encapsulation === "none") return { inner, outer, bundle: outer.length > 0 };
  if (outer.length > 0 || inner.some(({ protocol }) => protocol === Protocol.IPSEC_AH))
    gaps.add("AH does not pass a NAT");
  const passing = outer.length > 0 ? [] : inner.filter(({ protocol }) => protocol !== Protocol.IPSEC_AH);
  return { inner: passing, outer: [], bundle: outer.length > 0 };
}

interface Sides {
  readonly inner: readonly AlgorithmsOf[];
  readonly outer: readonly AlgorithmsOf[];
  /** AH over ESP is wanted, also where nothing of it is left. */
  readonly bundle: boolean;
}

/** What of a child's proposals IKEv1 cannot say, one line each; empty = everything is offered. */
export function phase2Gaps(policy: Phase2Policy): readonly string[] {
  const gaps = new Set<string>();
  configured(policy, gaps);
  return [...gaps];
}

/**
 * KE method of our quick mode: one for all of the offer (RFC 2409 §5.5), main mode's where it is allowed (S27), else the
 * first; 0 = without KE payload; undefined where there is nothing to offer.
 */
export function phase2Group(policy: Phase2Policy): number | undefined {
  const { child, isakmpGroup } = policy;
  if (child.sessionPfs === "main-mode-group") return isakmpGroup;
  const groups = configured(policy, new Set()).inner.find((one) => one.groups.length > 0)?.groups;
  if (groups === undefined || groups[0] === 0) return groups?.[0];
  return groups.includes(isakmpGroup) ? isakmpGroup : groups[0];
}

/** One proposal a protocol with a transform for each way, the best first; undefined where there is none: `phase2Gaps`. */
export function phase2Offer(policy: Phase2Policy, spis: OwnSpis): SaPayload | undefined {
  const group = phase2Group(policy);
  const { inner, outer, bundle } = configured(policy, new Set());
  if (group === undefined) return undefined;
  const mode = modesOf(policy)[0] ?? 0;
  const allowed = inner.filter((one) => policy.child.sessionPfs === "main-mode-group" || one.groups.includes(group));
  const protocols = [...new Set(allowed.map(({ protocol }) => protocol))];
  const proposals = protocols.flatMap((protocol, i) => {
    const same = allowed.filter((one) => one.protocol === protocol);
    return proposalOf(i + 1, protocol, same, { mode, group }, policy, spis);
  });
  if (proposals.length === 0) return undefined;
  if (!bundle) return { kind: "SA", proposals };
  const ah = proposalOf(1, Protocol.IPSEC_AH, outer, { mode, group }, policy, spis);
  const esp = proposals.filter(({ protocol }) => protocol === Protocol.IPSEC_ESP).map((one) => ({ ...one, number: 1 }));
  return ah.length === 0 || esp.length === 0 ? undefined : { kind: "SA", proposals: [...ah, ...esp] };
}

/** One or none. */
function proposalOf(
  number: number,
  protocol: number,
  sources: readonly AlgorithmsOf[],
  common: Pick<Phase2Parameters, "mode" | "group">,
  policy: Phase2Policy,
  spis: OwnSpis,
): SaProposal[] {
  const transforms = new Map<string, SaTransform>();
  const life = lifetimeAttributes(IPSEC_LIFE, lifetimeOf(policy));
  for (const algorithms of sources.flatMap((one) => one.algorithms)) {
    const parameters = { ...algorithms, ...common };
    const key = keyOf(parameters);
    if (transforms.has(key) || transforms.size === PHASE2_TRANSFORMS_LIMIT) continue;
    const attributes = [...life, ...encodeParameters(parameters)];
    transforms.set(key, { number: transforms.size + 1, id: parameters.transform, attributes });
  }
  const spi = childSpiOctets(protocol === Protocol.IPSEC_AH ? spis.ah : spis.esp);
  return transforms.size === 0 ? [] : [{ number, protocol, spi, transforms: [...transforms.values()] }];
}

/** A proposal as it came, by what each of its transforms comes down to. */
interface ReadProposal {
  readonly proposal: SaProposal;
  readonly transforms: ReadonlyMap<string, ReadPhase2Transform>;
}

function readProposal(proposal: SaProposal, unreadable: string[]): ReadProposal {
  const transforms = new Map<string, ReadPhase2Transform>();
  const spi = childSpiOf(proposal.spi);
  if (spi === undefined) {
    unreadable.push(`proposal ${proposal.number} has an SPI that cannot be`);
    return { proposal, transforms };
  }
  for (const transform of proposal.transforms) {
    const read = readPhase2Transform(proposal.protocol, transform);
    if (typeof read === "string") unreadable.push(read);
    else if (!transforms.has(keyOf(read.parameters))) transforms.set(keyOf(read.parameters), read);
  }
  return { proposal, transforms };
}

/** Everything of one side that a child takes, in our order. */
function acceptable(sources: readonly AlgorithmsOf[], policy: Phase2Policy): Phase2Parameters[] {
  const modes = modesOf(policy);
  return sources.flatMap(({ algorithms, groups: listed }) => {
    const groups = acceptableGroups(listed, policy);
    return algorithms.flatMap((one) => groups.flatMap((group) => modes.map((mode) => ({ ...one, group, mode }))));
  });
}

/** S26: whoever does not ask for PFS takes it where the peer does, in main mode's group. */
function acceptableGroups(listed: readonly number[], { child, isakmpGroup }: Phase2Policy): readonly number[] {
  if (child.sessionPfs === "main-mode-group") return [isakmpGroup];
  return listed.includes(0) && !listed.includes(isakmpGroup) ? [...listed, isakmpGroup] : listed;
}

/** The one way that is taken. A life is never too long or too short: the shorter one counts. */
export function choosePhase2(sa: SaPayload, policy: Phase2Policy): Phase2Choice | OfferRefused {
  const unreadable: string[] = [];
  const groups = proposalGroups(sa).map((group) => group.map((one) => readProposal(one, unreadable)));
  const theirs = groups.flat().flatMap(({ transforms }) => [...transforms.values()].map((one) => one.parameters));
  // RFC 2409 §5.5: the group is in every transform, or in none.
  if (new Set(theirs.map(({ group }) => group)).size > 1) {
    const why = "the peer offers several Diffie-Hellman groups, a quick mode has one (RFC 2409 §5.5)";
    return { kind: "refused", notify: NotifyType.BAD_PROPOSAL_SYNTAX, why };
  }
  const gaps = new Set<string>();
  const { inner, outer, bundle } = configured(policy, gaps);
  const own = acceptable(inner, policy);
  // Of a bundle the group is ESP's to say.
  const anyGroup = [...new Set(own.map(({ group }) => group))];
  const ownOuter = acceptable(
    outer.map((one) => ({ ...one, groups: anyGroup })),
    policy,
  );
  const chosen = bundle ? pickBundle(own, ownOuter, groups) : pickOne(own, groups);
  if (chosen !== undefined) return choiceOf(chosen, sa, policy);
  const reasons = own.length === 0 ? [...gaps, ...unreadable] : unreadable;
  const why = bundle && !groups.some(isBundle) ? NO_BUNDLE : explainPhase2([...ownOuter, ...own], theirs, reasons);
  return { kind: "refused", notify: NotifyType.NO_PROPOSAL_CHOSEN, why };
}

const NO_BUNDLE = "we want AH over ESP; the peer offers no proposal of both (RFC 2408 §4.2)";

interface Picked {
  readonly proposal: SaProposal;
  readonly read: ReadPhase2Transform;
}

function pickOne(own: readonly Phase2Parameters[], groups: readonly (readonly ReadProposal[])[]): Picked[] | undefined {
  for (const parameters of own) {
    for (const [offered, ...others] of groups) {
      if (offered === undefined || others.length > 0) continue;
      const picked = pick(parameters, offered);
      if (picked !== undefined) return [picked];
    }
  }
  return undefined;
}

function pick(parameters: Phase2Parameters, { proposal, transforms }: ReadProposal): Picked | undefined {
  if (proposal.protocol !== parameters.protocol) return undefined;
  const read = transforms.get(keyOf(parameters));
  return read === undefined ? undefined : { proposal, read };
}

function isBundle(group: readonly ReadProposal[]): boolean {
  const protocols = group.map(({ proposal }) => proposal.protocol);
  return group.length === 2 && protocols.includes(Protocol.IPSEC_AH) && protocols.includes(Protocol.IPSEC_ESP);
}

function pickBundle(
  esp: readonly Phase2Parameters[],
  ah: readonly Phase2Parameters[],
  groups: readonly (readonly ReadProposal[])[],
): Picked[] | undefined {
  const first = (own: readonly Phase2Parameters[], group: readonly ReadProposal[]) =>
    own.flatMap((one) => group.flatMap((offered) => pick(one, offered) ?? []))[0];
  for (const group of groups.filter(isBundle)) {
    const inner = first(esp, group);
    const outer = first(ah, group);
    if (inner !== undefined && outer !== undefined) return [inner, outer];
  }
  return undefined;
}

function choiceOf(picked: readonly Picked[], sa: SaPayload, policy: Phase2Policy): Phase2Choice | OfferRefused {
  const agreement = agreementOf(picked, lifetimeOf(policy));
  if (agreement === undefined) {
    return { kind: "refused", notify: NotifyType.NO_PROPOSAL_CHOSEN, why: "the peer offers what is no suite" };
  }
  const offered = sa.proposals.flatMap((proposal) => {
    const found = picked.find((one) => one.proposal === proposal);
    return found === undefined ? [] : [{ ...proposal, transforms: [found.read.transform] }];
  });
  const offeredLifetime = picked.map(({ read }) => read.lifetime).reduce(shorterLifetime);
  return { kind: "chosen", ...agreement, offered, offeredLifetime };
}

/** `picked`: the one of ESP, or of AH alone, first. */
function agreementOf(picked: readonly Picked[], own: Lifetime): Phase2Agreement | undefined {
  const sides = picked.flatMap(({ proposal, read }): (ProtocolAgreement & Picked)[] => {
    const suite = suiteOf(read.parameters);
    const peerSpi = childSpiOf(proposal.spi);
    return suite === undefined || peerSpi === undefined ? [] : [{ suite, peerSpi, proposal, read }];
  });
  const [inner, outerAh] = sides;
  if (inner === undefined || sides.length !== picked.length) return undefined;
  const { mode, group } = inner.read.parameters;
  const { TUNNEL, TRANSPORT } = EncapsulationMode;
  return {
    inner: { suite: inner.suite, peerSpi: inner.peerSpi },
    outerAh: outerAh && { suite: outerAh.suite, peerSpi: outerAh.peerSpi },
    udp: mode !== TUNNEL && mode !== TRANSPORT,
    group,
    lifetime: picked.map(({ read }) => read.lifetime).reduce(shorterLifetime, own),
  };
}

/** What was chosen, with our SPIs in the place of theirs. */
export function phase2Answer({ offered }: Phase2Choice, spis: OwnSpis): SaPayload {
  const spi = (protocol: number) => childSpiOctets(protocol === Protocol.IPSEC_AH ? spis.ah : spis.esp);
  return { kind: "SA", proposals: offered.map((one) => ({ ...one, spi: spi(one.protocol) })) };
}

/** The initiator's check (RFC 2408 §4.2): one transform of each protocol, as they were sent. */
export function checkPhase2Answer(
  sent: SaPayload,
  answer: SaPayload,
  policy: Phase2Policy,
): ({ readonly kind: "agreed" } & Phase2Agreement) | OfferRefused {
  const checked = checkAnswer(sent, answer, IPSEC_LIFE);
  if (typeof checked === "string") return modified(checked);
  const picked: Picked[] = [];
  for (const { sent: own, answered, transform } of checked) {
    const read = readPhase2Transform(own.protocol, transform);
    const spi = childSpiOf(answered.spi);
    if (typeof read === "string") return modified(read);
    if (spi === undefined) return modified("its SPI cannot be one");
    picked.push({ proposal: answered, read });
  }
  // ESP before the AH that is over it.
  picked.sort((a, b) => b.proposal.protocol - a.proposal.protocol);
  const agreement = agreementOf(picked, lifetimeOf(policy));
  return agreement === undefined ? modified("it chose what is no suite") : { kind: "agreed", ...agreement };
}

function modified(what: string): OfferRefused {
  return { kind: "refused", notify: NotifyType.BAD_PROPOSAL_SYNTAX, why: `the peer modified our offer: ${what}` };
}
