/** SPIs of payloads ↔ numbers (RFC 7296 §3.3.1): 8 octets of an IKE SA, 4 of AH and ESP. */
import { type Spi, spi } from "#core/units";

export const IKE_SPI_LENGTH = 8;
const CHILD_SPI_LENGTH = 4;
/** RFC 4303 §2.1: 1–255 are reserved, 0 is never sent. */
const FIRST_SPI = 256;

export function ikeSpiOctets(value: bigint): Uint8Array {
  const octets = new Uint8Array(IKE_SPI_LENGTH);
  new DataView(octets.buffer).setBigUint64(0, value);
  return octets;
}

/** undefined where it is not 8 octets, or 0, which names no IKE SA (RFC 7296 §3.1). */
export function ikeSpiOf(octets: Uint8Array | undefined): bigint | undefined {
  if (octets?.length !== IKE_SPI_LENGTH) return undefined;
  return new DataView(octets.buffer, octets.byteOffset).getBigUint64(0) || undefined;
}

export function childSpiOctets(value: Spi): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** undefined where it is not 4 octets, or no SPI that an SA may have. */
export function childSpiOf(octets: Uint8Array | undefined): Spi | undefined {
  if (octets?.length !== CHILD_SPI_LENGTH) return undefined;
  const value = spi(new DataView(octets.buffer, octets.byteOffset).getInt32(0));
  return value >>> 0 < FIRST_SPI ? undefined : value;
}
