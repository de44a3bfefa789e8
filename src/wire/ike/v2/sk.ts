import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 7296 §3.14: what is in it is sealed; always the last payload. */
export interface SkPayload {
  readonly kind: "SK";
  /** `PayloadType` of the first payload inside. */
  readonly firstType: number;
  /** IV, ciphertext and ICV: a view of the message, not a copy. */
  readonly body: Uint8Array;
}

export function decodeSk(firstType: number, reader: Reader): SkPayload {
  return { kind: "SK", firstType, body: reader.view(reader.remaining, "encrypted payload") };
}

export function encodeSk(payload: SkPayload, writer: Writer): void {
  writer.octets(payload.body);
}
