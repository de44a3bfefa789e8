import type { Identity } from "#core/identity";
import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 2407 §4.6.2: type (1 octet), protocol (1), port (2), data. */
export interface IdPayload {
  readonly kind: "ID";
  readonly identity: Identity;
  /** An IP protocol; 0 = any. In phase 1 0 or UDP. */
  readonly protocol: number;
  /** 0 = any. In phase 1 0 or 500. */
  readonly port: number;
}

export function idPayload(identity: Identity, protocol = 0, port = 0): IdPayload {
  return { kind: "ID", identity, protocol, port };
}

export function decodeId(reader: Reader): IdPayload {
  const type = reader.u8("ID type");
  const protocol = reader.u8("ID protocol");
  const port = reader.u16("ID port");
  return { kind: "ID", identity: { type, data: reader.rest() }, protocol, port };
}

export function encodeId(payload: IdPayload, writer: Writer): void {
  writer.u8(payload.identity.type);
  writer.u8(payload.protocol);
  writer.u16(payload.port);
  writer.octets(payload.identity.data);
}
