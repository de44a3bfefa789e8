import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 2408 §3.12. */
export interface SigPayload {
  readonly kind: "SIG";
  readonly data: Uint8Array;
}

export function decodeSig(reader: Reader): SigPayload {
  return { kind: "SIG", data: reader.rest() };
}

export function encodeSig(payload: SigPayload, writer: Writer): void {
  writer.octets(payload.data);
}
