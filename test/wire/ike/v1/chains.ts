/** Chains of version 1 for the tests of its codecs: payloads without where they stood. */
import assert from "node:assert/strict";
import { bodyOf, type Chains, type CodecRow, chainOf, proveRows } from "#test/wire/ike/codec-rows";
import { type DecodedPayload, decodeChain, encodeChain, type Payload } from "#wire/ike/v1/chain";

function bare(decoded: DecodedPayload): Payload {
  const { body: _body, start: _start, end: _end, ...payload } = decoded;
  return payload;
}

export const VERSION_1: Chains<Payload> = {
  decode: (firstType, octets) => decodeChain(firstType, octets).map(bare),
  encode: encodeChain,
};

export function prove(type: number, section: string, rows: readonly CodecRow<Payload>[]): void {
  proveRows(VERSION_1, type, section, rows);
}

export function refused(type: number, body: string, message: string): void {
  assert.throws(() => decodeChain(type, chainOf(bodyOf(body))), { name: "WireError", message });
}
