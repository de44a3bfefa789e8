import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 2408 §3.10: encoding (1 octet), certification authority. */
export interface CrPayload {
  readonly kind: "CR";
  /** A `CertEncoding` of wire/ike/numbers.ts, or another number. */
  readonly encoding: number;
  /** For X.509 the DER of the CA's distinguished name; empty = any. */
  readonly authority: Uint8Array;
}

export function decodeCr(reader: Reader): CrPayload {
  return { kind: "CR", encoding: reader.u8("certificate encoding"), authority: reader.rest() };
}

export function encodeCr(payload: CrPayload, writer: Writer): void {
  writer.u8(payload.encoding);
  writer.octets(payload.authority);
}
