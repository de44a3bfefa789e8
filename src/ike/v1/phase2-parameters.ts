/** Configured proposals of children and transforms of quick mode ↔ parameters (RFC 2407 §4.4.3–§4.5). */
import type { ChildConfig } from "#core/connection";
import { type Proposal, ProtocolId, type Transform, TransformType } from "#core/proposal";
import { type ChildSuite, childSuite, encryptionOf } from "#ike/suite";
import { transformName } from "#ike/transform-names";
import { type Attribute, attribute, attributeValue } from "#wire/ike/v1/attributes";
import { EncapsulationMode, IpsecAttribute, Protocol } from "#wire/ike/v1/numbers";
import type { SaTransform } from "#wire/ike/v1/sa";
import { AH_TRANSFORM, AUTHENTICATION, ESP_TRANSFORM, isGroup } from "./algorithms.ts";
import { IPSEC_DEFAULT, IPSEC_LIFE, type Lifetime, readLifetime } from "./lifetimes.ts";
import type { Phase2Parameters } from "./parameters.ts";

/** RFC 3947 §5.1. `draft-udp`: the peer speaks drafts 02 or 03 alone; what is offered to it has their numbers. */
export type Encapsulation = "none" | "udp" | "draft-udp";

/** What a quick mode for one child offers and takes. */
export interface Phase2Policy {
  readonly child: Pick<ChildConfig, "mode" | "proposals" | "outerProposals" | "sessionPfs" | "lifetime">;
  /** KE method of main mode (S27). */
  readonly isakmpGroup: number;
  readonly encapsulation: Encapsulation;
}

/** Without mode and group, which the policy gives all of them. */
export type Phase2Algorithms = Omit<Phase2Parameters, "mode" | "group">;

/** One configured proposal. */
export interface AlgorithmsOf {
  readonly protocol: number;
  /** In order of preference. */
  readonly algorithms: readonly Phase2Algorithms[];
  /** KE methods as configured, 0 = none; of IKEv1's groups alone. */
  readonly groups: readonly number[];
}

/** `gaps`: what IKEv1 cannot say is added to them. */
export function algorithmsOf({ protocol, transforms }: Proposal, gaps: Set<string>): AlgorithmsOf {
  const of = (type: number) => transforms.filter((one) => one.type === type);
  const esn = of(TransformType.ESN).map(({ id }) => id === 1);
  const suites = protocol === ProtocolId.AH ? ahSuites(of(TransformType.INTEG), gaps) : espSuites(of, gaps);
  const algorithms = suites.flatMap((suite) =>
    (esn.length === 0 ? [false] : esn).map((one) => ({ protocol, ...suite, esn: one })),
  );
  if (transforms.some(({ type, id }) => type >= TransformType.ADDKE1 && id !== 0)) {
    gaps.add("additional key exchanges are IKEv2's alone");
  }
  return { protocol, algorithms, groups: groupsOf(of(TransformType.KE), gaps) };
}

/** No KE at all is 0; one that IKEv1 does not have is no reason to do without. */
function groupsOf(methods: readonly Transform[], gaps: Set<string>): number[] {
  if (methods.length === 0) return [0];
  return methods.flatMap((one) => {
    if (one.id === 0 || isGroup(one.id)) return [one.id];
    gaps.add(`${transformName(one)} has no number in IKEv1`);
    return [];
  });
}

type Suite = Pick<Phase2Parameters, "transform" | "keyBits" | "authentication">;

function espSuites(of: (type: number) => readonly Transform[], gaps: Set<string>): Suite[] {
  const authentications = of(TransformType.INTEG).flatMap((one) => numberOf(one, gaps));
  return of(TransformType.ENCR).flatMap((one): Suite[] => {
    const transform = ESP_TRANSFORM.toWire(one.id);
    if (transform === undefined) gaps.add(`${transformName(one)} has no number in IKEv1`);
    if (transform === undefined) return [];
    const { keyBits } = one;
    if (encryptionOf(one)?.aead === true) return [{ transform, keyBits, authentication: 0 }];
    return authentications.map((authentication) => ({ transform, keyBits, authentication }));
  });
}

function ahSuites(integrities: readonly Transform[], gaps: Set<string>): Suite[] {
  return integrities.flatMap((one) => {
    const transform = AH_TRANSFORM.toWire(one.id);
    const [authentication] = numberOf(one, gaps);
    if (transform === undefined || authentication === undefined) return [];
    return [{ transform, keyBits: 0, authentication }];
  });
}

/** One or none. */
function numberOf(integrity: Transform, gaps: Set<string>): number[] {
  if (integrity.id === 0) return [];
  const number = AUTHENTICATION.toWire(integrity.id);
  if (number === undefined) gaps.add(`${transformName(integrity)} has no number in IKEv1`);
  return number === undefined ? [] : [number];
}

/** Encapsulation modes that are taken; the first one is offered. */
export function modesOf({ child, encapsulation }: Phase2Policy): readonly number[] {
  const { TUNNEL, TRANSPORT, UDP_TUNNEL, UDP_TRANSPORT, DRAFT_UDP_TUNNEL, DRAFT_UDP_TRANSPORT } = EncapsulationMode;
  const tunnel = child.mode === "tunnel";
  if (encapsulation === "none") return [tunnel ? TUNNEL : TRANSPORT];
  const numbers = tunnel ? [UDP_TUNNEL, DRAFT_UDP_TUNNEL] : [UDP_TRANSPORT, DRAFT_UDP_TRANSPORT];
  return encapsulation === "udp" ? numbers : numbers.toReversed();
}

export function keyOf({ transform, keyBits, authentication, esn, mode, group }: Phase2Parameters): string {
  return [transform, keyBits, authentication, esn, mode, group].join();
}

export function encodeParameters(one: Phase2Parameters): Attribute[] {
  const { group, mode, authentication, keyBits, esn } = one;
  const unless0 = (type: number, value: number) => (value === 0 ? [] : [attribute(type, value)]);
  return [
    ...unless0(IpsecAttribute.GROUP_DESCRIPTION, group),
    attribute(IpsecAttribute.ENCAPSULATION_MODE, mode),
    ...unless0(IpsecAttribute.AUTHENTICATION_ALGORITHM, authentication),
    ...unless0(IpsecAttribute.KEY_LENGTH, keyBits),
    // RFC 4304 §3.2
    ...unless0(IpsecAttribute.EXTENDED_SEQUENCE_NUMBER, esn ? 1 : 0),
  ];
}

const UNDERSTOOD: ReadonlySet<number> = new Set<number>([
  IpsecAttribute.GROUP_DESCRIPTION,
  IpsecAttribute.ENCAPSULATION_MODE,
  IpsecAttribute.AUTHENTICATION_ALGORITHM,
  IpsecAttribute.KEY_LENGTH,
  IpsecAttribute.EXTENDED_SEQUENCE_NUMBER,
]);

export interface ReadPhase2Transform {
  readonly transform: SaTransform;
  readonly parameters: Phase2Parameters;
  /** The DOI's default where no time is named. */
  readonly lifetime: Lifetime;
}

/** A text says why it can be chosen by nobody. */
export function readPhase2Transform(protocol: number, transform: SaTransform): ReadPhase2Transform | string {
  const at = `transform ${transform.number}`;
  const values = new Map<number, number>();
  for (const one of transform.attributes) {
    if (one.type === IPSEC_LIFE.type || one.type === IPSEC_LIFE.duration) continue;
    if (!UNDERSTOOD.has(one.type)) return `${at} has attribute ${one.type}, which we do not know`;
    if (values.has(one.type)) return `${at} has attribute ${one.type} twice`;
    const value = attributeValue(one) ?? 0;
    // Of all of them 0 is reserved (RFC 2407 §4.5).
    if (value === 0) return `${at} has attribute ${one.type} without a value`;
    values.set(one.type, value);
  }
  const read = readLifetime(IPSEC_LIFE, transform.attributes);
  if (typeof read === "string") return `${at} has ${read}`;
  const value = (type: number) => values.get(type) ?? 0;
  const mode = value(IpsecAttribute.ENCAPSULATION_MODE);
  // RFC 2407 §4.5: the default depends on the host, so none is assumed.
  if (mode === 0) return `${at} has no encapsulation mode`;
  const esn = value(IpsecAttribute.EXTENDED_SEQUENCE_NUMBER);
  if (esn > 1) return `${at} has sequence numbers of a kind we do not know`;
  const parameters: Phase2Parameters = {
    protocol,
    transform: transform.id,
    keyBits: value(IpsecAttribute.KEY_LENGTH),
    authentication: value(IpsecAttribute.AUTHENTICATION_ALGORITHM),
    mode,
    group: value(IpsecAttribute.GROUP_DESCRIPTION),
    esn: esn === 1,
  };
  const lifetime = Number.isFinite(read.time) ? read : { ...read, time: IPSEC_DEFAULT.time };
  return { transform, parameters, lifetime };
}

/** undefined where they are no suite of ours. */
export function suiteOf(one: Phase2Parameters): ChildSuite | undefined {
  const ah = one.protocol === Protocol.IPSEC_AH;
  const integrity = AUTHENTICATION.toOwn(one.authentication) ?? 0;
  const encryption = ah ? undefined : ESP_TRANSFORM.toOwn(one.transform);
  if (one.authentication !== 0 && integrity === 0) return undefined;
  if (ah ? AH_TRANSFORM.toOwn(one.transform) !== integrity : encryption === undefined) return undefined;
  if (one.group !== 0 && !isGroup(one.group)) return undefined;
  const of = (type: number, id: number, keyBits = 0) => (id === 0 ? [] : [{ type, id, keyBits }]);
  return childSuite(ah ? "ah" : "esp", [
    ...of(TransformType.ENCR, encryption ?? 0, one.keyBits),
    ...of(TransformType.INTEG, integrity),
    ...of(TransformType.KE, one.group),
    ...of(TransformType.ESN, one.esn ? 1 : 0),
  ]);
}
