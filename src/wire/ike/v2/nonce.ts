import { assert } from "#core/errors";
import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

// RFC 7296 §3.9
export const NONCE_LENGTH_MIN = 16;
export const NONCE_LENGTH_MAX = 256;

export interface NoncePayload {
  readonly kind: "Nonce";
  /** 16–256 octets. */
  readonly data: Uint8Array;
}

export function decodeNonce(reader: Reader): NoncePayload {
  if (!isNonceLength(reader.remaining)) reader.fail("nonce length");
  return { kind: "Nonce", data: reader.rest() };
}

export function encodeNonce(payload: NoncePayload, writer: Writer): void {
  assert(isNonceLength(payload.data.length), "a nonce is 16 to 256 octets");
  writer.octets(payload.data);
}

function isNonceLength(length: number): boolean {
  return length >= NONCE_LENGTH_MIN && length <= NONCE_LENGTH_MAX;
}
