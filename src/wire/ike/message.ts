/** What messages of both versions are made of: generic headers with payloads behind them (RFC 7296 §3.2, RFC 2408 §3.2). */
import type { Writer } from "#core/writer";
import { encodeHeader, IKE_HEADER_LENGTH, type IkeHeader } from "./header.ts";

/** Next payload (1 octet), flags (1), length (2). */
export const PAYLOAD_HEADER_LENGTH = 4;

/** Payloads as they stand in a message; `firstType` is 0 where there are none. */
export interface Chain {
  readonly firstType: number;
  readonly octets: Uint8Array;
}

/** A generic header and what `writeBody` puts behind it; the length is put in. */
export function writePayload(writer: Writer, next: number, flags: number, writeBody: () => void): void {
  const start = writer.length;
  writer.u8(next);
  writer.u8(flags);
  writer.u16(0);
  writeBody();
  writer.patch16(start + 2, writer.length - start);
}

/** A whole message; `nextPayload` and `length` are put in. */
export function messageOf(header: Omit<IkeHeader, "nextPayload" | "length">, { firstType, octets }: Chain): Uint8Array {
  const length = IKE_HEADER_LENGTH + octets.length;
  const message = new Uint8Array(length);
  message.set(encodeHeader({ ...header, nextPayload: firstType, length }));
  message.set(octets, IKE_HEADER_LENGTH);
  return message;
}
