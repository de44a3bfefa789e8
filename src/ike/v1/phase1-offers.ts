/**
 * What an ISAKMP SA is offered with and chosen by (RFC 2409 §5, appendix A): configured proposals ↔ transforms of one
 * proposal with the four mandatory parameters. The responder's own order decides, as in ike/proposal.ts.
 */
import type { Connection } from "#core/connection";
import { type Proposal, type Transform, TransformType } from "#core/proposal";
import { millis } from "#core/units";
import { PRFS } from "#crypto/prf";
import { Encryption } from "#crypto/transforms";
import { type IkeSuite, ikeSuite } from "#ike/suite";
import { transformName } from "#ike/transform-names";
import { type Attribute, attribute, attributeValue } from "#wire/ike/v1/attributes";
import { IsakmpAttribute, IsakmpMethod, KEY_IKE, NotifyType, Protocol } from "#wire/ike/v1/numbers";
import type { SaPayload, SaTransform } from "#wire/ike/v1/sa";
import { ISAKMP_ENCRYPTION, ISAKMP_HASH, isGroup } from "./algorithms.ts";
import { ISAKMP_LIFE, type Lifetime, lifetimeAttributes, readLifetime, shorterLifetime } from "./lifetimes.ts";
import { explainPhase1 } from "./mismatch.ts";
import type { Phase1Parameters } from "./parameters.ts";
import { checkAnswer } from "./strict-answer.ts";

/** What one connection offers and takes. */
export interface Phase1Policy {
  /** Of protocol IKE. */
  readonly proposals: readonly Proposal[];
  /** `IsakmpMethod`s in order of preference. */
  readonly methods: readonly number[];
  readonly lifetime: Lifetime;
}

export interface Phase1Agreement {
  readonly suite: IkeSuite;
  /** An `IsakmpMethod`. */
  readonly method: number;
  readonly lifetime: Lifetime;
}

export interface Phase1Choice<T> extends Phase1Agreement {
  readonly kind: "chosen";
  readonly policy: T;
  /** Exactly as it was offered (RFC 2408 §4.2). */
  readonly answer: SaPayload;
  /** Longer than `lifetime`: to be told by RESPONDER-LIFETIME. */
  readonly offeredLifetime: Lifetime;
}

export interface OfferRefused {
  readonly kind: "refused";
  /** A `NotifyType` of errors. */
  readonly notify: number;
  /** One line for people: what differs. */
  readonly why: string;
}

/** Some 36 octets each: more are not for one datagram. The least preferred ones go. */
export const PHASE1_TRANSFORMS_LIMIT = 64;
const NOTHING = new Uint8Array(0);

/** Rekeying an ISAKMP SA is authenticating again: what comes first, and the time it may take. */
export function isakmpLifetime({ rekeyTime, reauthTime, overTime, v1 }: Connection): Lifetime {
  return { time: millis(Math.min(rekeyTime, reauthTime) + overTime), octets: v1.lifeOctets };
}

interface Suites {
  /** In order of preference, without a method. */
  readonly parameters: readonly Omit<Phase1Parameters, "method">[];
  /** What has no place in phase 1, with the reason. */
  readonly gaps: readonly string[];
  /** With methods, by their list. */
  readonly whole: Map<string, readonly Own[]>;
}

interface Own {
  readonly parameters: Phase1Parameters;
  readonly key: string;
}

/** Configured proposals never change, and everybody may make us look at them. */
const SUITES = new WeakMap<readonly Proposal[], Suites>();

function suitesOf(proposals: readonly Proposal[]): Suites {
  const known = SUITES.get(proposals) ?? readSuites(proposals);
  SUITES.set(proposals, known);
  return known;
}

function readSuites(proposals: readonly Proposal[]): Suites {
  const gaps = new Set<string>();
  const parameters = proposals.flatMap(({ transforms }) => {
    const of = (type: number) => transforms.filter((one) => one.type === type);
    const ciphers = of(TransformType.ENCR).flatMap((one) => {
      const encryption = ISAKMP_ENCRYPTION.toWire(one.id);
      if (encryption === undefined) gaps.add(`${transformName(one)} has no number in IKEv1's phase 1`);
      return encryption === undefined ? [] : [{ encryption, keyBits: one.keyBits }];
    });
    const hashes = of(TransformType.INTEG).flatMap((one) => hashOf(one, of(TransformType.PRF), gaps));
    const groups = of(TransformType.KE).flatMap((one) => {
      if (!isGroup(one.id)) gaps.add(`${transformName(one)} has no number in IKEv1`);
      return isGroup(one.id) ? [one.id] : [];
    });
    if (transforms.some(({ type, id }) => type >= TransformType.ADDKE1 && id !== 0)) {
      gaps.add("additional key exchanges are IKEv2's alone");
    }
    return ciphers.flatMap((cipher) => hashes.flatMap((hash) => groups.map((group) => ({ ...cipher, hash, group }))));
  });
  return { parameters, gaps: [...gaps], whole: new Map() };
}

/** RFC 2409 §4: the PRF is the HMAC of the hash; one that is configured beside must be that. */
function hashOf(integrity: Transform, prfs: readonly Transform[], gaps: Set<string>): number[] {
  if (integrity.id === 0) return [];
  const hash = ISAKMP_HASH.toWire(integrity.id);
  if (hash === undefined) {
    gaps.add(`${transformName(integrity)} is no hash of IKEv1's phase 1`);
    return [];
  }
  const prf = PRFS.find((row) => row.integrity === integrity.id);
  if (prfs.length > 0 && !prfs.some(({ id }) => id === prf?.id)) {
    gaps.add(`${transformName(integrity)} needs ${prf?.name}: the PRF of IKEv1 is the hash's (RFC 2409 §4)`);
    return [];
  }
  return [hash];
}

/** What of a connection's proposals IKEv1 cannot say, one line each; empty = everything is offered. */
export function phase1Gaps(proposals: readonly Proposal[]): readonly string[] {
  return suitesOf(proposals).gaps;
}

function ownOf({ proposals, methods }: Phase1Policy): readonly Own[] {
  const { parameters, whole } = suitesOf(proposals);
  const list = methods.join();
  const known = whole.get(list);
  if (known !== undefined) return known;
  const made = parameters
    .flatMap((one) => methods.map((method): Phase1Parameters => ({ ...one, method })))
    .map((one): Own => ({ parameters: one, key: keyOf(one) }));
  whole.set(list, made);
  return made;
}

function keyOf({ encryption, keyBits, hash, method, group }: Phase1Parameters): string {
  return [encryption, keyBits, hash, method, group].join();
}

/** One proposal with a transform for each way (RFC 2409 §5), the best first; undefined where there is none: `phase1Gaps`. */
export function phase1Offer(policies: readonly Phase1Policy[]): SaPayload | undefined {
  const transforms = new Map<string, SaTransform>();
  for (const policy of policies) {
    for (const { parameters, key } of ownOf(policy)) {
      if (transforms.has(key) || transforms.size === PHASE1_TRANSFORMS_LIMIT) continue;
      transforms.set(key, {
        number: transforms.size + 1,
        id: KEY_IKE,
        attributes: [...encodeParameters(parameters), ...lifetimeAttributes(ISAKMP_LIFE, policy.lifetime)],
      });
    }
  }
  if (transforms.size === 0) return undefined;
  return {
    kind: "SA",
    proposals: [{ number: 1, protocol: Protocol.ISAKMP, spi: NOTHING, transforms: [...transforms.values()] }],
  };
}

function encodeParameters({ encryption, keyBits, hash, method, group }: Phase1Parameters): Attribute[] {
  return [
    attribute(IsakmpAttribute.ENCRYPTION_ALGORITHM, encryption),
    ...(keyBits === 0 ? [] : [attribute(IsakmpAttribute.KEY_LENGTH, keyBits)]),
    attribute(IsakmpAttribute.HASH_ALGORITHM, hash),
    attribute(IsakmpAttribute.AUTHENTICATION_METHOD, method),
    attribute(IsakmpAttribute.GROUP_DESCRIPTION, group),
  ];
}

const MANDATORY: readonly (readonly [type: number, name: string])[] = [
  [IsakmpAttribute.ENCRYPTION_ALGORITHM, "encryption algorithm"],
  [IsakmpAttribute.HASH_ALGORITHM, "hash algorithm"],
  [IsakmpAttribute.AUTHENTICATION_METHOD, "authentication method"],
  [IsakmpAttribute.GROUP_DESCRIPTION, "Diffie-Hellman group"],
];
const UNDERSTOOD: ReadonlySet<number> = new Set<number>([
  ...MANDATORY.map(([type]) => type),
  IsakmpAttribute.KEY_LENGTH,
  ISAKMP_LIFE.type,
  ISAKMP_LIFE.duration,
]);

export interface ReadTransform {
  readonly transform: SaTransform;
  readonly parameters: Phase1Parameters;
  readonly lifetime: Lifetime;
}

function isKerberos({ attributes }: SaTransform): boolean {
  return attributes.some(
    (one) => one.type === IsakmpAttribute.AUTHENTICATION_METHOD && attributeValue(one) === IsakmpMethod.GSS_API,
  );
}

/** A text says why it can be chosen by nobody. RFC 2409 §4: four parameters are mandatory. */
export function readPhase1Transform(transform: SaTransform): ReadTransform | string {
  const at = `transform ${transform.number}`;
  if (transform.id !== KEY_IKE) return `${at} has the ID ${transform.id}, not KEY_IKE`;
  const values = new Map<number, number>();
  for (const one of transform.attributes) {
    // The place of Kerberos (S42, S44): read so far that a refusal names it.
    if (one.type === IsakmpAttribute.GSS_IDENTITY_NAME && isKerberos(transform)) continue;
    if (!UNDERSTOOD.has(one.type)) return `${at} has attribute ${one.type}, which we do not know`;
    if (one.type === ISAKMP_LIFE.type || one.type === ISAKMP_LIFE.duration) continue;
    if (values.has(one.type)) return `${at} has attribute ${one.type} twice`;
    const value = attributeValue(one) ?? 0;
    // Of all of them 0 is reserved (RFC 2409 appendix A).
    if (value === 0) return `${at} has attribute ${one.type} without a value`;
    values.set(one.type, value);
  }
  const missing = MANDATORY.find(([type]) => !values.has(type));
  if (missing !== undefined) return `${at} has no ${missing[1]} (RFC 2409 §4: four are mandatory)`;
  const lifetime = readLifetime(ISAKMP_LIFE, transform.attributes);
  if (typeof lifetime === "string") return `${at} has ${lifetime}`;
  const value = (type: number) => values.get(type) ?? 0;
  const parameters: Phase1Parameters = {
    encryption: value(IsakmpAttribute.ENCRYPTION_ALGORITHM),
    keyBits: value(IsakmpAttribute.KEY_LENGTH),
    hash: value(IsakmpAttribute.HASH_ALGORITHM),
    method: value(IsakmpAttribute.AUTHENTICATION_METHOD),
    group: value(IsakmpAttribute.GROUP_DESCRIPTION),
  };
  return { transform, parameters, lifetime };
}

function suiteOf({ encryption, keyBits, hash, group }: Phase1Parameters): IkeSuite | undefined {
  const integrity = ISAKMP_HASH.toOwn(hash);
  const prf = PRFS.find((row) => row.integrity === integrity);
  const cipher = ISAKMP_ENCRYPTION.toOwn(encryption);
  if (integrity === undefined || prf === undefined || cipher === undefined || !isGroup(group)) return undefined;
  return ikeSuite([
    { type: TransformType.ENCR, id: cipher, keyBits },
    { type: TransformType.PRF, id: prf.id, keyBits: 0 },
    { type: TransformType.INTEG, id: integrity, keyBits: 0 },
    { type: TransformType.KE, id: group, keyBits: 0 },
  ]);
}

/** Policies, their proposals and methods in our order. A life is never too long or too short: the shorter one counts. */
export function choosePhase1<T extends Phase1Policy>(
  sa: SaPayload,
  policies: readonly T[],
): Phase1Choice<T> | OfferRefused {
  const [proposal, ...others] = sa.proposals;
  // RFC 2409 §5: one proposal, several transforms.
  if (proposal === undefined || others.length > 0 || proposal.protocol !== Protocol.ISAKMP) {
    const why = "an offer of phase 1 is one proposal of protocol ISAKMP (RFC 2409 §5)";
    return { kind: "refused", notify: NotifyType.BAD_PROPOSAL_SYNTAX, why };
  }
  const reasons: string[] = [];
  const offered = new Map<string, ReadTransform>();
  for (const transform of proposal.transforms) {
    const read = readPhase1Transform(transform);
    if (typeof read === "string") reasons.push(read);
    else if (!offered.has(keyOf(read.parameters))) offered.set(keyOf(read.parameters), read);
  }
  for (const policy of policies) {
    for (const { parameters, key } of ownOf(policy)) {
      const read = offered.get(key);
      const suite = read && suiteOf(parameters);
      if (read === undefined || suite === undefined) continue;
      return {
        kind: "chosen",
        policy,
        suite,
        method: parameters.method,
        lifetime: shorterLifetime(policy.lifetime, read.lifetime),
        offeredLifetime: read.lifetime,
        answer: { kind: "SA", proposals: [{ ...proposal, spi: NOTHING, transforms: [read.transform] }] },
      };
    }
  }
  const ours = policies.flatMap((one) => ownOf(one).map(({ parameters }) => parameters));
  const theirs = [...offered.values()].map((one) => one.parameters);
  const gaps = ours.length === 0 ? policies.flatMap(({ proposals }) => phase1Gaps(proposals)) : [];
  const why = explainPhase1(ours, theirs, [...gaps, ...reasons]);
  return { kind: "refused", notify: NotifyType.NO_PROPOSAL_CHOSEN, why };
}

/** The initiator's check (RFC 2408 §4.2): one transform, as it was sent. */
export function checkPhase1Answer(
  sent: SaPayload,
  answer: SaPayload,
): ({ readonly kind: "agreed" } & Phase1Agreement) | OfferRefused {
  const checked = checkAnswer(sent, answer, ISAKMP_LIFE);
  if (typeof checked === "string") return modified(checked);
  const [answered] = checked;
  const read = answered === undefined ? "it chose nothing" : readPhase1Transform(answered.transform);
  if (typeof read === "string") return modified(read);
  const suite = suiteOf(read.parameters);
  if (suite === undefined) return modified("it chose what we cannot do");
  return { kind: "agreed", suite, method: read.parameters.method, lifetime: read.lifetime };
}

function modified(what: string): OfferRefused {
  return { kind: "refused", notify: NotifyType.BAD_PROPOSAL_SYNTAX, why: `the peer modified our offer: ${what}` };
}

/** 3DES set to the weaker DES, for peers without strong encryption (docs/requirements.md S77). */
export function exportDowngraded(proposals: readonly Proposal[]): readonly Proposal[] {
  const weaker = (one: Transform): Transform =>
    one.type === TransformType.ENCR && one.id === Encryption.TRIPLE_DES ? { ...one, id: Encryption.DES } : one;
  return proposals.map((one) => ({ ...one, transforms: one.transforms.map(weaker) }));
}
