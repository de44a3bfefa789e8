import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 2408 §3.7: the public value alone; the group is the SA payload's. */
export interface KePayload {
  readonly kind: "KE";
  /** Its length is the group's to check. */
  readonly data: Uint8Array;
}

export function decodeKe(reader: Reader): KePayload {
  return { kind: "KE", data: reader.rest() };
}

export function encodeKe(payload: KePayload, writer: Writer): void {
  writer.octets(payload.data);
}
