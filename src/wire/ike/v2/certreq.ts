import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 7296 §3.7: encoding (1 octet), certification authority. */
export interface CertreqPayload {
  readonly kind: "CERTREQ";
  /** A `CertEncoding`, or another number. */
  readonly encoding: number;
  /** SHA-1 hashes of SubjectPublicKeyInfos, one behind the other, for X.509; empty = any. */
  readonly authority: Uint8Array;
}

export function decodeCertreq(reader: Reader): CertreqPayload {
  return { kind: "CERTREQ", encoding: reader.u8("certificate encoding"), authority: reader.rest() };
}

export function encodeCertreq(payload: CertreqPayload, writer: Writer): void {
  writer.u8(payload.encoding);
  writer.octets(payload.authority);
}
