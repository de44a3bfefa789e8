import { assert } from "#core/errors";
import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

// RFC 2408 §3.3. AF, the top bit: type and value in 4 octets.
const TYPE_VALUE = 0x8000;
const SHORT_LENGTH = 2;
/** Ours have at most nine; a transform with more is nobody's. */
export const ATTRIBUTES_LIMIT = 32;
/** Numbers of 6 octets are exact; no attribute needs more. */
const NUMBER_LENGTH_MAX = 6;

/** RFC 2408 §3.3: a data attribute as it came, so that answers can be compared octet by octet. */
export interface Attribute {
  /** 0–32767. */
  readonly type: number;
  /** Type/Value format: two octets without a length. */
  readonly short: boolean;
  readonly value: Uint8Array;
}

/** As small as it goes: two octets in Type/Value format, else four. */
export function attribute(type: number, value: number): Attribute {
  assert(Number.isInteger(value) && value >= 0 && value < 2 ** 32, "an attribute's value does not fit 4 octets");
  const short = value <= 0xffff;
  const octets = new Uint8Array(short ? SHORT_LENGTH : 4);
  const view = new DataView(octets.buffer);
  if (short) view.setUint16(0, value);
  else view.setUint32(0, value);
  return { type, short, value: octets };
}

/** Network order; undefined where it is empty or beyond 6 octets (leading zeros do not count). */
export function attributeValue({ value }: Attribute): number | undefined {
  const first = value.findIndex((octet) => octet !== 0);
  if (value.length === 0 || (first >= 0 && value.length - first > NUMBER_LENGTH_MAX)) return undefined;
  return value.reduce((number, octet) => number * 256 + octet, 0);
}

/** All that is left. */
export function decodeAttributes(reader: Reader): Attribute[] {
  const attributes: Attribute[] = [];
  while (reader.remaining > 0) {
    if (attributes.length === ATTRIBUTES_LIMIT) reader.fail("number of attributes");
    attributes.push(decodeAttribute(reader));
  }
  return attributes;
}

function decodeAttribute(reader: Reader): Attribute {
  const head = reader.u16("attribute type");
  const type = head & ~TYPE_VALUE;
  if ((head & TYPE_VALUE) !== 0) return { type, short: true, value: reader.take(SHORT_LENGTH, "attribute value") };
  return { type, short: false, value: reader.take(reader.u16("attribute length"), "attribute value") };
}

export function encodeAttributes(attributes: readonly Attribute[], writer: Writer): void {
  for (const { type, short, value } of attributes) {
    assert(!short || value.length === SHORT_LENGTH, "a short attribute that is not two octets");
    assert(type < TYPE_VALUE, "an attribute type beyond 15 bits");
    writer.u16(short ? TYPE_VALUE | type : type);
    if (!short) writer.u16(value.length);
    writer.octets(value);
  }
}
