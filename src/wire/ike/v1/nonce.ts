import { assert } from "#core/errors";
import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

// RFC 2409 §5
export const NONCE_LENGTH_MIN = 8;
export const NONCE_LENGTH_MAX = 256;

/** RFC 2408 §3.13. */
export interface NoncePayload {
  readonly kind: "NONCE";
  /** 8–256 octets. */
  readonly data: Uint8Array;
}

export function decodeNonce(reader: Reader): NoncePayload {
  if (!isNonceLength(reader.remaining)) reader.fail("nonce length");
  return { kind: "NONCE", data: reader.rest() };
}

export function encodeNonce(payload: NoncePayload, writer: Writer): void {
  assert(isNonceLength(payload.data.length), "a nonce is 8 to 256 octets");
  writer.octets(payload.data);
}

function isNonceLength(length: number): boolean {
  return length >= NONCE_LENGTH_MIN && length <= NONCE_LENGTH_MAX;
}
