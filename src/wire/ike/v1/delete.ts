import { assert } from "#core/errors";
import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";
import { Doi, Protocol } from "./numbers.ts";

/** RFC 2408 §3.15: DOI (4 octets), protocol (1), SPI size (1), number of SPIs (2), SPIs. */
export interface DeletePayload {
  readonly kind: "D";
  /** A `Doi`; others are to be ignored. */
  readonly doi: number;
  /** A `Protocol`, or another number. */
  readonly protocol: number;
  /** The sender's inbound SPIs, one at least, all of one length: 4 octets for AH and ESP, the 16 of the cookie pair for ISAKMP. */
  readonly spis: readonly Uint8Array[];
}

/** Of the IPsec DOI. */
export function deletePayload(protocol: number, spis: readonly Uint8Array[]): DeletePayload {
  return { kind: "D", doi: Doi.IPSEC, protocol, spis };
}

export function decodeDelete(reader: Reader): DeletePayload {
  const doi = reader.u32("delete DOI");
  const protocol = reader.u8("delete protocol ID");
  const spiLength = reader.u8("delete SPI size");
  if (spiLength === 0 || spiLength !== (spiLengthOf(protocol) ?? spiLength)) reader.fail("delete SPI size", 1);
  const count = reader.u16("number of SPIs");
  if (count === 0 || spiLength * count !== reader.remaining) reader.fail("number of SPIs", 2);
  const spis: Uint8Array[] = [];
  for (let i = 0; i < count; i++) spis.push(reader.take(spiLength, "SPI"));
  return { kind: "D", doi, protocol, spis };
}

export function encodeDelete(payload: DeletePayload, writer: Writer): void {
  const spiLength = spiLengthOf(payload.protocol) ?? payload.spis[0]?.length ?? 0;
  assert(spiLength > 0 && payload.spis.length > 0, "a delete of nothing");
  writer.u32(payload.doi);
  writer.u8(payload.protocol);
  writer.u8(spiLength);
  writer.u16(payload.spis.length);
  for (const spi of payload.spis) {
    assert(spi.length === spiLength, "an SPI of another length than its protocol's");
    writer.octets(spi);
  }
}

function spiLengthOf(protocol: number): number | undefined {
  if (protocol === Protocol.ISAKMP) return 16;
  return protocol === Protocol.IPSEC_AH || protocol === Protocol.IPSEC_ESP ? 4 : undefined;
}
