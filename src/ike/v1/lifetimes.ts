/** Lifetimes of both phases (RFC 2409 appendix A, RFC 2407 §4.5), and how a responder tells its shorter one (§4.6.3.1). */
import { WireError } from "#core/errors";
import { Reader } from "#core/reader";
import { type Millis, millis, type Octets, octets } from "#core/units";
import { Writer } from "#core/writer";
import { type Attribute, attribute, attributeValue, decodeAttributes, encodeAttributes } from "#wire/ike/v1/attributes";
import { type NotifyPayload, notify } from "#wire/ike/v1/notify";
import { IpsecAttribute, IsakmpAttribute, LifeType, NotifyType } from "#wire/ike/v1/numbers";

/** Infinity = no limit. */
export interface Lifetime {
  readonly time: Millis;
  readonly octets: Octets;
}

/** Attribute numbers of a phase. */
export interface LifeAttributes {
  readonly type: number;
  readonly duration: number;
}

export const ISAKMP_LIFE: LifeAttributes = { type: IsakmpAttribute.LIFE_TYPE, duration: IsakmpAttribute.LIFE_DURATION };
export const IPSEC_LIFE: LifeAttributes = {
  type: IpsecAttribute.SA_LIFE_TYPE,
  duration: IpsecAttribute.SA_LIFE_DURATION,
};

const SECOND = 1000;
/** What is told; the RFCs' 1024 would let a peer count more than we promise (docs/requirements.md S18). */
const KILOBYTE = 1000;
const DURATION_MAX = 0xffff_ffff;

export const UNLIMITED: Lifetime = {
  time: millis(Number.POSITIVE_INFINITY),
  octets: octets(Number.POSITIVE_INFINITY),
};

/** RFC 2407 §4.5: of a phase 2 offer that names no time. */
export const IPSEC_DEFAULT: Lifetime = { ...UNLIMITED, time: millis(28_800 * SECOND) };

/** The shorter of each. */
export function shorterLifetime(a: Lifetime, b: Lifetime): Lifetime {
  return { time: millis(Math.min(a.time, b.time)), octets: octets(Math.min(a.octets, b.octets)) };
}

/** Type and duration pairs for the limits there are. */
export function lifetimeAttributes(numbers: LifeAttributes, lifetime: Lifetime): Attribute[] {
  const pair = (type: number, value: number): Attribute[] => {
    if (!Number.isFinite(value)) return [];
    const duration = Math.min(Math.max(Math.floor(value), 1), DURATION_MAX);
    return [attribute(numbers.type, type), attribute(numbers.duration, duration)];
  };
  return [...pair(LifeType.SECONDS, lifetime.time / SECOND), ...pair(LifeType.KILOBYTES, lifetime.octets / KILOBYTE)];
}

/**
 * The limits among attributes, other attributes left aside; a text says what is wrong with them: a duration without a type,
 * a type twice, without duration or unknown, a duration of 0 (RFC 2407 §4.5).
 */
export function readLifetime(numbers: LifeAttributes, attributes: readonly Attribute[]): Lifetime | string {
  const found = new Map<number, number>();
  let type: number | undefined;
  for (const one of attributes) {
    if (one.type === numbers.type) {
      if (type !== undefined) return "a life type without a duration";
      type = attributeValue(one);
      if (type !== LifeType.SECONDS && type !== LifeType.KILOBYTES) return "an unknown life type";
      if (found.has(type)) return "a life type twice";
    } else if (one.type === numbers.duration) {
      if (type === undefined) return "a life duration without a type";
      const duration = attributeValue(one) ?? Number.POSITIVE_INFINITY;
      if (duration === 0 || one.value.length === 0) return "a life duration of 0";
      found.set(type, duration);
      type = undefined;
    }
  }
  if (type !== undefined) return "a life type without a duration";
  return lifetimeOf(found);
}

function lifetimeOf(found: ReadonlyMap<number, number>): Lifetime {
  const seconds = found.get(LifeType.SECONDS) ?? Number.POSITIVE_INFINITY;
  const kilobytes = found.get(LifeType.KILOBYTES) ?? Number.POSITIVE_INFINITY;
  return { time: millis(seconds * SECOND), octets: octets(kilobytes * KILOBYTE) };
}

/** Whether an initiator has to be told (RFC 2407 §4.6.3.1). */
export function isShorter(own: Lifetime, offered: Lifetime): boolean {
  return own.time < offered.time || own.octets < offered.octets;
}

/** RESPONDER-LIFETIME; `spi`: the cookie pair for phase 1, the sender's inbound SPI for phase 2. */
export function responderLifetime(
  numbers: LifeAttributes,
  protocol: number,
  spi: Uint8Array,
  lifetime: Lifetime,
): NotifyPayload {
  const writer = new Writer();
  encodeAttributes(lifetimeAttributes(numbers, lifetime), writer);
  return notify(NotifyType.RESPONDER_LIFETIME, protocol, spi, writer.finish());
}

/** undefined where the notification's data is malformed, which changes nothing. */
export function readResponderLifetime(numbers: LifeAttributes, payload: NotifyPayload): Lifetime | undefined {
  try {
    const read = readLifetime(numbers, decodeAttributes(new Reader(payload.data)));
    return typeof read === "string" ? undefined : read;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
