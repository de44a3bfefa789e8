import { assert } from "#core/errors";
import { ProtocolId } from "#core/proposal";
import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 7296 §3.11: protocol (1 octet), SPI size (1), number of SPIs (2), SPIs. */
export interface DeletePayload {
  readonly kind: "D";
  /** A `ProtocolId`, or another number. */
  readonly protocol: number;
  /** The sender's inbound SPIs, all of one length: 4 octets for AH and ESP; none for IKE, which means this IKE SA. */
  readonly spis: readonly Uint8Array[];
}

export function decodeDelete(reader: Reader): DeletePayload {
  const protocol = reader.u8("delete protocol ID");
  const spiLength = reader.u8("delete SPI size");
  const count = reader.u16("number of SPIs");
  const expected = spiLengthOf(protocol);
  if (expected === undefined ? (spiLength === 0) !== (count === 0) : spiLength !== expected) {
    reader.fail("delete SPI size", 3);
  }
  if (spiLength * count !== reader.remaining || (spiLength === 0 && count !== 0)) reader.fail("number of SPIs", 2);
  const spis: Uint8Array[] = [];
  for (let i = 0; i < count; i++) spis.push(reader.take(spiLength, "SPI"));
  return { kind: "D", protocol, spis };
}

export function encodeDelete(payload: DeletePayload, writer: Writer): void {
  const spiLength = spiLengthOf(payload.protocol) ?? payload.spis[0]?.length ?? 0;
  writer.u8(payload.protocol);
  writer.u8(spiLength);
  writer.u16(payload.spis.length);
  for (const spi of payload.spis) {
    assert(spi.length === spiLength && spiLength > 0, "an SPI of another length than its protocol's");
    writer.octets(spi);
  }
}

function spiLengthOf(protocol: number): number | undefined {
  if (protocol === ProtocolId.IKE) return 0;
  return protocol === ProtocolId.AH || protocol === ProtocolId.ESP ? 4 : undefined;
}
