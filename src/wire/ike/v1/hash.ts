import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 2408 §3.11. */
export interface HashPayload {
  readonly kind: "HASH";
  /** Its length is the hash algorithm's to check. */
  readonly data: Uint8Array;
}

export function decodeHash(reader: Reader): HashPayload {
  return { kind: "HASH", data: reader.rest() };
}

export function encodeHash(payload: HashPayload, writer: Writer): void {
  writer.octets(payload.data);
}
