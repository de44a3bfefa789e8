import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 7296 §3.4: method (2 octets), reserved (2), data. */
export interface KePayload {
  readonly kind: "KE";
  /** Key Exchange Method: crypto/key-exchange.ts. */
  readonly method: number;
  /** Its length is the method's to check. */
  readonly data: Uint8Array;
}

export function decodeKe(reader: Reader): KePayload {
  const method = reader.u16("key exchange method");
  reader.skip(2, "key exchange");
  return { kind: "KE", method, data: reader.rest() };
}

export function encodeKe(payload: KePayload, writer: Writer): void {
  writer.u16(payload.method);
  writer.zeros(2);
  writer.octets(payload.data);
}
