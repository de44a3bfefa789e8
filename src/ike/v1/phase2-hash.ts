/** The HASH payloads of phase 2 (RFC 2409 §5.5, §5.7): nothing of a message counts before its own held. */
import { equalOctets } from "#crypto/octets";
import { prf } from "#crypto/prf";
import { encodeChain, type Payload } from "#wire/ike/v1/chain";
import type { HashPayload } from "#wire/ike/v1/hash";
import type { IsakmpKeys } from "./keymat.ts";
import type { Phase2Message } from "./phase2.ts";

type Keys = Pick<IsakmpKeys, "prf" | "SKEYID_a">;

const ZERO = Uint8Array.of(0);

function messageIdOctets(messageId: number): Uint8Array {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, messageId);
  return octets;
}

/** HASH(1): prf(SKEYID_a, M-ID | what follows); also of informational exchanges and of CONNECTED. */
export function hash1(keys: Keys, messageId: number, afterHash: Uint8Array): Uint8Array {
  return prf(keys.prf, keys.SKEYID_a, [messageIdOctets(messageId), afterHash]);
}

/** HASH(2): prf(SKEYID_a, M-ID | Ni_b | what follows). */
export function hash2(keys: Keys, messageId: number, initiatorNonce: Uint8Array, afterHash: Uint8Array): Uint8Array {
  return prf(keys.prf, keys.SKEYID_a, [messageIdOctets(messageId), initiatorNonce, afterHash]);
}

/** HASH(3): prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b). */
export function hash3(
  keys: Keys,
  messageId: number,
  initiatorNonce: Uint8Array,
  responderNonce: Uint8Array,
): Uint8Array {
  return prf(keys.prf, keys.SKEYID_a, [ZERO, messageIdOctets(messageId), initiatorNonce, responderNonce]);
}

/** Whether the first payload is the HASH that was expected. */
export function holds({ payloads }: Pick<Phase2Message, "payloads">, expected: Uint8Array): boolean {
  const [first] = payloads;
  return first?.kind === "HASH" && equalOctets(first.data, expected);
}

export function hashPayload(data: Uint8Array): HashPayload {
  return { kind: "HASH", data };
}

/** The payloads behind HASH(1), which covers them. */
export function withHash1(keys: Keys, messageId: number, payloads: readonly Payload[]): readonly Payload[] {
  return [hashPayload(hash1(keys, messageId, encodeChain(payloads).octets)), ...payloads];
}

export function withHash2(
  keys: Keys,
  messageId: number,
  initiatorNonce: Uint8Array,
  payloads: readonly Payload[],
): readonly Payload[] {
  return [hashPayload(hash2(keys, messageId, initiatorNonce, encodeChain(payloads).octets)), ...payloads];
}
