import type { Identity } from "#core/identity";
import type { Reader } from "#core/reader";
import { Writer } from "#core/writer";

export type IdKind = "IDi" | "IDr";

/** RFC 7296 §3.5: type (1 octet), reserved (3), data. */
export interface IdPayload<Kind extends IdKind = IdKind> {
  readonly kind: Kind;
  readonly identity: Identity;
  /** 24 bits; 0 from us. Kept because AUTH covers them as they came (RFC 7296 §2.15). */
  readonly reserved: number;
}

export function idPayload<Kind extends IdKind>(kind: Kind, identity: Identity): IdPayload<Kind> {
  return { kind, identity, reserved: 0 };
}

/** The payload without its generic header: RestOfInitIDPayload and RestOfRespIDPayload of RFC 7296 §2.15. */
export function idBody(payload: IdPayload): Uint8Array {
  const writer = new Writer();
  encodeId(payload, writer);
  return writer.finish();
}

export function decodeId<Kind extends IdKind>(kind: Kind, reader: Reader): IdPayload<Kind> {
  const type = reader.u8("ID type");
  const reserved = reader.u8("identification") * 0x1_0000 + reader.u16("identification");
  return { kind, identity: { type, data: reader.rest() }, reserved };
}

export function encodeId(payload: IdPayload, writer: Writer): void {
  writer.u8(payload.identity.type);
  writer.u8(payload.reserved >>> 16);
  writer.u16(payload.reserved & 0xffff);
  writer.octets(payload.identity.data);
}
