import { assert } from "#core/errors";
import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

// MS-IKEE §2.2.3.1
const LAST = 0x01;

/** MS-IKEE §2.2.3.1 (Cisco's is the same): ID (2 octets), number (1), flags (1), data; alone in its message. */
export interface FragPayload {
  readonly kind: "FRAG";
  /** The same in all fragments of a message. */
  readonly id: number;
  /** 1–255. */
  readonly number: number;
  readonly last: boolean;
  /** A piece of the whole message, its ISAKMP header with it. */
  readonly data: Uint8Array;
}

export function decodeFrag(reader: Reader): FragPayload {
  const id = reader.u16("fragment ID");
  const number = reader.u8("fragment number");
  if (number === 0) reader.fail("fragment number", 1);
  const flags = reader.u8("fragment flags");
  return { kind: "FRAG", id, number, last: (flags & LAST) !== 0, data: reader.rest() };
}

export function encodeFrag(payload: FragPayload, writer: Writer): void {
  assert(payload.number > 0, "fragments are numbered from 1");
  writer.u16(payload.id);
  writer.u8(payload.number);
  writer.u8(payload.last ? LAST : 0);
  writer.octets(payload.data);
}
