/** What strangers throw at an IKE engine of either version: whence, and octets that get past the first checks. */
import type { Endpoint } from "#core/address";
import { endpoint } from "#test/sim/ike-pair";
import { IKE_HEADER_LENGTH, LENGTH, RESPONDER_SPI, VERSION } from "#wire/ike/header";
import type { Mutator } from "./mutation.ts";

export const EXCHANGE = 18;
export const FLAGS = 19;
const MESSAGE_ID = 20;

/** The honest peer's address, and others'. */
export function anySource(random: Mutator): Endpoint {
  const port = random.below(4) === 0 ? 4500 : 500;
  const address = random.below(3) === 0 ? "192.0.2.1" : `203.0.${random.below(256)}.${random.below(64)}`;
  return endpoint(address, port);
}

/** Length and version as they should be. */
export function mended(octets: Uint8Array, version: 1 | 2): Uint8Array {
  if (octets.length < IKE_HEADER_LENGTH) return octets;
  const copy = Uint8Array.from(octets);
  copy[VERSION] = version << 4;
  new DataView(copy.buffer).setUint32(LENGTH, copy.length);
  return copy;
}

/** A new conversation: nobody's SPI, none of the responder, message ID 0. */
export function asOpening(octets: Uint8Array, random: Mutator, version: 1 | 2, flags: number): Uint8Array {
  if (octets.length < IKE_HEADER_LENGTH) return octets;
  const copy = mended(octets, version);
  const view = new DataView(copy.buffer);
  view.setUint32(0, random.below(2 ** 32));
  view.setBigUint64(RESPONDER_SPI, 0n);
  view.setUint8(FLAGS, flags);
  view.setUint32(MESSAGE_ID, 0);
  return copy;
}
