import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";
import { Doi } from "./numbers.ts";

/** RFC 2408 §3.14: DOI (4 octets), protocol (1), SPI size (1), type (2), SPI, data. */
export interface NotifyPayload {
  readonly kind: "N";
  /** A `Doi`; others are to be ignored. */
  readonly doi: number;
  /** A `Protocol`, or another number. */
  readonly protocol: number;
  /** Of ISAKMP the cookie pair, or nothing. */
  readonly spi: Uint8Array;
  /** A `NotifyType`, or another number: errors are below `FIRST_STATUS_NOTIFY`. */
  readonly type: number;
  readonly data: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/** Of the IPsec DOI. */
export function notify(
  type: number,
  protocol: number,
  spi: Uint8Array = NOTHING,
  data: Uint8Array = NOTHING,
): NotifyPayload {
  return { kind: "N", doi: Doi.IPSEC, protocol, spi, type, data };
}

export function decodeNotify(reader: Reader): NotifyPayload {
  const doi = reader.u32("notify DOI");
  const protocol = reader.u8("notify protocol ID");
  const spiLength = reader.u8("notify SPI size");
  const type = reader.u16("notify message type");
  return { kind: "N", doi, protocol, spi: reader.take(spiLength, "notify SPI"), type, data: reader.rest() };
}

export function encodeNotify(payload: NotifyPayload, writer: Writer): void {
  writer.u32(payload.doi);
  writer.u8(payload.protocol);
  writer.u8(payload.spi.length);
  writer.u16(payload.type);
  writer.octets(payload.spi);
  writer.octets(payload.data);
}
