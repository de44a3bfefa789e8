/** SPIs of payloads ↔ numbers (RFC 7296 §3.3.1): 8 octets of an IKE SA, 4 of AH and ESP. */
import { Reader } from "#core/reader";
import { type Spi, spi } from "#core/units";
import { Writer } from "#core/writer";

export const IKE_SPI_LENGTH = 8;
export const CHILD_SPI_LENGTH = 4;

export function ikeSpiOctets(value: bigint): Uint8Array {
  const writer = new Writer();
  writer.u64(value);
  return writer.finish();
}

/** undefined where it is not 8 octets. */
export function ikeSpiOf(octets: Uint8Array): bigint | undefined {
  return octets.length === IKE_SPI_LENGTH ? new Reader(octets).u64("SPI") : undefined;
}

export function childSpiOctets(value: Spi): Uint8Array {
  const writer = new Writer();
  writer.u32(value >>> 0);
  return writer.finish();
}

/** undefined where it is not 4 octets. */
export function childSpiOf(octets: Uint8Array): Spi | undefined {
  return octets.length === CHILD_SPI_LENGTH ? spi(new Reader(octets).u32("SPI")) : undefined;
}
