import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 7296 §3.8: method (1 octet), reserved (3), data. */
export interface AuthPayload {
  readonly kind: "AUTH";
  /** An `AuthMethod`, or another number. */
  readonly method: number;
  readonly data: Uint8Array;
}

export function decodeAuth(reader: Reader): AuthPayload {
  const method = reader.u8("authentication method");
  reader.skip(3, "authentication");
  return { kind: "AUTH", method, data: reader.rest() };
}

export function encodeAuth(payload: AuthPayload, writer: Writer): void {
  writer.u8(payload.method);
  writer.zeros(3);
  writer.octets(payload.data);
}
