/** Why two lists of offers have nothing in common, in one line, and IKEv1's numbers in words. */
import { TransformType } from "#core/proposal";
import { transformName } from "#ike/transform-names";
import { nameOf } from "#wire/ike/numbers";
import {
  AhTransform,
  AuthenticationAlgorithm,
  EncapsulationMode,
  EspTransform,
  IsakmpEncryption,
  IsakmpHash,
  IsakmpMethod,
  Protocol,
} from "#wire/ike/v1/numbers";
import { AUTHENTICATION, ESP_TRANSFORM, ISAKMP_ENCRYPTION, ISAKMP_HASH } from "./algorithms.ts";
import type { Phase1Parameters, Phase2Parameters } from "./parameters.ts";

/** One parameter that both sides have to have in common, its value as a number, and how that is called. */
export interface Parameter<T> {
  readonly name: string;
  readonly value: (one: T) => number;
  readonly text: (one: T) => string;
}

/** Algorithms with the length of their keys, which is below 2^16. */
function keyed(algorithm: number, keyBits: number): number {
  return algorithm * 2 ** 17 + keyBits;
}

const METHOD_NAMES: Readonly<Record<number, string>> = {
  [IsakmpMethod.PRE_SHARED_KEY]: "pre-shared key",
  [IsakmpMethod.RSA_SIGNATURES]: "RSA signatures",
  [IsakmpMethod.ECDSA_SHA256_P256]: "ECDSA with SHA-256 on P-256",
  [IsakmpMethod.ECDSA_SHA384_P384]: "ECDSA with SHA-384 on P-384",
  [IsakmpMethod.ECDSA_SHA512_P521]: "ECDSA with SHA-512 on P-521",
  [IsakmpMethod.GSS_API]: "Kerberos (GSS-API, which is not there yet)",
};

function methodName(method: number): string {
  return METHOD_NAMES[method] ?? nameOf(IsakmpMethod, method).replaceAll("_", " ").toLowerCase();
}

/** "modp2048", or "key exchange 24". */
function groupName(group: number): string {
  return group === 0 ? "none" : transformName({ type: TransformType.KE, id: group, keyBits: 0 });
}

function encryptionName({ encryption, keyBits }: Phase1Parameters): string {
  const id = ISAKMP_ENCRYPTION.toOwn(encryption);
  if (id === undefined) return nameOf(IsakmpEncryption, encryption);
  return transformName({ type: TransformType.ENCR, id, keyBits });
}

function hashName({ hash }: Phase1Parameters): string {
  const id = ISAKMP_HASH.toOwn(hash);
  return id === undefined ? nameOf(IsakmpHash, hash) : transformName({ type: TransformType.INTEG, id, keyBits: 0 });
}

const PHASE1: readonly Parameter<Phase1Parameters>[] = [
  { name: "encryption", value: ({ encryption, keyBits }) => keyed(encryption, keyBits), text: encryptionName },
  { name: "hash", value: ({ hash }) => hash, text: hashName },
  { name: "authentication method", value: ({ method }) => method, text: ({ method }) => methodName(method) },
  { name: "Diffie-Hellman group", value: ({ group }) => group, text: ({ group }) => groupName(group) },
];

/** "aes128-sha256-modp2048 with pre-shared key". */
export function phase1ToString(one: Phase1Parameters): string {
  return `${encryptionName(one)}-${hashName(one)}-${groupName(one.group)} with ${methodName(one.method)}`;
}

/** `unreadable`: offers that nobody can choose, with their reasons. */
export function explainPhase1(
  ours: readonly Phase1Parameters[],
  theirs: readonly Phase1Parameters[],
  unreadable: readonly string[],
): string {
  return explain(PHASE1, ours, theirs, unreadable);
}

function protocolName({ protocol }: Phase2Parameters): string {
  return { [Protocol.IPSEC_AH]: "AH", [Protocol.IPSEC_ESP]: "ESP" }[protocol] ?? `protocol ${protocol}`;
}

function transformText({ protocol, transform, keyBits }: Phase2Parameters): string {
  if (protocol === Protocol.IPSEC_AH) return nameOf(AhTransform, transform);
  const id = ESP_TRANSFORM.toOwn(transform);
  return id === undefined ? nameOf(EspTransform, transform) : transformName({ type: TransformType.ENCR, id, keyBits });
}

function authenticationName({ authentication }: Phase2Parameters): string {
  if (authentication === 0) return "none";
  const id = AUTHENTICATION.toOwn(authentication);
  return id === undefined
    ? nameOf(AuthenticationAlgorithm, authentication)
    : transformName({ type: TransformType.INTEG, id, keyBits: 0 });
}

function modeName({ mode }: Phase2Parameters): string {
  return nameOf(EncapsulationMode, mode).toLowerCase().replaceAll("_", " ").replace("udp", "UDP");
}

const PHASE2: readonly Parameter<Phase2Parameters>[] = [
  { name: "protocol", value: ({ protocol }) => protocol, text: protocolName },
  { name: "encapsulation mode", value: ({ mode }) => mode, text: modeName },
  { name: "encryption", value: ({ transform, keyBits }) => keyed(transform, keyBits), text: transformText },
  { name: "integrity", value: ({ authentication }) => authentication, text: authenticationName },
  { name: "PFS group", value: ({ group }) => group, text: ({ group }) => groupName(group) },
  {
    name: "extended sequence numbers",
    value: ({ esn }) => (esn ? 1 : 0),
    text: ({ esn }) => (esn ? "esn" : "noesn"),
  },
];

/** "ESP aes128-sha256-modp2048 tunnel". */
export function phase2ToString(one: Phase2Parameters): string {
  const ah = one.protocol === Protocol.IPSEC_AH;
  const names = [
    ah ? undefined : transformText(one),
    one.authentication === 0 ? undefined : authenticationName(one),
    one.group === 0 ? undefined : groupName(one.group),
    one.esn ? "esn" : undefined,
  ];
  return `${protocolName(one)} ${names.filter((name) => name !== undefined).join("-")} ${modeName(one)}`;
}

/** `unreadable`: offers that nobody can choose, with their reasons. */
export function explainPhase2(
  ours: readonly Phase2Parameters[],
  theirs: readonly Phase2Parameters[],
  unreadable: readonly string[],
): string {
  return explain(PHASE2, ours, theirs, unreadable);
}

/** Lists are cut: a peer may offer hundreds. */
const LISTED = 12;

/** Parameter by parameter, what is left of both lists: the first that nothing is left of is the reason. */
export function explain<T>(
  parameters: readonly Parameter<T>[],
  ours: readonly T[],
  theirs: readonly T[],
  unreadable: readonly string[],
): string {
  if (ours.length === 0) return `nothing that is configured exists in IKEv1: ${unreadable[0] ?? "no proposals"}`;
  if (theirs.length === 0) return unreadable[0] ?? "the peer offers nothing";
  let [left, right] = [ours, theirs];
  for (const { name, value, text } of parameters) {
    const [own, offered] = [new Set(left.map(value)), new Set(right.map(value))];
    const isCommon = (one: T) => own.has(value(one)) && offered.has(value(one));
    const list = (all: readonly T[], values: ReadonlySet<number>) => listOf(all, value, text, values.size);
    if (!left.some(isCommon)) {
      return `no common ${name}: we allow ${list(left, own)}; the peer offers ${list(right, offered)}`;
    }
    left = left.filter(isCommon);
    right = right.filter(isCommon);
  }
  return "no common combination of what each allows";
}

/** Names are made of those alone that are shown: a stranger may make us say this thousands of times a second. */
function listOf<T>(all: readonly T[], value: (one: T) => number, text: (one: T) => string, count: number): string {
  const shown = new Map<number, T>();
  for (const one of all) {
    if (shown.size < LISTED && !shown.has(value(one))) shown.set(value(one), one);
  }
  return [...[...shown.values()].map(text), ...(count > LISTED ? ["…"] : [])].join(", ");
}
