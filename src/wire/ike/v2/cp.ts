import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

// RFC 7296 §3.15.1: the top bit is reserved.
const ATTRIBUTE_TYPE_MASK = 0x7fff;

export interface CpAttribute {
  /** A `ConfigurationAttribute`, or another number up to 32767. */
  readonly type: number;
  /** Empty in a request = any. */
  readonly value: Uint8Array;
}

/** RFC 7296 §3.15: type (1 octet), reserved (3), attributes. */
export interface CpPayload {
  readonly kind: "CP";
  /** A `CfgType`, or another number. */
  readonly type: number;
  readonly attributes: readonly CpAttribute[];
}

export function decodeCp(reader: Reader): CpPayload {
  const type = reader.u8("CFG type");
  reader.skip(3, "configuration");
  const attributes: CpAttribute[] = [];
  while (reader.remaining > 0) {
    const attribute = reader.u16("attribute type") & ATTRIBUTE_TYPE_MASK;
    const length = reader.u16("attribute length");
    attributes.push({ type: attribute, value: reader.take(length, "attribute value") });
  }
  return { kind: "CP", type, attributes };
}

export function encodeCp(payload: CpPayload, writer: Writer): void {
  writer.u8(payload.type);
  writer.zeros(3);
  for (const { type, value } of payload.attributes) {
    writer.u16(type);
    writer.u16(value.length);
    writer.octets(value);
  }
}
