import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";
import type { NotifyType } from "#wire/ike/numbers";

/** RFC 7296 §3.10: protocol (1 octet), SPI size (1), type (2), SPI, data. */
export interface NotifyPayload {
  readonly kind: "N";
  /** A `ProtocolId` where an SPI is named, else 0; other numbers are to be ignored. */
  readonly protocol: number;
  readonly spi: Uint8Array;
  /** A `NotifyType`, or another number: errors are below `FIRST_STATUS_NOTIFY`. */
  readonly type: number;
  readonly data: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/** A notification about the IKE SA or the message: without protocol and SPI. */
export function notify(type: NotifyType, data: Uint8Array = NOTHING): NotifyPayload {
  return { kind: "N", protocol: 0, spi: NOTHING, type, data };
}

export function decodeNotify(reader: Reader): NotifyPayload {
  const protocol = reader.u8("notify protocol ID");
  const spiLength = reader.u8("notify SPI size");
  const type = reader.u16("notify message type");
  return { kind: "N", protocol, spi: reader.take(spiLength, "notify SPI"), type, data: reader.rest() };
}

export function encodeNotify(payload: NotifyPayload, writer: Writer): void {
  writer.u8(payload.protocol);
  writer.u8(payload.spi.length);
  writer.u16(payload.type);
  writer.octets(payload.spi);
  writer.octets(payload.data);
}
