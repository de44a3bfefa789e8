import { assert } from "#core/errors";
import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 7383 §2.5: fragment number (2 octets), total fragments (2), then as in SK; always the last payload. */
export interface SkfPayload {
  readonly kind: "SKF";
  /** `PayloadType` of the first payload inside in fragment 1, else 0. */
  readonly firstType: number;
  /** 1 to `total`. */
  readonly number: number;
  readonly total: number;
  /** IV, ciphertext and ICV: a view of the message, not a copy. */
  readonly body: Uint8Array;
}

export function decodeSkf(firstType: number, reader: Reader): SkfPayload {
  const number = reader.u16("fragment number");
  const total = reader.u16("total fragments");
  if (!isFragment(number, total)) reader.fail("fragment number", 4);
  return { kind: "SKF", firstType, number, total, body: reader.view(reader.remaining, "encrypted fragment") };
}

export function encodeSkf(payload: SkfPayload, writer: Writer): void {
  assert(isFragment(payload.number, payload.total), "a fragment beyond the last one");
  writer.u16(payload.number);
  writer.u16(payload.total);
  writer.octets(payload.body);
}

function isFragment(number: number, total: number): boolean {
  return number >= 1 && number <= total;
}
