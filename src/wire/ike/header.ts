import { Reader } from "#core/reader";
import { Writer } from "#core/writer";

// RFC 7296 §3.1. Offsets in octets from the start of the message; IKEv1's are the same (RFC 2408 §3.1).
export const RESPONDER_SPI = 8;
export const NEXT_PAYLOAD = 16;
export const VERSION = 17;
export const LENGTH = 24;
export const IKE_HEADER_LENGTH = 28;

export interface IkeHeader {
  readonly initiatorSpi: bigint;
  /** 0 in the first message. */
  readonly responderSpi: bigint;
  /** A `PayloadType`. */
  readonly nextPayload: number;
  /** 0–15: what to do with others than 1 and 2 is the engine's to say (RFC 7296 §2.5). */
  readonly majorVersion: number;
  readonly minorVersion: number;
  /** An `ExchangeType`, or another number. */
  readonly exchangeType: number;
  /** Bits of `IkeFlag`; reserved ones as they came. */
  readonly flags: number;
  readonly messageId: number;
  /** Of the whole message, the header with it. */
  readonly length: number;
}

/** Reads the header of any version; throws WireError for less than 28 octets and where Length is not the datagram's. */
export function decodeHeader(octets: Uint8Array): IkeHeader {
  const reader = new Reader(octets);
  const initiatorSpi = reader.u64("initiator SPI");
  const responderSpi = reader.u64("responder SPI");
  const nextPayload = reader.u8("next payload");
  const version = reader.u8("version");
  const exchangeType = reader.u8("exchange type");
  const flags = reader.u8("flags");
  const messageId = reader.u32("message ID");
  const length = reader.u32("length");
  if (length !== octets.length) reader.fail("length", 4);
  const majorVersion = version >>> 4;
  const minorVersion = version & 0xf;
  return {
    initiatorSpi,
    responderSpi,
    nextPayload,
    majorVersion,
    minorVersion,
    exchangeType,
    flags,
    messageId,
    length,
  };
}

/** The same of what may be noise; undefined, without a throw, where `decodeHeader` complains. */
export function readHeader(octets: Uint8Array): IkeHeader | undefined {
  if (octets.length < IKE_HEADER_LENGTH) return undefined;
  if (new DataView(octets.buffer, octets.byteOffset).getUint32(LENGTH) !== octets.length) return undefined;
  return decodeHeader(octets);
}

/** 28 octets. */
export function encodeHeader(header: IkeHeader): Uint8Array {
  const writer = new Writer(IKE_HEADER_LENGTH);
  writer.u64(header.initiatorSpi);
  writer.u64(header.responderSpi);
  writer.u8(header.nextPayload);
  writer.u8((header.majorVersion << 4) | header.minorVersion);
  writer.u8(header.exchangeType);
  writer.u8(header.flags);
  writer.u32(header.messageId);
  writer.u32(header.length);
  return writer.finish();
}
