import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 7296 §3.6, RFC 2408 §3.9: encoding (1 octet), data. */
export interface CertPayload {
  readonly kind: "CERT";
  /** A `CertEncoding`, or another number. */
  readonly encoding: number;
  readonly data: Uint8Array;
}

export function decodeCert(reader: Reader): CertPayload {
  return { kind: "CERT", encoding: reader.u8("certificate encoding"), data: reader.rest() };
}

export function encodeCert(payload: CertPayload, writer: Writer): void {
  writer.u8(payload.encoding);
  writer.octets(payload.data);
}
